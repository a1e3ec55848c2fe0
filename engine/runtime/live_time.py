"""The clock of a live engine: anchored to the wall once, carried by the monotonic clock.

The wall may be stepped by NTP, by a person, or start in 1970; an engine's records may not. So the
wall is read once, and from then on only a measured lag behind the venue moves this clock, forward.
"""

from __future__ import annotations

import asyncio

from engine.core.clock import Clock
from engine.ports.live import Account


class SteadyClock:
    """Implements `Clock` over another one. `now_ns` never goes back, nor below `floor_ns`."""

    def __init__(self, clock: Clock, floor_ns: int = 0) -> None:
        self._clock = clock
        self._ahead_ns = max(clock.now_ns(), floor_ns) - clock.monotonic_ns()
        """This clock minus the monotonic one."""

    def now_ns(self) -> int:
        return self._clock.monotonic_ns() + self._ahead_ns

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()

    async def sleep(self, duration_ns: int) -> None:
        await self._clock.sleep(duration_ns)

    def raise_to(self, now_ns: int) -> None:
        """It is at least `now_ns`: a ledger says so, or the venue."""
        self._ahead_ns += max(0, now_ns - self.now_ns())

    def wall_lead_ns(self) -> int:
        """How far the machine's wall clock is ahead of this one now."""
        return self._clock.now_ns() - self.now_ns()


def by_venue(stamp_ns: int, account: Account) -> int:
    """`stamp_ns` of the engine's clock as a time from which to ask the venue: earlier by what the
    engine is ahead, since nothing is listed from the venue's future. An engine that was started
    while the wall was ahead stays so."""
    return max(0, stamp_ns + min(0, account.clock_offset_ns or 0))


class Bell:
    """An event for one waiter, with a deadline on `Clock`. No sets of tasks: what wakes first and
    what is cancelled first is the same in every run."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        if self._waiter is not None:
            _resolve(self._waiter)

    def clear(self) -> None:
        self._is_set = False

    async def wait(self, clock: Clock, duration_ns: int) -> bool:
        """Wait until it is set, at most `duration_ns` of `clock`. Whether it is set."""
        if self._is_set or duration_ns <= 0:
            await asyncio.sleep(0)
            return self._is_set
        assert self._waiter is None, "a bell has one waiter"
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        sleeper = asyncio.ensure_future(clock.sleep(duration_ns))
        sleeper.add_done_callback(lambda _: _resolve(waiter))
        try:
            await waiter
        finally:
            self._waiter = None
            sleeper.cancel()
        return self._is_set


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
