"""The core of the drill exchange: orders of several accounts against a market and each other.

Knows no protocol, no socket and no fault. Everything happens inside a call: `place`, `cancel`,
`step`. What happened is told to the listeners at once and written to the ledger.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from engine.domain.order import Side
from engine.drill.clock import VenueClock
from engine.drill.filters import check_filters
from engine.drill.ledger import MARKET, OUTSIDE, Ledger
from engine.drill.listing import Listing, Print
from engine.drill.market import Market, MarketRow, MarketSource
from engine.drill.settlement import FEE_ASSET, Paid, Settlement, SpotSettlement
from engine.drill.units import units, value
from engine.drill.values import (
    AccountSpec,
    InstrumentRules,
    Kind,
    Order,
    OrderAsked,
    Refusal,
    RefusalKind,
    SelfTrade,
    Status,
    Tif,
    Trade,
)
from engine.drill.wallets import Wallets
from engine.kernels.layout import ROW_CLEAR, ROW_TRADE

FEE_ASSET_PRICES = {"USDT": Decimal(600), "BTC": Decimal("0.01"), "ETH": Decimal("0.2")}
"""One fee asset in other assets, where no instrument says so."""


FIRST_ORDER_ID = 1_000_001


class Listener(Protocol):
    """Told synchronously; places no orders while it listens."""

    def on_order(self, order: Order, change: str, trade: Trade | None) -> None:
        """`change`: NEW, TRIGGERED, TRADE, CANCELED, EXPIRED, TRADE_PREVENTION."""

    def on_print(self, listing: Listing, print_: Print) -> None: ...

    def on_balances(self, account: str, assets: Iterable[str]) -> None:
        """They have changed, for whatever reason."""

    def on_deposit(self, account: str, asset: str, amount: int) -> None:
        """Negative: a withdrawal. Besides `on_balances`."""


class Exchange:
    """One venue. `markets`: by symbol; a symbol without one is traded among accounts only."""

    def __init__(
        self,
        name: str,
        rules: Iterable[InstrumentRules],
        accounts: Iterable[AccountSpec],
        clock: VenueClock,
        markets: Mapping[str, MarketSource],
        ledger_path: Path | None = None,
        speed: Decimal = Decimal(1),
    ) -> None:
        self.name = name
        self.clock = clock
        self.ledger = Ledger(ledger_path)
        self.wallets = Wallets(self.ledger, clock.now_ns)
        self.accounts: dict[str, AccountSpec] = {}
        self.listings = {each.symbol: Listing(each) for each in rules}
        self.settlement: Settlement = SpotSettlement(
            self.accounts, self.wallets, self.fee_asset_price
        )
        self.listeners: list[Listener] = []
        self.orders: dict[int, Order] = {}
        self.trades: defaultdict[tuple[str, str], list[Trade]] = defaultdict(list)
        """Of an account and a symbol, oldest first."""
        self._by_client_id: dict[tuple[str, str, str], Order] = {}
        """The newest of its id."""
        self._orders_of: defaultdict[tuple[str, str], list[Order]] = defaultdict(list)
        self._next_order_id = FIRST_ORDER_ID
        self._speed = speed
        self._markets = {symbol: Market(source) for symbol, source in markets.items()}
        self._last_step_ns = clock.monotonic_ns()
        for spec in accounts:
            self.open_account(spec)
        for symbol, market in self._markets.items():
            self._open_market(self.listings[symbol], market)

    # -- accounts --------------------------------------------------------------------------------

    def open_account(self, spec: AccountSpec) -> None:
        self.accounts[spec.name] = spec
        self.wallets.open(spec.name)
        for asset, amount in spec.balances.items():
            self.deposit(spec.name, asset, amount)

    def deposit(self, account: str, asset: str, amount: Decimal) -> None:
        """Negative: a withdrawal."""
        moved = units("amount", amount)
        self.wallets.move("deposit", asset, OUTSIDE, account, moved)
        for listener in self.listeners:
            listener.on_deposit(account, asset, moved)
        self._tell_balances()

    def fee_asset_price(self, asset: str) -> int:
        """One fee asset in units of `asset`; 0: unknown."""
        listing = self.listings.get(f"{FEE_ASSET}{asset}")
        if listing is not None and listing.reference:
            return listing.reference
        return units("price", FEE_ASSET_PRICES.get(asset, Decimal(0)))

    # -- orders ----------------------------------------------------------------------------------

    def place(self, account: str, asked: OrderAsked) -> Order:
        """Accept it and let it trade. Refusal, with nothing changed, where it is not let in."""
        listing = self.listing(asked.symbol)
        mine = [order for order in listing.open_orders.values() if order.account == account]
        held = self.wallets.held(account, listing.rules.base)
        check_filters(asked, listing, held, mine)
        if any(order.client_order_id == asked.client_order_id for order in mine):
            raise Refusal(RefusalKind.DUPLICATE_ID)
        self._check_prices(asked, listing)
        self.settlement.check(account, asked, listing)
        order = self._accept(account, asked, listing)
        if order.is_parked:
            listing.stops.append(order)
        else:
            self._work(order, listing)
            self._run_stops(listing)
        self._tell_balances()
        return order

    def _check_prices(self, asked: OrderAsked, listing: Listing) -> None:
        if asked.kind is Kind.LIMIT_MAKER and listing.opposite(asked.side).meet(asked.price):
            raise Refusal(RefusalKind.WOULD_TAKE)
        if asked.kind.has_trigger and _is_triggered(
            asked.side, asked.kind, asked.trigger, listing.reference
        ):
            raise Refusal(RefusalKind.WOULD_TRIGGER)
        if not asked.qty and not listing.qty_for(asked.side, asked.quote_qty):
            raise Refusal(RefusalKind.NO_LIQUIDITY)

    def _accept(self, account: str, asked: OrderAsked, listing: Listing) -> Order:
        now_ns = self.clock.now_ns()
        order = Order(
            order_id=self._next_order_id,
            client_order_id=asked.client_order_id,
            account=account,
            symbol=asked.symbol,
            side=asked.side,
            kind=asked.kind,
            tif=asked.tif,
            qty=asked.qty or listing.qty_for(asked.side, asked.quote_qty),
            quote_qty=asked.quote_qty,
            price=asked.price if asked.kind.has_price else 0,
            trigger=asked.trigger,
            self_trade=asked.self_trade or listing.rules.self_trade,
            reduce_only=asked.reduce_only,
            close_position=asked.close_position,
            created_ns=now_ns,
            updated_ns=now_ns,
            working_ns=0 if asked.kind.has_trigger else now_ns,
            extra=asked.extra,
        )
        self._next_order_id += 1
        self.settlement.lock(order, listing)
        self.orders[order.order_id] = order
        self._by_client_id[account, order.symbol, order.client_order_id] = order
        self._orders_of[account, order.symbol].append(order)
        listing.open_orders[order.order_id] = order
        self._changed(order, "NEW")
        return order

    def _work(self, order: Order, listing: Listing) -> None:
        """It goes onto the book: take what its price allows, then rest, or end."""
        limit = order.price
        if order.tif is Tif.FOK:
            own = order.account if order.self_trade is not SelfTrade.NONE else ""
            if listing.available(order.side, limit, order.leaves, but=own) < order.leaves:
                self._end(order, listing, Status.EXPIRED, "EXPIRED", "fill or kill")
                return
        is_short = self._take(order, listing)
        if not order.status.is_open:
            return
        if is_short or not order.kind.has_price or order.tif is not Tif.GTC:
            reason = "no funds" if is_short else "nothing more within its limit"
            self._end(order, listing, Status.EXPIRED, "EXPIRED", reason)
        else:
            listing.side(order.side).rest(order)

    def _take(self, order: Order, listing: Listing) -> bool:
        """True when the account could not pay for all of it."""
        book = listing.opposite(order.side)
        while order.status.is_open and order.leaves:
            met = book.meet(order.price)
            if met is None:
                return False
            maker = met.order
            if maker is not None and self._prevents(order, maker):
                self._prevent(order, maker, listing)
                continue
            qty = min(order.leaves, met.qty)
            paid_for = self.settlement.affordable(order, listing, met.price, qty)
            if paid_for > 0:
                self._execute(listing, order, maker, met.price, paid_for)
            if paid_for < qty:
                return True
        return False

    # -- meeting oneself -------------------------------------------------------------------------

    @staticmethod
    def _prevents(taker: Order, maker: Order) -> bool:
        return taker.account == maker.account and taker.self_trade is not SelfTrade.NONE

    def _prevent(self, taker: Order, maker: Order, listing: Listing) -> None:
        mode = taker.self_trade
        if mode is SelfTrade.DECREMENT:
            qty = min(taker.leaves, maker.leaves)
            for order in (maker, taker):
                order.prevented += qty
                if order.leaves:
                    self.settlement.unlock(order, listing)
                    self.settlement.lock(order, listing)
                    self._changed(order, "TRADE_PREVENTION")
            if maker.leaves:
                listing.side(maker.side).shrunk(maker)
        doomed = [
            order
            for order, modes in (
                (maker, (SelfTrade.EXPIRE_MAKER, SelfTrade.EXPIRE_BOTH)),
                (taker, (SelfTrade.EXPIRE_TAKER, SelfTrade.EXPIRE_BOTH)),
            )
            if mode in modes or not order.leaves
        ]
        for order in doomed:
            if order is maker:
                listing.side(order.side).remove(order)
            reason = "self-trade prevention"
            self._end(order, listing, Status.EXPIRED_IN_MATCH, "TRADE_PREVENTION", reason)

    # -- trading ---------------------------------------------------------------------------------

    def _execute(
        self, listing: Listing, taker: Order | None, maker: Order | None, price: int, qty: int
    ) -> None:
        """`qty` changes hands at `price`. None: the market."""
        some = taker or maker
        assert some is not None
        taker_side = taker.side if taker is not None else some.side.opposite
        now_ns, trade_id = self.clock.now_ns(), listing.next_trade_id()
        paid = self.settlement.settle(listing, taker, maker, price, qty, trade_id)
        book = listing.opposite(taker_side)
        for order in (maker, taker):
            if order is not None:
                order.filled += qty
                order.filled_value += value(price, qty)
        if maker is None:
            book.take_market(price, qty)
        elif maker.leaves:
            book.shrunk(maker)
        else:
            book.remove(maker)
        print_ = listing.printed(price, qty, taker_side, now_ns, taker, maker, trade_id)
        for order, other, side_paid in ((taker, maker, paid[0]), (maker, taker, paid[1])):
            if order is not None and side_paid is not None:
                self._booked(listing, order, other, price, qty, side_paid, order is maker, print_)
        for listener in self.listeners:
            listener.on_print(listing, print_)

    def _booked(
        self,
        listing: Listing,
        order: Order,
        other: Order | None,
        price: int,
        qty: int,
        paid: Paid,
        is_maker: bool,
        print_: Print,
    ) -> None:
        trade = Trade(
            trade_id=print_.trade_id,
            account=order.account,
            symbol=order.symbol,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            side=order.side,
            price=price,
            qty=qty,
            is_maker=is_maker,
            fee=paid.fee,
            fee_asset=paid.fee_asset,
            realized=paid.realized,
            ts_ns=print_.ts_ns,
        )
        order.trades.append(trade)
        self.trades[order.account, order.symbol].append(trade)
        counterparty = other.account if other is not None else MARKET
        self.ledger.trade(print_.ts_ns, trade, counterparty)
        order.status = Status.PARTIALLY_FILLED if order.leaves else Status.FILLED
        if not order.leaves:
            self._close(order, listing)
        self._changed(order, "TRADE", trade)

    # -- ends ------------------------------------------------------------------------------------

    def cancel(self, order: Order, cancel_client_order_id: str = "") -> None:
        """`order` is open: take it off."""
        listing = self.listings[order.symbol]
        self._off_book(order, listing)
        order.cancel_client_order_id = cancel_client_order_id
        self._end(order, listing, Status.CANCELED, "CANCELED", "")
        self._tell_balances()

    def end_by_itself(self, order: Order, status: Status, reason: str) -> None:
        """The venue ends an open order that nobody has cancelled."""
        listing = self.listings[order.symbol]
        self._off_book(order, listing)
        change = "CANCELED" if status is Status.CANCELED else "EXPIRED"
        self._end(order, listing, status, change, reason)
        self._tell_balances()

    def fill_by_market(self, order: Order, qty: int) -> None:
        """Somebody takes `qty` of a resting order, wherever it stands in the queue."""
        listing = self.listings[order.symbol]
        self._execute(listing, None, order, order.price, qty)
        self._run_stops(listing)
        self._tell_balances()

    def _off_book(self, order: Order, listing: Listing) -> None:
        if order.is_parked:
            listing.stops.remove(order)
        else:
            listing.side(order.side).remove(order)

    def _end(
        self, order: Order, listing: Listing, status: Status, change: str, reason: str
    ) -> None:
        order.status, order.reason = status, reason
        self._close(order, listing)
        self._changed(order, change)

    def _close(self, order: Order, listing: Listing) -> None:
        self.settlement.unlock(order, listing)
        del listing.open_orders[order.order_id]

    # -- stops -----------------------------------------------------------------------------------

    def _run_stops(self, listing: Listing) -> None:
        """Trigger what the last trade reached; what they trade may trigger others."""
        while True:
            due = next(
                (
                    order
                    for order in listing.stops
                    if listing.last
                    and _is_triggered(order.side, order.kind, order.trigger, listing.last)
                ),
                None,
            )
            if due is None:
                return
            listing.stops.remove(due)
            due.is_triggered, due.working_ns = True, self.clock.now_ns()
            self._changed(due, "TRIGGERED")
            self._work(due, listing)

    # -- the market ------------------------------------------------------------------------------

    def step(self) -> None:
        """Bring the market to now."""
        now_ns = self.clock.monotonic_ns()
        passed_ns = int((now_ns - self._last_step_ns) * self._speed)
        self._last_step_ns = now_ns
        for symbol, market in self._markets.items():
            listing = self.listings[symbol]
            if listing.is_running:
                for row in market.advance(market.now_ns + passed_ns):
                    self._apply(listing, row)
        self._tell_balances()
        self.ledger.flush()

    def _open_market(self, listing: Listing, market: Market) -> None:
        """Up to the first moment with both sides."""
        while not market.has_ended and (listing.bids.best is None or listing.asks.best is None):
            for row in market.advance(market.now_ns + 1_000_000):
                self._apply(listing, row)

    def _apply(self, listing: Listing, row: MarketRow) -> None:
        if row.kind == ROW_TRADE:
            self._market_traded(listing, row)
            self._run_stops(listing)
            return
        book = listing.bids if row.is_buy else listing.asks
        if row.kind == ROW_CLEAR:
            book.clear_market(row.price)
            return
        qty = row.qty
        if qty:
            qty -= self._market_crosses(listing, row)
        book.set_market(row.price, qty)

    def _market_crosses(self, listing: Listing, row: MarketRow) -> int:
        """The market quotes through orders of ours: they trade, at their price."""
        side = Side.BUY if row.is_buy else Side.SELL
        book, traded = listing.opposite(side), 0
        while traded < row.qty:
            own = book.best_own
            if own is None or not book.is_within(own, row.price):
                break
            resting = book.front(own)
            assert resting is not None
            qty = min(row.qty - traded, resting.order.leaves)
            self._execute(listing, None, resting.order, own, qty)
            traded += qty
        if traded:
            self._run_stops(listing)
        return traded

    def _market_traded(self, listing: Listing, row: MarketRow) -> None:
        """A trade of the market's: ours in front of it trade first, then the queue at its price."""
        side = Side.BUY if row.is_buy else Side.SELL
        book, left = listing.opposite(side), row.qty
        while left:
            own = book.best_own
            if own is None or not book.is_within(own, row.price):
                break
            resting = book.front(own)
            assert resting is not None
            if own == row.price and resting.ahead:
                passed = min(left, resting.ahead)
                book.market_traded(own, passed)
                self._print(listing, row, passed)
                left -= passed
                continue
            qty = min(left, resting.order.leaves)
            self._execute(listing, None, resting.order, own, qty)
            left -= qty
        if left:
            self._print(listing, row, left)

    def _print(self, listing: Listing, row: MarketRow, qty: int) -> None:
        side = Side.BUY if row.is_buy else Side.SELL
        print_ = listing.printed(row.price, qty, side, self.clock.now_ns())
        for listener in self.listeners:
            listener.on_print(listing, print_)

    def crash(self, symbol: str) -> None:
        if symbol in self._markets:
            self._markets[symbol].crash()

    def scale_market(self, symbol: str, factor: Decimal) -> None:
        """The market's prices become `factor` times what its source says; 1 ends it."""
        listing, market = self.listing(symbol), self._markets.get(symbol)
        for row in market.scale(factor) if market is not None else ():
            self._apply(listing, row)

    # -- questions -------------------------------------------------------------------------------

    def listing(self, symbol: str) -> Listing:
        listing = self.listings.get(symbol)
        if listing is None:
            raise Refusal(RefusalKind.UNKNOWN_SYMBOL)
        return listing

    def find_order(
        self, account: str, symbol: str, order_id: int = 0, client_order_id: str = ""
    ) -> Order:
        """By either id, or Refusal(UNKNOWN_ORDER)."""
        if order_id:
            order = self.orders.get(order_id)
        else:
            order = self._by_client_id.get((account, symbol, client_order_id))
        if order is None or order.account != account or order.symbol != symbol:
            raise Refusal(RefusalKind.UNKNOWN_ORDER)
        return order

    def open_orders(self, account: str = "", symbol: str = "") -> list[Order]:
        """ "" for all of them."""
        listings = [self.listing(symbol)] if symbol else self.listings.values()
        return [
            order
            for listing in listings
            for order in listing.open_orders.values()
            if account in ("", order.account)
        ]

    def all_orders(self, account: str, symbol: str) -> list[Order]:
        return self._orders_of[account, symbol]

    # -- telling ---------------------------------------------------------------------------------

    def _changed(self, order: Order, change: str, trade: Trade | None = None) -> None:
        order.updated_ns = self.clock.now_ns()
        self.ledger.order(order.updated_ns, change, order)
        for listener in self.listeners:
            listener.on_order(order, change, trade)

    def _tell_balances(self) -> None:
        touched, self.wallets.touched = self.wallets.touched, {}
        for account, assets in touched.items():
            for listener in self.listeners:
                listener.on_balances(account, assets)

    def close(self) -> None:
        self.ledger.close()


def _is_triggered(side: Side, kind: Kind, trigger: int, last: int) -> bool:
    is_rise = (side is Side.BUY) is not kind.is_take_profit
    return last >= trigger if is_rise else last <= trigger
