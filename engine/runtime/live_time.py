"""The clock of a live engine: anchored to the wall once, carried by the monotonic clock.

The wall may be stepped by NTP, by a person, or start in 1970; an engine's records may not. So the
wall is read once, and from then on only a measured lag behind the venue moves this clock, forward.
"""

from __future__ import annotations

import asyncio

from engine.core.clock import Clock


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


async def wait_for(event: asyncio.Event, clock: Clock, duration_ns: int) -> bool:
    """Wait until `event` is set, at most `duration_ns` of `clock`. Whether it is set."""
    if event.is_set() or duration_ns <= 0:
        await asyncio.sleep(0)
        return event.is_set()
    tasks = {
        asyncio.ensure_future(event.wait()),
        asyncio.ensure_future(clock.sleep(duration_ns)),
    }
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return event.is_set()
