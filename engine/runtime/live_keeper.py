"""Keeps a live engine's ties to its venue: the boot order, and the way back after every fault.

    STARTING -> SYNCING (clock) -> CONNECTING (user stream) -> RECONCILING -> TRADING
    any -> DEGRADED (asked again, more and more slowly) or HALTED (a person must act)

Trading is on in TRADING alone. Nothing here touches an order: what reduces risk is carried out by
the courier in every stage, as far as the venue can be reached.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import msgspec

from engine.core.clock import NS_PER_SECOND
from engine.domain.claims import KeyPermissions
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.snapshots import LinkStage
from engine.ports.live import (
    Account,
    AccountSink,
    DeadMan,
    FaultKind,
    LinkState,
    UserLinkChanged,
    VenueFault,
)
from engine.runtime.live_reconcile import Reconciler
from engine.runtime.live_time import Bell, SteadyClock

log = logging.getLogger(__name__)

OFFSET_NS_MAX = 500_000_000
"""Farther from the venue's clock than this nobody trades."""
CLOCK_NS = 600 * NS_PER_SECOND
CLOCK_AGAIN_NS = 30 * NS_PER_SECOND
CHEAP_NS = 45 * NS_PER_SECOND
"""From one comparison to the next: what a stream lost without saying so is known within a minute,
the seconds that comparing takes included."""
FULL_NS = 3600 * NS_PER_SECOND
KEY_NS = 24 * 3600 * NS_PER_SECOND
PATIENCE_NS = tuple(seconds * NS_PER_SECOND for seconds in (1, 2, 4, 8, 15))
KEY_PATIENCE_NS = tuple(seconds * NS_PER_SECOND for seconds in (20, 60, 300))
"""A key that is refused mostly stays refused; once, it may be the venue's slip."""
MAINTENANCE_NS = 10 * NS_PER_SECOND
LIMITED_NS = 5 * NS_PER_SECOND
PUT_OFF_MAX = 10
"""A comparison of the money that was put off so often in a row, some minutes, gets its calm."""
FAULTS_MAX = 3
"""So many requests in a row without an answer, and the venue is asked whether it is there."""
DEAD_MAN_S = 60
DEAD_MAN_NS = 15 * NS_PER_SECOND
"""How often the venue's timer is renewed."""
STALLED_NS = 10 * NS_PER_SECOND
"""A loop that has not turned for so long may not renew it."""

_STATES = (FaultKind.KEY, FaultKind.LIMITED, FaultKind.BANNED, FaultKind.MAINTENANCE)
"""What one request has met all would meet."""
_WORDS = {
    FaultKind.NETWORK: "the venue cannot be reached",
    FaultKind.TIMEOUT: "the venue does not answer",
    FaultKind.TLS: "the venue's certificate is not valid",
    FaultKind.PORTAL: "something that is not the venue answers",
    FaultKind.MALFORMED: "the venue's answers cannot be read",
    FaultKind.CLOCK: "the venue refuses our timestamps",
    FaultKind.KEY: "the key is refused",
    FaultKind.LIMITED: "too many requests",
    FaultKind.BANNED: "the venue has banned this address",
    FaultKind.MAINTENANCE: "the venue is under maintenance",
    FaultKind.OVERLOADED: "the venue is overloaded",
    FaultKind.REFUSED: "the venue refuses to answer",
}


KeyJudge = Callable[[KeyPermissions], tuple[str, Sequence[str]]]
"""Why a key may not be used ("" where it may), and what a person should know of it."""


class Ties(msgspec.Struct):
    """Where a keeper stands; read by the loop and by faces."""

    stage: LinkStage = LinkStage.STARTING
    words: str = "the engine is starting"
    since_ns: int = 0
    user: LinkState = LinkState.DOWN
    offset_ns: int | None = None
    """The venue's clock minus this machine's wall clock."""
    reconciled_ns: int = 0
    key_words: str = ""
    timer_ns: int = 0
    """When the venue's timer was last renewed."""

    def is_heard(self) -> bool:
        """Whether the account's news reach us, at once or slowly."""
        return self.user in (LinkState.UP, LinkState.POLLING)


class Keeper:
    def __init__(
        self,
        account: Account,
        clock: SteadyClock,
        sink: AccountSink,
        reconciler: Reconciler,
        on_change: Callable[[], None],
        turned_ns: Callable[[], int],
        instruments: Sequence[Instrument],
        on_rules: Callable[[Instrument], None],
        judge_key: KeyJudge,
    ) -> None:
        """`on_change` is called when the stage or its words change; `turned_ns` says when the
        engine's loop last turned, by the monotonic clock; `on_rules` takes the venue's present
        rules of each of `instruments`."""
        self.ties = Ties(since_ns=clock.now_ns())
        self._account = account
        self._clock = clock
        self._sink = sink
        self._reconciler = reconciler
        self._on_change = on_change
        self._turned_ns = turned_ns
        self._instruments = instruments
        self._on_rules = on_rules
        self._judge_key = judge_key
        self._rules_due_ns = 0
        self._wake = Bell()
        self._is_streaming = False
        self._must_reconcile = False
        self._fault: VenueFault | None = None
        """What a request met and this has not looked at yet."""
        self._faults_in_a_row = 0
        self._failures = 0
        self._key_refusals = 0
        """In a row."""
        self._clock_due_ns = self._cheap_due_ns = self._full_due_ns = self._key_due_ns = 0
        self._put_off = 0
        """How often in a row a comparison of the money was put off."""
        self._owed_due_ns = 0
        self._clock_asked_ns = 0
        self._renews = True
        self._renewing = asyncio.Lock()

    # -- what others tell ----------------------------------------------------------------------

    def note_user_link(self, news: UserLinkChanged) -> None:
        self.ties.user = news.state
        if news.kind is FaultKind.KEY:
            # Waiting for the stream would be waiting for ever.
            self.note_fault(VenueFault(news.kind, news.reason))
        if not self.ties.is_heard():
            self._must_reconcile = True
            self._suspend(f"the account's stream is {news.state}", news.reason)
        self._wake.set()

    def note_fault(self, fault: VenueFault) -> None:
        """A request or a question failed. One is bad luck, a few are the venue's state."""
        if fault.kind is FaultKind.REFUSED:
            self._faults_in_a_row = 0
            return
        self._faults_in_a_row += 1
        is_serious = fault.kind in _STATES or fault.kind is FaultKind.CLOCK
        if is_serious or self._faults_in_a_row >= FAULTS_MAX:
            self._fault = fault
            if self.ties.stage is LinkStage.TRADING:
                self._enter(_stage_for(fault), _words_of(fault))
            self._wake.set()

    def note_answer(self) -> None:
        """A request or a question was answered: what failed before was no row of failures."""
        self._faults_in_a_row = 0

    def ask_to_reconcile(self) -> None:
        """Something was lost on this side: only the venue can say what."""
        self._must_reconcile = True
        self._wake.set()

    def hasten(self) -> None:
        """Something on the stream is nobody's we know: look soon."""
        soon_ns = self._clock.now_ns() + NS_PER_SECOND
        if self._cheap_due_ns > soon_ns:
            self._cheap_due_ns = soon_ns
            self._wake.set()

    def _suspend(self, words: str, reason: str) -> None:
        if self.ties.stage is LinkStage.TRADING:
            because = f": {reason}" if reason else ""
            self._enter(LinkStage.CONNECTING, f"{words}{because}")

    def _enter(self, stage: LinkStage, words: str) -> None:
        if (stage, words) == (self.ties.stage, self.ties.words):
            return
        log.info("link: %s %s", stage, words)
        if stage is not self.ties.stage:
            self.ties.since_ns = self._clock.now_ns()
        self.ties.stage, self.ties.words = stage, words
        self._on_change()

    # -- the way ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Establish, keep, and establish again; for as long as the engine lives."""
        while True:
            try:
                await self._establish()
                self._failures = self._key_refusals = 0
                await self._keep()
            except VenueFault as fault:
                await self._back_off(fault)

    async def _back_off(self, fault: VenueFault) -> None:
        self._fault = None
        self._must_reconcile = True
        if fault.kind is FaultKind.KEY:
            self._key_due_ns = 0  # Nothing goes on before it has been looked at again.
            self._key_refusals += 1
        else:
            self._key_refusals = 0
        self._enter(_stage_for(fault), _words_of(fault))
        pause_ns = self._patience(fault)
        self._failures += 1
        await self._clock.sleep(pause_ns)

    def _patience(self, fault: VenueFault) -> int:
        match fault.kind:
            case FaultKind.KEY:
                return KEY_PATIENCE_NS[min(self._key_refusals, len(KEY_PATIENCE_NS)) - 1]
            case FaultKind.MAINTENANCE:
                return MAINTENANCE_NS
            case FaultKind.LIMITED | FaultKind.BANNED:
                return max(fault.until_ns - self._clock.now_ns(), LIMITED_NS)
            case _:
                return PATIENCE_NS[min(self._failures, len(PATIENCE_NS) - 1)]

    async def _establish(self) -> None:
        await self._sync()
        await self._load_rules()
        await self._check_key()
        await self._connect()
        await self._reconcile(full=True)
        self._enter(LinkStage.TRADING, "")

    async def _sync(self) -> None:
        """Measure until this machine's clock is close enough to the venue's."""
        if self.ties.stage not in (LinkStage.DEGRADED, LinkStage.HALTED):
            self._enter(LinkStage.SYNCING, "comparing clocks with the venue")
        while not await self._measure():
            await self._clock.sleep(MAINTENANCE_NS)

    async def _measure(self) -> bool:
        """One measurement. Whether the clock may be traded by; if not, the stage says why."""
        reading = await self._account.measure_clock()
        self._faults_in_a_row = 0
        now_ns = self._clock.now_ns()
        self._clock_asked_ns, self._clock_due_ns = now_ns, now_ns + CLOCK_NS
        offset_ns = reading.offset_ns - self._clock.wall_lead_ns()
        self.ties.offset_ns = offset_ns
        self._clock.raise_to(now_ns + reading.offset_ns)
        if abs(offset_ns) < OFFSET_NS_MAX:
            return True
        way = "behind" if offset_ns > 0 else "ahead of"
        seconds = abs(offset_ns) / NS_PER_SECOND
        self._enter(
            LinkStage.SYNCING,
            f"this machine's clock is {seconds:.1f} s {way} the venue's: set it, for instance by "
            "switching on network time (NTP)",
        )
        return False

    async def _load_rules(self) -> None:
        """The venue's rules for what we trade: they may have changed since the ledger began."""
        now_ns = self._clock.now_ns()
        if now_ns < self._rules_due_ns:
            return
        symbols = [instrument.symbol for instrument in self._instruments]
        try:
            found = await self._account.load_instruments(symbols)
        except BadInput as error:  # Delisted: the venue knows it no more.
            raise VenueFault(FaultKind.REFUSED, str(error)) from error
        for instrument in found:
            self._on_rules(instrument)
        self._rules_due_ns = now_ns + FULL_NS

    async def _check_key(self) -> None:
        now_ns = self._clock.now_ns()
        if now_ns < self._key_due_ns:
            return
        refused, warnings = self._judge_key(await self._account.fetch_key_permissions())
        if refused:
            raise VenueFault(FaultKind.KEY, refused)
        self.ties.key_words = "; ".join(warnings)
        self._key_due_ns = now_ns + KEY_NS

    async def _connect(self) -> None:
        if not self._is_streaming:
            self._enter(LinkStage.CONNECTING, "connecting the account's stream")
            await self._account.open_user_stream(self._sink)
            self._is_streaming = True
        while not self.ties.is_heard():
            self._enter(LinkStage.CONNECTING, "waiting for the account's stream")
            self._wake.clear()
            await self._wake.wait(self._clock, PATIENCE_NS[-1])
            fault, self._fault = self._fault, None
            if fault is not None and fault.kind is FaultKind.KEY:
                raise fault
            if not self.ties.is_heard():
                # It reconnects by itself; this only finds out whether the venue is there at all.
                await self._measure()

    async def _reconcile(self, *, full: bool) -> None:
        if self.ties.stage is not LinkStage.TRADING:
            self._enter(LinkStage.RECONCILING, "comparing our books with the venue's")
        self._must_reconcile = False
        may_owe = self.ties.stage is LinkStage.TRADING
        words = await self._reconciler.run(full=full, may_owe=may_owe)
        self.note_answer()
        now_ns = self._clock.now_ns()
        self._cheap_due_ns = now_ns + CHEAP_NS
        if full:
            self._full_due_ns = now_ns + FULL_NS
        if words:
            raise VenueFault(FaultKind.MALFORMED, words)
        if self._reconciler.is_owed:
            self._owed_due_ns = now_ns + PATIENCE_NS[min(self._put_off, len(PATIENCE_NS) - 1)]
            self._put_off += 1
        else:
            self._put_off = 0
            self.ties.reconciled_ns = now_ns

    def _can_catch_up(self, now_ns: int) -> bool:
        """Whether the money can be compared now that was not, for want of an answer."""
        is_due = self._put_off > 0 and now_ns >= self._owed_due_ns
        return is_due and self._reconciler.can_compare()

    async def _keep(self) -> None:
        """Until something breaks: compare from time to time. Returns to establish anew."""
        while True:
            self._wake.clear()
            fault, self._fault = self._fault, None
            if fault is not None:
                await self._look_into(fault)
                return
            if not self.ties.is_heard() or self._must_reconcile:
                return
            if self._put_off >= PUT_OFF_MAX:
                log.info("link: trading pauses for a comparison that was put off too often")
                self._put_off = 0
                return
            now_ns = self._clock.now_ns()
            if now_ns >= self._clock_due_ns and not await self._measure():
                return
            await self._load_rules()
            await self._check_key()
            if now_ns >= self._cheap_due_ns or self._can_catch_up(now_ns):
                await self._reconcile(full=now_ns >= self._full_due_ns)
            due_ns = min(
                self._clock_due_ns, self._cheap_due_ns, self._key_due_ns, self._rules_due_ns
            )
            wait_ns = due_ns - self._clock.now_ns()
            if self._put_off:  # Looking whether the answer has come costs nothing.
                wait_ns = min(wait_ns, NS_PER_SECOND)
            await self._wake.wait(self._clock, wait_ns)

    async def _look_into(self, fault: VenueFault) -> None:
        """A fault of somebody's request: raises it, or another, where it is the venue's state."""
        if fault.kind in _STATES:
            raise fault
        if fault.kind is FaultKind.CLOCK:
            # Measured lately, and refused all the same: not more often than this.
            asked_ns = self._clock.now_ns() - self._clock_asked_ns
            if asked_ns < CLOCK_AGAIN_NS:
                await self._clock.sleep(NS_PER_SECOND)
        await self._measure()  # Raises where the venue is not there.

    # -- dead man ------------------------------------------------------------------------------

    async def keep_alive(self) -> None:
        """Renew the venue's timer while the engine's loop turns. If it does not, the timer runs
        out, and the venue cancels what rests: that is what it is for."""
        while True:
            is_alive = self._clock.monotonic_ns() - self._turned_ns() < STALLED_NS
            reachable = self.ties.stage not in (LinkStage.STARTING, LinkStage.HALTED)
            if self._renews and is_alive and reachable:
                async with self._renewing:
                    await self._renew()
            await self._clock.sleep(DEAD_MAN_NS)

    async def _renew(self) -> None:
        try:
            await self._account.renew_dead_man(DEAD_MAN_S)
            self.ties.timer_ns = self._clock.now_ns()
        except VenueFault as fault:
            self.note_fault(fault)

    async def end_renewals(self) -> None:
        """Returns once no renewal is under way; none follows. One that arrived after the timer was
        taken off would set it again."""
        self._renews = False
        async with self._renewing:
            return

    def dead_man_words(self) -> str:
        match self._account.traits.dead_man:
            case DeadMan.VENUE_TIMER if self.ties.timer_ns:
                age_s = (self._clock.now_ns() - self.ties.timer_ns) // NS_PER_SECOND
                if age_s >= DEAD_MAN_S:
                    return f"the venue's timer ran out {age_s - DEAD_MAN_S} s ago"
                return f"the venue cancels everything {DEAD_MAN_S} s after our last sign of life"
            case DeadMan.VENUE_TIMER:
                return "the venue's timer is not running yet"
            case DeadMan.RESTING_STOPS:
                return "the venue has no timer: only stops that rest there protect"
            case _:
                return "nothing protects at the venue when this machine dies"


def _stage_for(fault: VenueFault) -> LinkStage:
    if fault.kind is FaultKind.KEY:
        return LinkStage.HALTED
    if fault.kind is FaultKind.CLOCK:
        return LinkStage.SYNCING
    return LinkStage.DEGRADED


def _words_of(fault: VenueFault) -> str:
    return f"{_WORDS[fault.kind]}: {fault.words}"


def may_trade(found: KeyPermissions) -> tuple[str, Sequence[str]]:
    """The least that is asked of a key; the composition may ask for more."""
    refused = "it may not trade: allow trading at the venue" if found.can_trade is False else ""
    return refused, ()
