"""One rate budget for a venue and this machine's address, shared by all our processes.

    budget = RateBudget(folder, "binance_spot", clock)
    ticket = budget.take(Priority.ORDER, weight=1, is_order=True)    # AskFailed: not now
    ...                                                              # send, once
    budget.settle(ticket, answer.headers, fault)                     # lower-case names; or None

`folder` is where the processes meet: one for live venues, another for the drill exchange, whose
bans are not the world's.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from engine.core.clock import Clock
from engine.ports.live import FaultKind, Priority, VenueFault
from engine.venues.budget_core import CAREFUL_RULES, RULES, Budget, Denied, Instant, Rule, Ticket
from engine.venues.classify import AskFailed
from engine.venues.shared_slots import SharedSlots

T = TypeVar("T")

log = logging.getLogger(__name__)

PATIENCE_NS = 5_000_000_000
MISSED_MAX = 1000
RETRY_NS = 1_000_000_000
"""A disk that fails is tried again after this: each try may take long."""
_STOPS = (FaultKind.LIMITED, FaultKind.BANNED)

__all__ = ["RateBudget", "Ticket"]


class RateBudget:
    """Each call takes tens of microseconds: a lock, a read and a write of a file. Belongs to one
    thread."""

    def __init__(
        self,
        folder: Path | None,
        venue: str,
        clock: Clock,
        *,
        rules: tuple[Rule, ...] = (),
        boot: str = "",
    ) -> None:
        """Without a folder (or where it cannot be written, which is logged) the budget is this
        process's alone. `boot` names the run of the machine; by default the system is asked."""
        self.venue = venue
        self._rules = rules or RULES.get(venue, CAREFUL_RULES)
        self._clock = clock
        self._boot = boot or _boot_id()
        self._own = Budget()
        """The state as this process last saw it."""
        self._missed: deque[tuple[Callable[[Budget, Instant], object], Instant]] = deque(
            maxlen=MISSED_MAX
        )
        """What was done to our own view alone, to be told the others later."""
        self._is_failing = False
        """The last try to read or write the file met an error of the disk."""
        self._retry_mono_ns = -1
        """Until when the file is left alone after that."""
        self._slots: SharedSlots | None = None
        if folder is not None:
            try:
                self._slots = SharedSlots(folder / f"budget-{venue}.bin")
            except OSError as error:
                log.warning("%s: rate budget is not shared: %s", venue, error)

    # -- around a request ----------------------------------------------------------------------

    def take(self, priority: Priority, weight: int, *, is_order: bool = False) -> Ticket:
        """Spend `weight`. AskFailed (definite, nothing sent, `until_ns` set) when there is no room
        for this urgency, or the venue wants to hear nothing."""

        def ask(budget: Budget, now: Instant) -> Ticket | Denied:
            return budget.admit(self._rules, now, priority, weight, is_order)

        found = self._with(ask)
        if isinstance(found, Denied):
            raise AskFailed(
                found.kind,
                f"{self.venue}: {found.words}",
                until_ns=found.until_ns,
                is_definite=True,
                may_have_arrived=False,
            )
        return found

    async def take_when_free(
        self, priority: Priority, weight: int, *, patience_ns: int = PATIENCE_NS
    ) -> Ticket:
        """Like `take`; waits up to `patience_ns` for room. For what is asked in the background."""
        begin_ns = self._clock.monotonic_ns()
        while True:
            try:
                return self.take(priority, weight)
            except AskFailed as fault:
                wait_ns = fault.until_ns - self._clock.now_ns()
                if self._clock.monotonic_ns() + wait_ns - begin_ns > patience_ns:
                    raise
                await self._clock.sleep(max(wait_ns, 1_000_000))

    def settle(
        self, ticket: Ticket, headers: Mapping[str, str], fault: VenueFault | None = None
    ) -> None:
        """What has become of the request: `headers` (names in lower case) of its answer, and the
        fault that the answer was read as. Without an answer there is nothing to settle."""
        if fault is not None and fault.kind in _STOPS and fault.until_ns:
            self._with(lambda budget, now: budget.heard(self._rules, now, headers))
            self.stopped(fault, ticket)
        else:
            self.answered(ticket, headers)

    def answered(self, ticket: Ticket, headers: Mapping[str, str]) -> None:
        """The venue has answered (also with an error); `headers` with names in lower case."""
        self._with(lambda budget, now: budget.answered(self._rules, now, ticket, headers))

    def stopped(self, fault: VenueFault, ticket: Ticket | None = None) -> None:
        """The venue wants to be left alone until `fault.until_ns`, or, where that is a guess, for
        longer each time in a row; kept over a power cut. Faults of other kinds are ignored."""
        if fault.kind in _STOPS:
            until_ns = fault.until_ns
            waits_s = fault.waits_s if isinstance(fault, AskFailed) else ()
            self._with(
                lambda budget, now: budget.stopped(now, fault.kind, until_ns, ticket, waits_s),
                durable=True,
            )

    # -- telling -------------------------------------------------------------------------------

    def used_pct(self) -> int:
        """Of the limit that is fullest."""
        return self._with(lambda budget, now: budget.used_pct(self._rules, now))

    def stopped_until_ns(self) -> int:
        """Wall time before which nothing should be asked; 0: now is fine."""

        def ask(budget: Budget, now: Instant) -> int:
            left_ns = budget.stop_left_ns(now)
            return now.wall_ns + left_ns if left_ns else 0

        return self._with(ask)

    def close(self) -> None:
        if self._slots is not None:
            self._slots.close()
            self._slots = None

    # -- inside --------------------------------------------------------------------------------

    def _with(self, work: Callable[[Budget, Instant], T], *, durable: bool = False) -> T:
        """Do `work` on the shared state, or, while another process keeps the lock or the disk
        fails, on our last view of it: an engine never waits for one that stands still."""
        now = Instant(self._clock.now_ns(), self._clock.monotonic_ns(), self._boot)
        if self._slots is not None and now.mono_ns >= self._retry_mono_ns:
            try:
                with self._slots.held() as has_lock:
                    if has_lock:
                        return self._share(self._slots, work, now, durable=durable)
            except OSError as error:
                self._retry_mono_ns = now.mono_ns + RETRY_NS
                if not self._is_failing:
                    self._is_failing = True
                    log.warning("%s: rate budget is not shared for now: %s", self.venue, error)
        self._own.rebase(now)
        if self._slots is not None:
            self._missed.append((work, now))
        return work(self._own, now)

    def _share(
        self,
        slots: SharedSlots,
        work: Callable[[Budget, Instant], T],
        now: Instant,
        *,
        durable: bool,
    ) -> T:
        """Under the lock. OSError leaves our own view as it was."""
        shared = _decoded(slots.read(), self.venue)
        shared.rebase(now)
        for missed, then in self._missed:
            missed(shared, then)
        result = work(shared, now)
        slots.write(_encoder.encode(shared), durable=durable)
        self._own = shared
        self._missed.clear()
        if self._is_failing:
            self._is_failing = False
            log.info("%s: rate budget is shared again", self.venue)
        return result


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Budget)


def _decoded(raw: bytes | None, venue: str) -> Budget:
    if raw is None:
        return Budget()
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError as error:  # Of another version; the venue's headers fill it again.
        log.warning("%s: rate budget begins anew: %s", venue, error)
        return Budget()


def _boot_id() -> str:
    """Where the system does not tell, a monotonic clock that has gone back says the same."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "unknown"
