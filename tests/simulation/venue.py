"""The exchange behind the live port, with everything that can go wrong on the way.

`Wire` is one machine's way to the venue. It outlives the engine's processes: a request that has
left arrives although its sender is dead. `SimAccount` is what one process holds of it; the market
data come through `tests.simulation.feed`.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from engine.core.clock import NS_PER_SECOND
from engine.domain.claims import (
    AccountNews,
    BalanceClaim,
    CashClaim,
    ClaimStatus,
    KeyPermissions,
    OrderClaim,
    PositionClaim,
    TradeClaim,
)
from engine.domain.instrument import Instrument, InstrumentKind
from engine.ports.live import (
    AccountSink,
    CancelOutcome,
    ClockReading,
    DeadMan,
    FaultKind,
    LinkState,
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
from tests.simulation.chance import Chance
from tests.simulation.exchange import Exchange, NotTaken
from tests.simulation.faults import Faults, Kind
from tests.simulation.loop import SimLoop, SimTime

if TYPE_CHECKING:
    from tests.simulation.feed import SimFeed

TIMEOUT_S = 10.0
RECEIVE_WINDOW_NS = 5 * NS_PER_SECOND
MS = 1_000_000

T = TypeVar("T")


class Wire:
    """`on_place` and `on_cancel` see every request at the instant in which it arrives."""

    def __init__(self, loop: SimLoop, exchange: Exchange, faults: Faults, chance: Chance) -> None:
        self.loop = loop
        self.exchange = exchange
        self.faults = faults
        self.chance = chance
        self.world = contextvars.copy_context()
        self.on_sent: Callable[[str, str], None] = lambda operation, client_order_id: None
        self.on_place: Callable[[Submit], None] = lambda submit: None
        self.on_cancel: Callable[[str], None] = lambda client_order_id: None
        self.limited_until_s = 0.0
        self.banned_until_s = 0.0
        self.maintenance = False
        self.key_is_revoked = False
        self.lag_ns = 0
        """How far behind what is asked for lies, orders and trades."""
        self.balance_lag_ns = 0
        self.timer_until_ns: int | None = None
        """The venue's dead-man timer, on its own clock."""
        self.accounts: list[SimAccount] = []
        self.feeds: list[SimFeed] = []
        exchange.tell = self._tell
        exchange.expires_in_match = lambda: faults.hits(Kind.EXPIRED_IN_MATCH)

    def later(self, delay_s: float, callback: Callable[..., object], *arguments: Any) -> None:
        """Something of the world's, whatever becomes of the process that caused it."""
        self.loop.call_later(delay_s, callback, *arguments, context=self.world)

    def _tell(self, news: AccountNews) -> None:
        for account in self.accounts:
            account.told(news)

    def why_closed(self) -> VenueFault | None:
        """What every request meets at the door."""
        now_s = self.loop.time()
        if now_s < self.banned_until_s:
            return VenueFault(
                FaultKind.BANNED, "banned", code="418", until_ns=_until(self, self.banned_until_s)
            )
        if now_s < self.limited_until_s:
            return VenueFault(
                FaultKind.LIMITED, "slow down", code="429", until_ns=_until(self, now_s + 2)
            )
        if self.maintenance:
            return VenueFault(FaultKind.MAINTENANCE, "maintenance")
        return None

    def may_limit(self, rarer: int) -> None:
        if self.faults.hits(Kind.LIMITED, rarer):
            self.limited_until_s = self.loop.time() + 2


def _until(wire: Wire, when_s: float) -> int:
    """As the port wants it: on the wall of the machine that asked. Machines ask through one wire,
    so the last account's clock will do."""
    clock = wire.accounts[-1].clock if wire.accounts else None
    if clock is None:
        return 0
    return clock.now_ns() + round((when_s - wire.loop.time()) * NS_PER_SECOND)


class SimAccount:
    """Implements `engine.ports.live.Account` for one process."""

    def __init__(self, wire: Wire, clock: SimTime, secret: str) -> None:
        self._wire = wire
        self._loop = wire.loop
        self._exchange = wire.exchange
        self._faults = wire.faults
        self._chance = wire.chance.fork(f"account {wire.loop.steps}")
        self.clock = clock
        self._secret = secret
        self._own = contextvars.copy_context()
        """The process's: what it is told dies with it."""
        self._offset_ns: int | None = None
        self._sink: AccountSink | None = None
        self.link = LinkState.DOWN
        self._carries = False
        """Whether the stream really carries news; a half-open one does not."""
        self._last_s = 0.0
        is_spot = all(
            one.kind is InstrumentKind.SPOT for one in self._exchange.instruments.values()
        )
        self._traits = VenueTraits(
            abilities=VenueAbilities(has_reduce_only=not is_spot, shows_own_orders=True),
            dead_man=DeadMan.RESTING_STOPS if is_spot else DeadMan.VENUE_TIMER,
            receive_window_ns=RECEIVE_WINDOW_NS,
            has_positions=not is_spot,
        )

    @property
    def venue(self) -> str:
        return next(iter(self._exchange.instruments.values())).venue

    @property
    def traits(self) -> VenueTraits:
        return self._traits

    @property
    def clock_offset_ns(self) -> int | None:
        return self._offset_ns

    # -- the way there and back ----------------------------------------------------------------

    async def _ask(self, operation: str, act: Callable[[], T], *, signed: bool = True) -> T:
        """`act` runs at the venue when the request arrives. VenueFault when no answer comes, or
        one that is no answer."""
        outcome = await self._travel(operation, act, signed=signed)
        if isinstance(outcome, VenueFault):
            raise outcome
        return outcome

    async def _travel(
        self, operation: str, act: Callable[[], T], *, signed: bool, client_order_id: str = ""
    ) -> T | VenueFault:
        """What came back: the answer or a fault, whose `code` is "sent" when the request may have
        been carried out, and "" when it certainly has not."""
        chance, wire = self._chance, self._wire
        # Orders are what it is about; where every question fails too, nothing is ever traded.
        rarer = 1 if operation in ("place", "cancel") else 5
        hits = partial(self._faults.hits, rarer=rarer)
        if hits(Kind.NO_ROUTE):
            return VenueFault(FaultKind.NETWORK, "no route to the venue")
        if hits(Kind.TLS):
            return VenueFault(FaultKind.TLS, "a certificate that is not the venue's")
        wire.on_sent(operation, client_order_id)
        answer: asyncio.Future[Any] = self._loop.create_future()
        signed_ns = self.clock.now_ns() + (self._offset_ns or 0) if signed else None
        out_s = chance.between(2, 40) / 1000
        if hits(Kind.SLOW_REQUEST):
            out_s += chance.between(1, 60_000) / 1000
        if hits(Kind.ERROR_EARLY):
            fault = VenueFault(FaultKind.OVERLOADED, "504: gateway time-out", code="sent")
            wire.later(out_s, _give, answer, fault)
            out_s += chance.between(200, 4500) / 1000
        if not hits(Kind.LOST_REQUEST):
            wire.later(out_s, self._arrive, act, answer, signed_ns, rarer)
        wire.later(TIMEOUT_S, _give_up, answer)
        return await answer

    def _arrive(
        self,
        act: Callable[[], Any],
        answer: asyncio.Future[Any],
        signed_ns: int | None,
        rarer: int,
    ) -> None:
        """At the venue, in the world's name."""
        chance, wire = self._chance, self._wire
        hits = partial(self._faults.hits, rarer=rarer)
        back_s = chance.between(2, 40) / 1000
        if hits(Kind.PORTAL):
            fault = VenueFault(FaultKind.PORTAL, "a page that is not the venue's", code="sent")
            wire.later(back_s, _give, answer, fault)
            return
        if hits(Kind.ERROR_BEFORE):
            fault = VenueFault(FaultKind.OVERLOADED, "503", code="sent")
            wire.later(back_s, _give, answer, fault)
            return
        wire.may_limit(rarer)
        result = wire.why_closed() or self._why_unsigned(signed_ns) or act()
        if hits(Kind.LOST_ANSWER):
            return
        if hits(Kind.SLOW_ANSWER):
            back_s += chance.between(1, 60_000) / 1000
        if hits(Kind.RESET_AFTER):
            result = VenueFault(FaultKind.NETWORK, "the connection was closed", code="sent")
        elif hits(Kind.ERROR_AFTER):
            result = VenueFault(FaultKind.OVERLOADED, "504: status unknown", code="sent")
        elif hits(Kind.MALFORMED):
            result = VenueFault(FaultKind.MALFORMED, "an answer that cannot be read", code="sent")
        wire.later(back_s, _give, answer, result)

    def _why_unsigned(self, signed_ns: int | None) -> VenueFault | None:
        if signed_ns is None:
            return None
        if self._wire.key_is_revoked:
            return VenueFault(FaultKind.KEY, "the key is not valid", code="-2015")
        age_ns = self._exchange.clock_ns() - signed_ns
        if age_ns > RECEIVE_WINDOW_NS or age_ns < -NS_PER_SECOND:
            return VenueFault(FaultKind.CLOCK, "outside of the receive window", code="-1021")
        return None

    # -- orders ------------------------------------------------------------------------------------

    async def place(self, submit: Submit) -> PlaceOutcome:
        decided_ns = self.clock.now_ns() + RECEIVE_WINDOW_NS

        def act() -> PlaceOutcome:
            self._wire.on_place(submit)
            try:
                order, trades = self._exchange.accept(submit.client_order_id, submit.spec)
            except NotTaken as no:
                return Refused(kind=FaultKind.REFUSED, reason=no.words, code=no.code)
            return Placed(order=order.history[-1][1], trades=tuple(trades))

        outcome = await self._travel(
            "place", act, signed=True, client_order_id=submit.client_order_id
        )
        if isinstance(outcome, VenueFault):
            return _undone(outcome, decided_ns)
        return outcome

    async def cancel(self, instrument_id: str, client_order_id: str) -> CancelOutcome:
        decided_ns = self.clock.now_ns() + RECEIVE_WINDOW_NS

        def act() -> CancelOutcome:
            self._wire.on_cancel(client_order_id)
            claim = self._exchange.cancel(client_order_id)
            return claim if claim is not None else NotWorking(reason="unknown order")

        outcome = await self._travel("cancel", act, signed=True, client_order_id=client_order_id)
        if isinstance(outcome, VenueFault):
            return _undone(outcome, decided_ns)
        return outcome

    async def cancel_all(self, instrument_id: str) -> None:
        def act() -> None:
            for order in self._exchange.working():
                if order.spec.instrument_id == instrument_id:
                    self._wire.on_cancel(order.client_order_id)
                    self._exchange.end(order, ClaimStatus.CANCELED, "")

        await self._ask("cancel_all", act)

    # -- questions -----------------------------------------------------------------------------

    def _seen_ns(self) -> int:
        """The true time whose picture a query shows."""
        lag_ns = 0
        if self._faults.hits(Kind.READ_LAG):
            lag_ns = self._chance.between(1, 5000) * MS
        return self._exchange._now_ns() - lag_ns

    async def load_instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        def act() -> list[Instrument]:
            known = self._exchange.instruments.values()
            return [one for one in known if one.symbol in symbols]

        return await self._ask("load_instruments", act, signed=False)

    async def measure_clock(self) -> ClockReading:
        sent_ns = self.clock.monotonic_ns()
        venue_ns = await self._ask("measure_clock", self._exchange.clock_ns, signed=False)
        round_trip_ns = self.clock.monotonic_ns() - sent_ns
        self._offset_ns = venue_ns + round_trip_ns // 2 - self.clock.now_ns()
        return ClockReading(self._offset_ns, round_trip_ns)

    async def fetch_key_permissions(self) -> KeyPermissions:
        def act() -> KeyPermissions:
            return KeyPermissions(
                can_read=True,
                can_trade=True,
                can_withdraw=False,
                can_transfer=False,
                is_ip_restricted=True,
            )

        return await self._ask("fetch_key_permissions", act)

    async def find_order(self, instrument_id: str, client_order_id: str) -> OrderClaim | None:
        def act() -> OrderClaim | None:
            return self._exchange.order_as_of(client_order_id, self._seen_ns())

        return await self._ask("find_order", act)

    async def fetch_open_orders(self) -> Sequence[OrderClaim]:
        return await self._ask(
            "fetch_open_orders", lambda: self._exchange.open_as_of(self._seen_ns())
        )

    async def fetch_trades(
        self, instrument_id: str, *, since_ns: int = 0, venue_order_id: str = ""
    ) -> Sequence[TradeClaim]:
        def act() -> list[TradeClaim]:
            return [
                trade
                for trade in self._exchange.trades_as_of(self._seen_ns())
                if trade.instrument_id == instrument_id
                and trade.fill.venue_ns >= since_ns
                and venue_order_id in ("", trade.venue_order_id)
            ]

        return await self._ask("fetch_trades", act)

    async def fetch_balances(self) -> Sequence[BalanceClaim]:
        def act() -> list[BalanceClaim]:
            lag_ns = 0
            if self._faults.hits(Kind.BALANCE_LAG):
                lag_ns = self._chance.between(1, 5000) * MS
            return self._exchange.balances_as_of(self._exchange._now_ns() - lag_ns)

        return await self._ask("fetch_balances", act)

    async def fetch_positions(self) -> Sequence[PositionClaim]:
        return await self._ask("fetch_positions", self._exchange.positions_now)

    async def fetch_cash(self, since_ns: int) -> Sequence[CashClaim]:
        def act() -> list[CashClaim]:
            return [claim for _, claim in self._exchange.cash if claim.venue_ns >= since_ns]

        return await self._ask("fetch_cash", act)

    async def renew_dead_man(self, timeout_s: int) -> None:
        def act() -> None:
            self._wire.timer_until_ns = (
                self._exchange.clock_ns() + timeout_s * NS_PER_SECOND if timeout_s else None
            )

        await self._ask("renew_dead_man", act)

    # -- the user stream -----------------------------------------------------------------------

    async def open_user_stream(self, sink: AccountSink) -> None:
        self._sink = sink
        await self._ask("open_user_stream", self._listen)
        self._link(LinkState.UP, "")

    def _listen(self) -> None:
        self._carries = True
        if self not in self._wire.accounts:
            self._wire.accounts.append(self)

    def _link(self, state: LinkState, reason: str) -> None:
        if self._sink is not None and state is not self.link:
            self.link = state
            self._sink.on_user_link(UserLinkChanged(state=state, reason=reason))

    def in_process(self, delay_s: float, callback: Callable[..., object], *args: Any) -> None:
        self._loop.call_later(delay_s, callback, *args, context=self._own)

    def break_stream(self, silent_s: float, down_s: float) -> None:
        """Nothing is carried from now on; after `silent_s` the watchdog notices, and `down_s`
        later the stream is tried anew until it is up."""
        if not self._carries:
            return
        self._carries = False
        self.in_process(silent_s, self._link, LinkState.DOWN, "the stream was lost")
        self.in_process(silent_s + down_s, self._try_again)

    def _try_again(self) -> None:
        if self._sink is None:
            return
        if self._wire.why_closed() or self._wire.key_is_revoked:
            self.in_process(2.0, self._try_again)
            return
        self._link(LinkState.CONNECTING, "")
        self._carries = True
        self.in_process(0.02, self._link, LinkState.UP, "")

    def told(self, news: AccountNews) -> None:
        """The venue sends it; chance decides what arrives."""
        faults, chance = self._faults, self._chance
        if not self._carries:
            return
        if isinstance(news, TradeClaim) and faults.hits(Kind.MISSING_FILL):
            return
        if faults.hits(Kind.DROPPED_EVENT):
            return
        if isinstance(news, OrderClaim) and faults.hits(Kind.STRANGE):
            news = msgspec.structs.replace(news, status=ClaimStatus.STRANGE, words="PENDING_X")
        # As on a socket: in order, unless something reorders.
        now_s = self._loop.time()
        at_s = max(self._last_s, now_s + chance.between(2, 30) / 1000)
        if faults.hits(Kind.REORDER):
            at_s += chance.between(1, 3000) / 1000
        elif faults.hits(Kind.LATE_EVENT):
            at_s += chance.between(1, 60_000) / 1000
        else:
            self._last_s = at_s
        self.in_process(at_s - now_s, self._deliver, news)
        if faults.hits(Kind.DUPLICATE):
            self.in_process(at_s - now_s + chance.below(3000) / 1000, self._deliver, news)

    def _deliver(self, news: AccountNews) -> None:
        if self._sink is not None and self.link is LinkState.UP:
            self._sink.on_account(news, self.clock.now_ns())

    async def close(self) -> None:
        self.detach()

    def detach(self) -> None:
        self._sink = None
        self._carries = False
        if self in self._wire.accounts:
            self._wire.accounts.remove(self)


def _undone(fault: VenueFault, decided_ns: int) -> Refused | Unanswered:
    """A fault as the outcome of a request. Refused where the venue said no, or no byte left."""
    said_no = (
        FaultKind.LIMITED,
        FaultKind.BANNED,
        FaultKind.MAINTENANCE,
        FaultKind.KEY,
        FaultKind.CLOCK,
    )
    if fault.kind in said_no:
        return Refused(
            kind=fault.kind, reason=fault.words, code=fault.code, until_ns=fault.until_ns
        )
    if not fault.code:
        return Refused(kind=fault.kind, reason=fault.words, was_sent=False)
    return Unanswered(kind=fault.kind, reason=fault.words, decided_ns=decided_ns)


def _give(answer: asyncio.Future[Any], result: object) -> None:
    if not answer.done():
        answer.set_result(result)


def _give_up(answer: asyncio.Future[Any]) -> None:
    _give(answer, VenueFault(FaultKind.TIMEOUT, "no answer in time", code="sent"))
