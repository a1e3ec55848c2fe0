"""One instrument at the drill exchange: its rules, its book and what has traded."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from engine.domain.order import Side
from engine.drill.book import BookSide, Met
from engine.drill.candles import Candles
from engine.drill.units import ONE, units, value
from engine.drill.values import InstrumentRules, Order

PRINTS_MAX = 5000
FIRST_TRADE_ID = 1_000_000
"""Ids of equal length sort alike as numbers and as text, which some clients take them for."""
DAY_NS = 86_400_000_000_000


class Print(NamedTuple):
    """A public trade."""

    trade_id: int
    price: int
    qty: int
    taker_side: Side
    ts_ns: int
    buyer_order_id: int = 0
    seller_order_id: int = 0
    aggregate_id: int = 0


class Listing:
    def __init__(self, rules: InstrumentRules) -> None:
        self.rules = rules
        self.update_id = 0
        """Counts changes of levels, from 1."""
        self.changed: dict[tuple[bool, int], int] = {}
        """(is_bid, price) of levels that have ever changed -> update id of the last change, in
        the order of the last change. Whoever publishes prunes it."""
        self.bids = BookSide(True, self._touched)
        self.asks = BookSide(False, self._touched)
        self.prints: deque[Print] = deque(maxlen=PRINTS_MAX)
        self.trades = FIRST_TRADE_ID
        """Id of the last one."""
        self.last = 0
        """Price of the last trade; 0 before the first."""
        self.candles = Candles()
        self.stops: list[Order] = []
        """Waiting for their trigger, oldest first."""
        self.open_orders: dict[int, Order] = {}
        self.is_running = True

    def _touched(self, is_bid: bool, price: int) -> None:
        self.update_id += 1
        key = (is_bid, price)
        self.changed.pop(key, None)
        self.changed[key] = self.update_id

    def side(self, side: Side) -> BookSide:
        """Where orders of `side` rest."""
        return self.bids if side is Side.BUY else self.asks

    def opposite(self, side: Side) -> BookSide:
        """What orders of `side` take from."""
        return self.asks if side is Side.BUY else self.bids

    @property
    def reference(self) -> int:
        """Price that filters and triggers are measured against: the last trade, else the mid."""
        if self.last:
            return self.last
        bid, ask = self.bids.best, self.asks.best
        if bid is None or ask is None:
            return bid or ask or 0
        return (bid + ask) // 2

    def printed(
        self,
        price: int,
        qty: int,
        taker_side: Side,
        ts_ns: int,
        taker: Order | None = None,
        maker: Order | None = None,
        trade_id: int = 0,
    ) -> Print:
        buyer, seller = (taker, maker) if taker_side is Side.BUY else (maker, taker)
        print_ = Print(
            trade_id or self.next_trade_id(),
            price,
            qty,
            taker_side,
            ts_ns,
            buyer.order_id if buyer is not None else 0,
            seller.order_id if seller is not None else 0,
            trade_id or self.trades,
        )
        self.last = price
        self.prints.append(print_)
        self.candles.add(ts_ns, price, qty, is_taker_buy=taker_side is Side.BUY)
        return print_

    def next_trade_id(self) -> int:
        self.trades += 1
        return self.trades

    # -- sums over the book ----------------------------------------------------------------------

    def whole_lots(self, qty: int) -> int:
        lot = units("lot", self.rules.lot)
        return qty // lot * lot

    def cost_of(self, side: Side, qty: int) -> int:
        """What taking `qty` costs now; what the book does not hold costs nothing."""
        cost = 0
        for met in self.opposite(side).walk(0):
            taken = min(qty, met.qty)
            cost += value(met.price, taken)
            qty -= taken
            if not qty:
                break
        return cost

    def qty_for(self, side: Side, quote_qty: int) -> int:
        """How much `quote_qty` takes now, in whole lots."""
        qty = 0
        for met in self.opposite(side).walk(0):
            taken = min(met.qty, self.whole_lots(quote_qty * ONE // met.price))
            qty += taken
            quote_qty -= value(met.price, taken)
            if taken < met.qty:
                break
        return qty

    def available(self, side: Side, limit: int, qty: int, *, but: str = "") -> int:
        """How much of `qty` a taker would find, not counting orders of the account `but`."""
        found = 0
        for met in self.opposite(side).walk(limit):
            if met.order is None or met.order.account != but:
                found += met.qty
            if found >= qty:
                return qty
        return found

    def front(self, side: Side) -> Met | None:
        return self.opposite(side).meet(0)
