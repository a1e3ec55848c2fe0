"""A venue behind the port of `engine.ports.live`, in memory, on an injected clock.

`FakeExchange` is the venue itself: it outlives engines and keeps its own books (the oracle).
`FakeAccount` and `FakeFeed` are one engine's connections to it. What goes wrong is said
beforehand: `exchange.script("place", Fate.DROP_AFTER)` is what becomes of the next `place`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain.claims import (
    AccountNews,
    BalanceClaim,
    CashClaim,
    KeyPermissions,
    OrderClaim,
    PositionClaim,
    TradeClaim,
)
from engine.domain.instrument import Instrument, InstrumentKind
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
from tests.support.fake_exchange import FAULTS, MS, FakeExchange, Fate, Touch, VenueOrder

__all__ = ["FAULTS", "MS", "Fate", "FakeAccount", "FakeExchange", "FakeFeed", "Touch", "VenueOrder"]


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
        if fate is Fate.NO_ROOM:
            return Refused(kind=FaultKind.LIMITED, reason="rate limit: no room", was_sent=False)
        if fate in (Fate.DROP_BEFORE, Fate.DROP_AFTER):
            if fate is Fate.DROP_AFTER:
                await self.clock.sleep(self.exchange.latency_ns)
                self._accept(submit)
            await self.clock.sleep(self.exchange.timeout_ns)
            return self._unanswered(sent_ns)
        await self.clock.sleep(self.exchange.latency_ns)
        if fate is not Fate.WORKS:
            return Refused(kind=FAULTS[fate], reason=f"refused: {fate}", code="-1")
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
            return Refused(kind=FAULTS[fate], reason=f"refused: {fate}", code="-1")
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
            raise VenueFault(FAULTS[fate], f"{operation}: {fate}")

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
        # What has left arrives, whatever becomes of who waits for the answer.
        await asyncio.shield(asyncio.ensure_future(self._renew(timeout_s)))

    async def _renew(self, timeout_s: int) -> None:
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
