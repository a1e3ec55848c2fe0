"""The venue of `tests.support.fake_venue` itself: its orders, its money, its clock.

It knows no port: `FakeAccount` and `FakeFeed` are an engine's connections to it.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain.claims import (
    AccountNews,
    CashClaim,
    CashKind,
    ClaimStatus,
    OrderClaim,
    TradeClaim,
)
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.order import Fill, OrderType, Side, TimeInForce
from engine.ports.live import (
    FaultKind,
    LinkState,
)
from engine.ports.venue import Submit

if TYPE_CHECKING:
    from tests.support.fake_venue import FakeAccount, FakeFeed

MS = 1_000_000
ZERO = Decimal(0)


class Fate(enum.StrEnum):
    """What becomes of a request or a question."""

    WORKS = "works"
    DROP_BEFORE = "drop_before"
    """It never arrives, and nobody says so until the time-out."""
    DROP_AFTER = "drop_after"
    """It is carried out; the answer is lost."""
    REFUSE = "refuse"
    NETWORK = "network"
    """Nothing was sent: known at once."""
    KEY = "key"
    LIMITED = "limited"
    NO_ROOM = "no_room"
    """Our own rate budget lets no placement out; a question meets a limit."""
    MAINTENANCE = "maintenance"
    CLOCK = "clock"


FAULTS = {
    Fate.DROP_BEFORE: FaultKind.TIMEOUT,
    Fate.DROP_AFTER: FaultKind.TIMEOUT,
    Fate.REFUSE: FaultKind.REFUSED,
    Fate.NETWORK: FaultKind.NETWORK,
    Fate.KEY: FaultKind.KEY,
    Fate.LIMITED: FaultKind.LIMITED,
    Fate.NO_ROOM: FaultKind.LIMITED,
    Fate.MAINTENANCE: FaultKind.MAINTENANCE,
    Fate.CLOCK: FaultKind.CLOCK,
}


@dataclass
class VenueOrder:
    """An order as the venue's own books have it."""

    venue_order_id: str
    client_order_id: str
    submit: Submit
    status: ClaimStatus = ClaimStatus.OPEN
    filled_lots: int = 0
    is_triggered: bool = False
    venue_ns: int = 0
    words: str = ""

    @property
    def leaves(self) -> int:
        return self.submit.spec.qty_lots - self.filled_lots

    @property
    def is_working(self) -> bool:
        return not self.status.is_final

    def claim(self) -> OrderClaim:
        spec = self.submit.spec
        return OrderClaim(
            instrument_id=spec.instrument_id,
            client_order_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
            side=spec.side,
            type=spec.type,
            status=self.status,
            qty_lots=spec.qty_lots,
            filled_lots=self.filled_lots,
            price_ticks=spec.price_ticks,
            trigger_ticks=spec.trigger_ticks,
            is_triggered=self.is_triggered,
            reduce_only=spec.reduce_only,
            venue_ns=self.venue_ns,
            words=self.words,
        )


@dataclass
class Touch:
    """Best bid and ask of an instrument; what is behind them never runs out."""

    bid: int = 49_999
    ask: int = 50_001


@dataclass
class FakeExchange:
    """The venue: orders, trades, balances, positions; a clock `offset_ns` ahead of the given one.

    `taker_fee` and `maker_fee` are shares of the value; spot buys pay in the base coin, everything
    else in the quote, unless `fee_asset` names a third one with `fee_price` in quote.
    """

    clock: Clock
    instruments: Sequence[Instrument]
    balances: dict[str, Decimal] = field(default_factory=dict)
    offset_ns: int = 0
    maker_fee: Decimal = Decimal("0.001")
    taker_fee: Decimal = Decimal("0.001")
    fee_asset: str = ""
    fee_price: Decimal = Decimal(1)
    latency_ns: int = 5 * MS
    news_delay_ns: int = 3 * MS
    timeout_ns: int = 10 * NS_PER_SECOND
    receive_window_ns: int = 5 * NS_PER_SECOND

    def __post_init__(self) -> None:
        self.by_id = {item.instrument_id: item for item in self.instruments}
        self.touch = {item.instrument_id: Touch() for item in self.instruments}
        self.orders: dict[str, VenueOrder] = {}
        """By venue order id, oldest first."""
        self.trades: list[TradeClaim] = []
        self.positions: dict[str, int] = {}
        self.cash: list[CashClaim] = []
        self.accounts: list[FakeAccount] = []
        self.feeds: list[FakeFeed] = []
        self.scripts: dict[str, deque[Fate]] = {}
        self.asked: dict[str, int] = {}
        """How often each operation arrived or was tried."""
        self.places: list[str] = []
        """Client ids of every placement that arrived, in order; a resend would show."""
        self.timer_until_ns = 0

    # -- what a test says ----------------------------------------------------------------------

    def script(self, operation: str, *fates: Fate) -> None:
        """What becomes of the next calls of `operation` (a method of `Account`)."""
        self.scripts.setdefault(operation, deque()).extend(fates)

    def fate(self, operation: str) -> Fate:
        self.asked[operation] = self.asked.get(operation, 0) + 1
        waiting = self.scripts.get(operation)
        return waiting.popleft() if waiting else Fate.WORKS

    def now_ns(self) -> int:
        """The venue's clock."""
        return self.clock.now_ns() + self.offset_ns

    def working(self) -> list[VenueOrder]:
        return [order for order in self.orders.values() if order.is_working]

    def find(self, client_order_id: str) -> VenueOrder | None:
        """The newest order with this id."""
        for order in reversed(self.orders.values()):
            if order.client_order_id == client_order_id:
                return order
        return None

    def move(self, instrument_id: str, bid: int, ask: int) -> None:
        """The market goes there; what rests in its way is filled as a maker."""
        self.touch[instrument_id] = Touch(bid, ask)
        for order in self.working():
            if order.submit.spec.instrument_id == instrument_id:
                self._trigger(order)
                self._fill_if_passed(order)
        for feed in self.feeds:
            feed.send_touch(instrument_id)

    def fill(self, client_order_id: str, lots: int, *, told: bool = True) -> TradeClaim:
        """Somebody trades with a resting order. `told`: the stream says so."""
        order = self._working(client_order_id)
        return self._trade(order, lots, order.submit.spec.price_ticks, is_maker=True, told=told)

    def end(self, client_order_id: str, status: ClaimStatus, words: str = "") -> None:
        """The venue ends an order by itself."""
        self._end(self._working(client_order_id), status, words)

    def _working(self, client_order_id: str) -> VenueOrder:
        order = self.find(client_order_id)
        assert order is not None, client_order_id
        assert order.is_working, client_order_id
        return order

    def place_foreign(self, submit: Submit) -> VenueOrder:
        """An order of the same account that no engine of ours has sent."""
        return self.accept(submit)

    def deposit(self, asset: str, amount: Decimal, *, told: bool = True) -> None:
        """Money comes in (or goes, when negative)."""
        self._book(asset, amount)
        if told:
            self.cash.append(
                CashClaim(
                    cash_id=f"cash-{len(self.cash) + 1}",
                    kind=CashKind.TRANSFER,
                    asset=asset,
                    amount=amount,
                    venue_ns=self.now_ns(),
                )
            )

    def drop_stream(self) -> None:
        """The user streams break: what happens from now on is not told."""
        for account in self.accounts:
            account.set_link(LinkState.DOWN, "reset")

    def raise_stream(self) -> None:
        for account in self.accounts:
            account.set_link(LinkState.UP, "")

    # -- matching ------------------------------------------------------------------------------

    def accept(self, submit: Submit) -> VenueOrder:
        """Take an order in: it trades, rests, or ends at once."""
        order = VenueOrder(
            venue_order_id=str(1000 + len(self.orders)),
            client_order_id=submit.client_order_id,
            submit=submit,
            venue_ns=self.now_ns(),
        )
        self.orders[order.venue_order_id] = order
        spec = submit.spec
        self._tell(order.claim())
        if spec.type in (OrderType.STOP, OrderType.STOP_LIMIT):
            self._trigger(order)
            if not order.is_triggered:
                return order
        self._take(order)
        return order

    def _take(self, order: VenueOrder) -> None:
        """Trade what crosses the touch; what is left rests, or ends."""
        spec = order.submit.spec
        touch = self.touch[spec.instrument_id]
        price = touch.ask if spec.side is Side.BUY else touch.bid
        is_market = spec.type in (OrderType.MARKET, OrderType.STOP)
        crosses = is_market or (price - spec.price_ticks) * spec.side.sign <= 0
        if crosses and spec.tif is TimeInForce.POST_ONLY:
            self._end(order, ClaimStatus.EXPIRED, "post-only would have taken")
        elif crosses:
            self._trade(order, order.leaves, price, is_maker=False)
        elif spec.tif in (TimeInForce.IOC, TimeInForce.FOK):
            self._end(order, ClaimStatus.EXPIRED, "nothing at its price")

    def _trigger(self, order: VenueOrder) -> None:
        spec = order.submit.spec
        if not spec.trigger_ticks or order.is_triggered:
            return
        touch = self.touch[spec.instrument_id]
        last = touch.ask if spec.side is Side.BUY else touch.bid
        if (last - spec.trigger_ticks) * spec.side.sign >= 0:
            order.is_triggered = True
            self._tell(order.claim())
            self._take(order)

    def _fill_if_passed(self, order: VenueOrder) -> None:
        spec = order.submit.spec
        if not order.is_working or (spec.trigger_ticks and not order.is_triggered):
            return
        touch = self.touch[spec.instrument_id]
        against = touch.ask if spec.side is Side.BUY else touch.bid
        if (against - spec.price_ticks) * spec.side.sign <= 0:
            self._trade(order, order.leaves, spec.price_ticks, is_maker=True)

    def _trade(
        self, order: VenueOrder, lots: int, ticks: int, *, is_maker: bool, told: bool = True
    ) -> TradeClaim:
        spec = order.submit.spec
        instrument = self.by_id[spec.instrument_id]
        fee, fee_asset, worth = self._fee(instrument, spec.side, lots, ticks, is_maker)
        order.filled_lots += lots
        order.status = ClaimStatus.FILLED if order.leaves == 0 else ClaimStatus.PARTIAL
        order.venue_ns = self.now_ns()
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
                fee_asset=fee_asset,
                is_maker=is_maker,
                venue_ns=order.venue_ns,
                fee_worth=worth,
            ),
        )
        self.trades.append(trade)
        self._settle(instrument, trade)
        if told:
            self._tell(trade)
            self._tell(order.claim())
        return trade

    def _fee(
        self, instrument: Instrument, side: Side, lots: int, ticks: int, is_maker: bool
    ) -> tuple[Decimal, str, Decimal | None]:
        """The fee, its asset, and its worth in the settle asset where that is another one."""
        rate = self.maker_fee if is_maker else self.taker_fee
        value = instrument.notional(lots, ticks)
        if self.fee_asset:
            return _down(value * rate / self.fee_price), self.fee_asset, _down(value * rate)
        if instrument.kind is InstrumentKind.SPOT and side is Side.BUY:
            fee = _down(instrument.qty(lots) * rate)
            return fee, instrument.base, fee * instrument.price(ticks)
        return _down(value * rate), instrument.settle, None

    def _settle(self, instrument: Instrument, trade: TradeClaim) -> None:
        """Move the money of one execution."""
        fill, sign = trade.fill, trade.side.sign
        self._book(fill.fee_asset, -fill.fee)
        if instrument.kind is InstrumentKind.SPOT:
            self._book(instrument.base, sign * instrument.qty(fill.lots))
            self._book(instrument.quote, -sign * instrument.notional(fill.lots, fill.price_ticks))
            return
        held = self.positions.get(trade.instrument_id, 0)
        self.positions[trade.instrument_id] = held + sign * fill.lots
        # Kept as cash flow: equal to a wallet balance whenever the position is flat.
        self._book(instrument.settle, -sign * instrument.notional(fill.lots, fill.price_ticks))

    def _book(self, asset: str, amount: Decimal) -> None:
        self.balances[asset] = self.balances.get(asset, ZERO) + amount

    def _end(self, order: VenueOrder, status: ClaimStatus, words: str) -> None:
        order.status, order.words, order.venue_ns = status, words, self.now_ns()
        self._tell(order.claim())

    def cancel(self, order: VenueOrder) -> None:
        self._end(order, ClaimStatus.CANCELED, "")

    def _tell(self, news: AccountNews) -> None:
        for account in self.accounts:
            account.tell(news)


def _down(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("1e-8"), ROUND_DOWN)
