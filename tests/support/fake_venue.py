"""A venue behind the port of `engine.ports.live`, in memory, on an injected clock.

`FakeExchange` is the venue itself: it outlives engines, keeps its own books (the oracle) and knows
no port. `FakeAccount` and `FakeFeed` are one engine's connections to it. What goes wrong is said
beforehand: `exchange.script("place", Fate.DROP_AFTER)` is what becomes of the next `place`.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

import numpy as np

from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain.claims import (
    AccountNews,
    BalanceClaim,
    CashClaim,
    CashKind,
    ClaimStatus,
    KeyPermissions,
    OrderClaim,
    PositionClaim,
    TradeClaim,
)
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.order import Fill, OrderType, Side, TimeInForce
from engine.kernels import layout as k
from engine.ports.live import (
    AccountSink,
    CancelOutcome,
    ClockReading,
    DeadMan,
    FaultKind,
    FeedLinkChanged,
    LinkState,
    MarketSink,
    NotWorking,
    Placed,
    PlaceOutcome,
    Refused,
    Unanswered,
    UserLinkChanged,
    VenueFault,
    VenueTraits,
)
from engine.ports.venue import Submit, VenueAbilities

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
    MAINTENANCE = "maintenance"
    CLOCK = "clock"


_FAULTS = {
    Fate.DROP_BEFORE: FaultKind.TIMEOUT,
    Fate.DROP_AFTER: FaultKind.TIMEOUT,
    Fate.REFUSE: FaultKind.REFUSED,
    Fate.NETWORK: FaultKind.NETWORK,
    Fate.KEY: FaultKind.KEY,
    Fate.LIMITED: FaultKind.LIMITED,
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


class FakeAccount:
    """Implements `engine.ports.live.Account`: one engine's private connection."""

    def __init__(self, exchange: FakeExchange, clock: Clock, *, venue: str = "fake") -> None:
        self.exchange = exchange
        self.clock = clock
        self._venue = venue
        self._offset_ns: int | None = None
        self._sink: AccountSink | None = None
        self.link = LinkState.DOWN
        self._tasks: set[asyncio.Task[None]] = set()
        is_spot = all(item.kind is InstrumentKind.SPOT for item in exchange.instruments)
        self._traits = VenueTraits(
            abilities=VenueAbilities(has_reduce_only=not is_spot, shows_own_orders=True),
            dead_man=DeadMan.RESTING_STOPS if is_spot else DeadMan.VENUE_TIMER,
            receive_window_ns=exchange.receive_window_ns,
            has_positions=not is_spot,
        )

    @property
    def venue(self) -> str:
        return self._venue

    @property
    def traits(self) -> VenueTraits:
        return self._traits

    @property
    def clock_offset_ns(self) -> int | None:
        return self._offset_ns

    # -- the user stream -----------------------------------------------------------------------

    async def open_user_stream(self, sink: AccountSink) -> None:
        await self._ask("open_user_stream")
        self._sink = sink
        if self not in self.exchange.accounts:
            self.exchange.accounts.append(self)
        self.set_link(LinkState.UP, "")

    def set_link(self, state: LinkState, reason: str) -> None:
        if self._sink is not None and self.link is not state:
            self.link = state
            self._sink.on_user_link(UserLinkChanged(state=state, reason=reason))

    def tell(self, news: AccountNews) -> None:
        """News start on their way; those that arrive over a broken link are lost."""
        if self.link is not LinkState.UP:
            return
        task = asyncio.get_running_loop().create_task(self._deliver(news))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, news: AccountNews) -> None:
        await self.clock.sleep(self.exchange.news_delay_ns)
        if self.link is LinkState.UP and self._sink is not None:
            self._sink.on_account(news, self.clock.now_ns())

    async def close(self) -> None:
        if self in self.exchange.accounts:
            self.exchange.accounts.remove(self)
        self.link, self._sink = LinkState.DOWN, None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- requests ------------------------------------------------------------------------------

    async def place(self, submit: Submit) -> PlaceOutcome:
        sent_ns = self.clock.now_ns()
        fate = self.exchange.fate("place")
        if fate is Fate.NETWORK:
            return Refused(kind=FaultKind.NETWORK, reason="no route", was_sent=False)
        if fate in (Fate.DROP_BEFORE, Fate.DROP_AFTER):
            if fate is Fate.DROP_AFTER:
                await self.clock.sleep(self.exchange.latency_ns)
                self._accept(submit)
            await self.clock.sleep(self.exchange.timeout_ns)
            return self._unanswered(sent_ns)
        await self.clock.sleep(self.exchange.latency_ns)
        if fate is not Fate.WORKS:
            return Refused(kind=_FAULTS[fate], reason=f"refused: {fate}", code="-1")
        first = len(self.exchange.trades)
        order = self._accept(submit)
        trades = self.exchange.trades[first:]
        claim = order.claim()
        await self.clock.sleep(self.exchange.latency_ns)
        return Placed(order=claim, trades=tuple(trades))

    def _accept(self, submit: Submit) -> VenueOrder:
        self.exchange.places.append(submit.client_order_id)
        return self.exchange.accept(submit)

    def _unanswered(self, sent_ns: int) -> Unanswered:
        return Unanswered(
            kind=FaultKind.TIMEOUT,
            reason="no answer",
            decided_ns=sent_ns + self.exchange.receive_window_ns,
        )

    async def cancel(self, instrument_id: str, client_order_id: str) -> CancelOutcome:
        sent_ns = self.clock.now_ns()
        fate = self.exchange.fate("cancel")
        if fate is Fate.NETWORK:
            return Refused(kind=FaultKind.NETWORK, reason="no route", was_sent=False)
        await self.clock.sleep(self.exchange.latency_ns)
        order = self.exchange.find(client_order_id)
        if fate is Fate.DROP_BEFORE:
            await self.clock.sleep(self.exchange.timeout_ns)
            return self._unanswered(sent_ns)
        if fate not in (Fate.WORKS, Fate.DROP_AFTER):
            return Refused(kind=_FAULTS[fate], reason=f"refused: {fate}", code="-1")
        if order is None or not order.is_working:
            return NotWorking(reason="unknown order")
        self.exchange.cancel(order)
        claim = order.claim()
        if fate is Fate.DROP_AFTER:
            await self.clock.sleep(self.exchange.timeout_ns)
            return self._unanswered(sent_ns)
        await self.clock.sleep(self.exchange.latency_ns)
        return claim

    async def cancel_all(self, instrument_id: str) -> None:
        await self._ask("cancel_all")
        for order in self.exchange.working():
            if order.submit.spec.instrument_id == instrument_id:
                self.exchange.cancel(order)

    # -- questions -----------------------------------------------------------------------------

    async def _ask(self, operation: str) -> None:
        """The way there and back; VenueFault for what was scripted."""
        fate = self.exchange.fate(operation)
        if fate in (Fate.DROP_BEFORE, Fate.DROP_AFTER):
            await self.clock.sleep(self.exchange.timeout_ns)
        elif fate is not Fate.NETWORK:
            await self.clock.sleep(2 * self.exchange.latency_ns)
        if fate is not Fate.WORKS:
            raise VenueFault(_FAULTS[fate], f"{operation}: {fate}")

    async def load_instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        await self._ask("load_instruments")
        return [item for item in self.exchange.instruments if item.symbol in symbols]

    async def measure_clock(self) -> ClockReading:
        await self._ask("measure_clock")
        self._offset_ns = self.exchange.now_ns() - self.clock.now_ns()
        return ClockReading(self._offset_ns, 2 * self.exchange.latency_ns)

    async def fetch_key_permissions(self) -> KeyPermissions:
        await self._ask("fetch_key_permissions")
        return KeyPermissions(
            can_read=True,
            can_trade=True,
            can_withdraw=False,
            can_transfer=False,
            is_ip_restricted=True,
        )

    async def find_order(self, instrument_id: str, client_order_id: str) -> OrderClaim | None:
        await self._ask("find_order")
        order = self.exchange.find(client_order_id)
        return None if order is None else order.claim()

    async def fetch_open_orders(self) -> Sequence[OrderClaim]:
        await self._ask("fetch_open_orders")
        return [order.claim() for order in self.exchange.working()]

    async def fetch_trades(
        self, instrument_id: str, *, since_ns: int = 0, venue_order_id: str = ""
    ) -> Sequence[TradeClaim]:
        await self._ask("fetch_trades")
        return [
            trade
            for trade in self.exchange.trades
            if trade.instrument_id == instrument_id
            and trade.fill.venue_ns >= since_ns
            and venue_order_id in ("", trade.venue_order_id)
        ]

    async def fetch_balances(self) -> Sequence[BalanceClaim]:
        await self._ask("fetch_balances")
        return [
            BalanceClaim(asset=asset, total=total, free=total, venue_ns=self.exchange.now_ns())
            for asset, total in self.exchange.balances.items()
        ]

    async def fetch_positions(self) -> Sequence[PositionClaim]:
        await self._ask("fetch_positions")
        if not self._traits.has_positions:
            return []
        return [
            PositionClaim(instrument_id=key, lots=lots, venue_ns=self.exchange.now_ns())
            for key, lots in self.exchange.positions.items()
        ]

    async def fetch_cash(self, since_ns: int) -> Sequence[CashClaim]:
        await self._ask("fetch_cash")
        return [claim for claim in self.exchange.cash if claim.venue_ns >= since_ns]

    async def renew_dead_man(self, timeout_s: int) -> None:
        await self._ask("renew_dead_man")
        self.exchange.timer_until_ns = (
            self.exchange.now_ns() + timeout_s * NS_PER_SECOND if timeout_s else 0
        )


class FakeFeed:
    """Implements `engine.ports.live.MarketFeed`: the touch of each instrument, one level deep."""

    def __init__(self, exchange: FakeExchange, clock: Clock, lots: int = 1000) -> None:
        self.exchange = exchange
        self.clock = clock
        self._lots = lots
        self._sink: MarketSink | None = None
        self._shown: dict[str, Touch] = {}

    async def open(self, instruments: Sequence[Instrument], sink: MarketSink) -> None:
        self._sink = sink
        self.exchange.feeds.append(self)
        for instrument in instruments:
            sink.on_feed(
                FeedLinkChanged(state=LinkState.UP, instrument_id=instrument.instrument_id)
            )
            self.send_touch(instrument.instrument_id)

    async def close(self) -> None:
        if self in self.exchange.feeds:
            self.exchange.feeds.remove(self)
        self._sink = None

    def send_touch(self, instrument_id: str) -> None:
        """The new best bid and ask, and a trade between them."""
        if self._sink is None:
            return
        touch, old = self.exchange.touch[instrument_id], self._shown.get(instrument_id)
        levels = [(k.BUY, touch.bid, self._lots), (k.SELL, touch.ask, self._lots)]
        if old is not None and old.bid != touch.bid:
            levels.insert(0, (k.BUY, old.bid, 0))
        if old is not None and old.ask != touch.ask:
            levels.insert(0, (k.SELL, old.ask, 0))
        kind = k.ROW_SNAPSHOT if old is None else k.ROW_DEPTH
        self._shown[instrument_id] = touch
        self.send_rows(instrument_id, [(kind, *level) for level in levels])

    def send_rows(self, instrument_id: str, rows: Sequence[tuple[int, int, int, int]]) -> None:
        """(kind, side, ticks, lots) as one message of the venue."""
        if self._sink is None:
            return
        now_ns = self.clock.now_ns()
        array = np.zeros(len(rows), k.ROW)
        for index, (kind, side, ticks, lots) in enumerate(rows):
            array[index] = (self.exchange.now_ns(), now_ns, ticks, lots, kind, side)
        self._sink.on_rows(instrument_id, array)
