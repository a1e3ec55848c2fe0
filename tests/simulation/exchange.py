"""The venue itself: orders, trades and money, exact, with a history of each; knows no port.

Its books are the oracle that the engine's ledger is compared with in the end. It outlives every
engine. Times are true times of the world in nanoseconds; `clock_ns` is what its own clock shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

import msgspec

from engine.domain.claims import (
    AccountNews,
    BalanceClaim,
    CashClaim,
    CashKind,
    ClaimStatus,
    OrderClaim,
    PositionClaim,
    TradeClaim,
)
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.order import Fill, OrderSpec, OrderType, Side, TimeInForce
from tests.simulation.chance import Chance

ZERO = Decimal(0)
LEVELS = 4


class NotTaken(Exception):
    """The venue says no to an order; `code` is its number for it."""

    def __init__(self, words: str, code: str) -> None:
        super().__init__(words)
        self.words = words
        self.code = code


@dataclass
class VenueOrder:
    venue_order_id: str
    client_order_id: str
    spec: OrderSpec
    is_ours: bool
    """Sent by the engine under test; others are foreign."""
    status: ClaimStatus = ClaimStatus.OPEN
    filled_lots: int = 0
    qty_lots: int = 0
    is_triggered: bool = False
    words: str = ""
    changed_ns: int = 0
    history: list[tuple[int, OrderClaim]] = field(default_factory=list)
    """Every claim about it, with the true time from which it held."""

    @property
    def leaves(self) -> int:
        return self.qty_lots - self.filled_lots

    @property
    def is_working(self) -> bool:
        return not self.status.is_final


class Book:
    """Somebody else's orders: a few levels on each side of a wandering middle."""

    def __init__(self, instrument: Instrument, mid: int, chance: Chance) -> None:
        self.instrument = instrument
        self.mid = mid
        self._chance = chance
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.last_ticks = mid
        self.wander()

    @property
    def bid(self) -> int:
        return max(self.bids)

    @property
    def ask(self) -> int:
        return min(self.asks)

    def wander(self) -> None:
        self.move(max(100, self.mid + self._chance.between(-6, 6)))

    def move(self, mid: int) -> None:
        self.mid = mid
        half = self._chance.between(1, 3)
        self.bids = {mid - half - n: self._chance.between(5, 60) for n in range(LEVELS)}
        self.asks = {mid + half + n: self._chance.between(5, 60) for n in range(LEVELS)}
        self.last_ticks = self._chance.pick((self.bid, self.ask))


class Exchange:
    def __init__(
        self,
        *,
        now_ns: Callable[[], int],
        chance: Chance,
        instruments: Sequence[Instrument],
        balances: dict[str, Decimal],
        fee_asset: str = "",
    ) -> None:
        self._now_ns = now_ns
        self._chance = chance
        self.instruments = {one.instrument_id: one for one in instruments}
        self.books = {
            key: Book(one, 50_000, chance.fork(f"book {key}"))
            for key, one in self.instruments.items()
        }
        self.opening = dict(balances)
        self.balances = dict(balances)
        self._movements: list[tuple[int, str, Decimal]] = []
        self.fee_asset = fee_asset
        self.fee_rate = Decimal("0.001")
        self.skew_ns = 0
        self.orders: dict[str, VenueOrder] = {}
        """By venue order id, oldest first."""
        self.by_client_id: dict[str, VenueOrder] = {}
        """The newest with that id."""
        self.ours: dict[str, VenueOrder] = {}
        """The engine's, by client id."""
        self.accepted: dict[str, int] = {}
        """How many orders of the engine's were taken in, by client id."""
        self.trades: list[tuple[int, TradeClaim]] = []
        self.positions: dict[str, int] = {}
        self.cash: list[tuple[int, CashClaim]] = []
        self.halted: set[str] = set()
        self.tell: Callable[[AccountNews], None] = lambda news: None
        """What happens goes out here, at once; whoever listens adds the delay."""
        self.expires_in_match: Callable[[], bool] = lambda: False
        self.ran_out = 0
        """How often the fee asset did not suffice."""

    # -- reading, as of a true time ----------------------------------------------------------------

    def clock_ns(self) -> int:
        return self._now_ns() + self.skew_ns

    def order_as_of(self, client_order_id: str, when_ns: int) -> OrderClaim | None:
        for order in reversed(self.orders.values()):
            if order.client_order_id == client_order_id:
                claim = _as_of(order, when_ns)
                if claim is not None:
                    return claim
        return None

    def open_as_of(self, when_ns: int) -> list[OrderClaim]:
        claims = (_as_of(order, when_ns) for order in self.orders.values())
        return [claim for claim in claims if claim is not None and not claim.status.is_final]

    def trades_as_of(self, when_ns: int) -> list[TradeClaim]:
        return [trade for ts_ns, trade in self.trades if ts_ns <= when_ns]

    def balances_as_of(self, when_ns: int) -> list[BalanceClaim]:
        totals = dict(self.balances)
        for ts_ns, asset, amount in reversed(self._movements):
            if ts_ns <= when_ns:
                break
            totals[asset] -= amount
        locked = self._locked()
        stamp = self.clock_ns()
        return [
            BalanceClaim(
                asset=asset,
                total=total,
                free=max(ZERO, total - locked.get(asset, ZERO)),
                venue_ns=stamp,
            )
            for asset, total in totals.items()
        ]

    def positions_now(self) -> list[PositionClaim]:
        stamp = self.clock_ns()
        return [
            PositionClaim(instrument_id=key, lots=lots, venue_ns=stamp)
            for key, lots in self.positions.items()
        ]

    def age_s(self, order: VenueOrder) -> float:
        """Since its last change."""
        return (self._now_ns() - order.changed_ns) / 1e9

    def working(self) -> list[VenueOrder]:
        return [order for order in self.orders.values() if order.is_working]

    def _locked(self) -> dict[str, Decimal]:
        locked: dict[str, Decimal] = {}
        for order in self.working():
            instrument = self.instruments[order.spec.instrument_id]
            if instrument.kind is not InstrumentKind.SPOT:
                continue
            if order.spec.side is Side.SELL:
                asset, amount = instrument.base, instrument.qty(order.leaves)
            else:
                price = order.spec.price_ticks or order.spec.trigger_ticks
                asset, amount = instrument.quote, instrument.notional(order.leaves, price)
            locked[asset] = locked.get(asset, ZERO) + amount
        return locked

    # -- orders ----------------------------------------------------------------------------------

    def accept(
        self, client_order_id: str, spec: OrderSpec, *, is_ours: bool = True
    ) -> tuple[VenueOrder, list[TradeClaim]]:
        """Take an order in: it trades, rests or ends at once. NotTaken when it is refused."""
        self._refuse_nonsense(client_order_id, spec)
        if is_ours:
            self.accepted[client_order_id] = self.accepted.get(client_order_id, 0) + 1
        order = VenueOrder(
            venue_order_id=str(1000 + len(self.orders)),
            client_order_id=client_order_id,
            spec=spec,
            is_ours=is_ours,
            qty_lots=self._cut_to_position(spec),
        )
        self.orders[order.venue_order_id] = order
        self.by_client_id[client_order_id] = order
        if is_ours:
            self.ours[client_order_id] = order
        first = len(self.trades)
        self._note(order)
        if spec.trigger_ticks:
            self._trigger_if_due(order)
        else:
            self._take(order)
        return order, [trade for _, trade in self.trades[first:]]

    def _refuse_nonsense(self, client_order_id: str, spec: OrderSpec) -> None:
        instrument = self.instruments[spec.instrument_id]
        if spec.instrument_id in self.halted:
            raise NotTaken("the market is closed", "-1013")
        known = self.by_client_id.get(client_order_id)
        if known is not None and known.is_working:
            raise NotTaken("duplicate order sent", "-2010")
        if spec.qty_lots < instrument.min_lots:
            raise NotTaken("below the smallest quantity", "-1013")
        if spec.reduce_only and instrument.can_short and not self._cut_to_position(spec):
            raise NotTaken("reduce-only would not reduce", "-2022")
        if instrument.kind is InstrumentKind.SPOT:
            self._refuse_unpaid(instrument, spec)

    def _refuse_unpaid(self, instrument: Instrument, spec: OrderSpec) -> None:
        locked = self._locked()
        if spec.side is Side.SELL:
            asset, amount = instrument.base, instrument.qty(spec.qty_lots)
        else:
            price = spec.price_ticks or spec.trigger_ticks
            price = price or self.books[spec.instrument_id].ask + LEVELS
            asset, amount = instrument.quote, instrument.notional(spec.qty_lots, price)
        if amount > self.balances.get(asset, ZERO) - locked.get(asset, ZERO):
            raise NotTaken("account has insufficient balance", "-2010")

    def _cut_to_position(self, spec: OrderSpec) -> int:
        if not spec.reduce_only or not self.instruments[spec.instrument_id].can_short:
            return spec.qty_lots
        held = self.positions.get(spec.instrument_id, 0) * -spec.side.sign
        return max(0, min(spec.qty_lots, held))

    def _take(self, order: VenueOrder) -> None:
        """Trade with what the book offers at its price; what is left rests, or ends."""
        spec = order.spec
        book = self.books[spec.instrument_id]
        is_market = spec.type in (OrderType.MARKET, OrderType.STOP)
        levels = sorted(book.asks.items()) if spec.side is Side.BUY else _down_from(book.bids)
        reach = [
            (ticks, lots)
            for ticks, lots in levels
            if is_market or (ticks - spec.price_ticks) * spec.side.sign <= 0
        ]
        if reach and spec.tif is TimeInForce.POST_ONLY:
            self.end(order, ClaimStatus.EXPIRED, "post-only would have taken")
            return
        if reach and self.expires_in_match():
            self.end(order, ClaimStatus.EXPIRED, "EXPIRED_IN_MATCH")
            return
        if spec.tif is TimeInForce.FOK and sum(lots for _, lots in reach) < order.leaves:
            self.end(order, ClaimStatus.EXPIRED, "not filled whole")
            return
        for ticks, lots in reach:
            if order.leaves:
                self._trade(order, min(lots, order.leaves), ticks, is_maker=False)
        if order.leaves and (is_market or spec.tif in (TimeInForce.IOC, TimeInForce.FOK)):
            self.end(order, ClaimStatus.EXPIRED, "nothing left at its price")

    def _trigger_if_due(self, order: VenueOrder) -> None:
        spec = order.spec
        last = self.books[spec.instrument_id].last_ticks
        is_due = (last - spec.trigger_ticks) * spec.side.sign >= 0
        if is_due and order.is_working and not order.is_triggered:
            order.is_triggered = True
            self._note(order)
            self._take(order)

    def cancel(self, client_order_id: str) -> OrderClaim | None:
        """The claim of the cancelled order; None when there is no such working order."""
        order = self.by_client_id.get(client_order_id)
        if order is None or not order.is_working:
            return None
        return self.end(order, ClaimStatus.CANCELED, "")

    def end(self, order: VenueOrder, status: ClaimStatus, words: str) -> OrderClaim:
        order.status, order.words = status, words
        return self._note(order)

    # -- the market moves --------------------------------------------------------------------------

    def tick(self, instrument_id: str) -> None:
        """The others trade: the book wanders, and what of ours stands in its way is filled."""
        book = self.books[instrument_id]
        if instrument_id in self.halted:
            return
        book.wander()
        for order in self.working():
            spec = order.spec
            if spec.instrument_id != instrument_id:
                continue
            if spec.trigger_ticks and not order.is_triggered:
                self._trigger_if_due(order)
                continue
            against = book.ask if spec.side is Side.BUY else book.bid
            own = book.bid if spec.side is Side.BUY else book.ask
            if (against - spec.price_ticks) * spec.side.sign <= 0:
                self._trade(order, order.leaves, spec.price_ticks, is_maker=True)
            elif own == spec.price_ticks and self._chance.hits(500):
                lots = self._chance.between(1, order.leaves)
                self._trade(order, lots, spec.price_ticks, is_maker=True)

    def _trade(self, order: VenueOrder, lots: int, ticks: int, *, is_maker: bool) -> None:
        spec = order.spec
        instrument = self.instruments[spec.instrument_id]
        fee, asset, worth = self._fee(instrument, spec.side, lots, ticks)
        order.filled_lots += lots
        order.status = ClaimStatus.FILLED if order.leaves == 0 else ClaimStatus.PARTIAL
        trade = TradeClaim(
            instrument_id=spec.instrument_id,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            side=spec.side,
            fill=Fill(
                trade_id=f"t{len(self.trades) + 1}",
                price_ticks=ticks,
                lots=lots,
                fee=fee,
                fee_asset=asset,
                is_maker=is_maker,
                venue_ns=self.clock_ns(),
                fee_worth=worth,
            ),
        )
        self.trades.append((self._now_ns(), trade))
        self._settle(instrument, trade)
        self.tell(trade)
        self._note(order)

    def _fee(
        self, instrument: Instrument, side: Side, lots: int, ticks: int
    ) -> tuple[Decimal, str, Decimal | None]:
        value = instrument.notional(lots, ticks)
        if self.fee_asset:
            fee = _cut(value * self.fee_rate / 600)
            if self.balances.get(self.fee_asset, ZERO) >= fee:
                return fee, self.fee_asset, _cut(value * self.fee_rate)
            self.ran_out += 1
        if instrument.kind is InstrumentKind.SPOT and side is Side.BUY:
            fee = _cut(instrument.qty(lots) * self.fee_rate)
            return fee, instrument.base, fee * instrument.price(ticks)
        return _cut(value * self.fee_rate), instrument.settle, None

    def _settle(self, instrument: Instrument, trade: TradeClaim) -> None:
        fill, sign = trade.fill, trade.side.sign
        value = instrument.notional(fill.lots, fill.price_ticks)
        self._move(fill.fee_asset, -fill.fee)
        self._move(instrument.quote, -sign * value)
        if instrument.kind is InstrumentKind.SPOT:
            self._move(instrument.base, sign * instrument.qty(fill.lots))
        else:
            held = self.positions.get(trade.instrument_id, 0)
            self.positions[trade.instrument_id] = held + sign * fill.lots

    def deposit(self, asset: str, amount: Decimal) -> None:
        claim = CashClaim(
            cash_id=f"cash{len(self.cash) + 1}",
            kind=CashKind.TRANSFER,
            asset=asset,
            amount=amount,
            venue_ns=self.clock_ns(),
        )
        self.cash.append((self._now_ns(), claim))
        self._move(asset, amount)
        self.tell(claim)

    def _move(self, asset: str, amount: Decimal) -> None:
        self._movements.append((self._now_ns(), asset, amount))
        self.balances[asset] = self.balances.get(asset, ZERO) + amount

    def change_rules(self, instrument_id: str) -> Instrument:
        """A coarser smallest quantity from now on."""
        old = self.instruments[instrument_id]
        changed = msgspec.structs.replace(old, min_lots=old.min_lots + 1)
        self.instruments[instrument_id] = changed
        return changed

    def _note(self, order: VenueOrder) -> OrderClaim:
        spec = order.spec
        claim = OrderClaim(
            instrument_id=spec.instrument_id,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            side=spec.side,
            type=spec.type,
            status=order.status,
            qty_lots=order.qty_lots,
            filled_lots=order.filled_lots,
            price_ticks=spec.price_ticks,
            trigger_ticks=spec.trigger_ticks,
            is_triggered=order.is_triggered,
            reduce_only=spec.reduce_only,
            venue_ns=self.clock_ns(),
            words=order.words,
        )
        order.changed_ns = self._now_ns()
        order.history.append((order.changed_ns, claim))
        self.tell(claim)
        return claim


def _as_of(order: VenueOrder, when_ns: int) -> OrderClaim | None:
    found = None
    for ts_ns, claim in order.history:
        if ts_ns > when_ns:
            break
        found = claim
    return found


def _down_from(levels: dict[int, int]) -> list[tuple[int, int]]:
    return sorted(levels.items(), reverse=True)


def _cut(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("1e-8"), ROUND_DOWN)
