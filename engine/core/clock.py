"""The one place that reads a clock. Everybody else is handed a `Clock` or a time.

Two times that must not be mixed: `now_ns` is the wall's (or the recording's) and goes into
records; it may be stepped by the operator or by NTP. `monotonic_ns` only ever grows and is for
timeouts and ages.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

NS_PER_SECOND = 1_000_000_000

K = TypeVar("K", bound=Hashable)


class Clock(Protocol):
    def now_ns(self) -> int:
        """Nanoseconds since 1970, for records."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since some fixed moment, never backwards; for timeouts."""

    async def sleep(self, duration_ns: int) -> None:
        """Return once `duration_ns` have passed on this clock; 0 or less only yields."""


class LiveClock:
    """The machine's clocks."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, duration_ns: int) -> None:
        await asyncio.sleep(max(0, duration_ns) / NS_PER_SECOND)


class SimClock:
    """Stands still until told to move. Belongs to one thread."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns
        self._sleepers: TimerQueue[asyncio.Future[None]] = TimerQueue()

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._now_ns

    async def sleep(self, duration_ns: int) -> None:
        if duration_ns <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._sleepers.call_at(self._now_ns + duration_ns, woken)
        try:
            await woken
        finally:
            self._sleepers.cancel(timer)

    def advance_to(self, now_ns: int) -> None:
        """Move to `now_ns`, never backwards. Sleepers due by then run when the loop next does."""
        assert now_ns >= self._now_ns, (now_ns, self._now_ns)
        self._now_ns = now_ns
        for woken in self._sleepers.pop_due(now_ns):
            if not woken.done():
                woken.set_result(None)


class TimerQueue(Generic[K]):
    """Timers as data: a heap of (time, order of setting) that hands back keys and calls nobody.

    Two runs that set the same timers in the same order pop them in the same order, also where
    several fall on one nanosecond.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []
        self._keys: dict[int, K] = {}
        self._next_timer = 1

    def __len__(self) -> int:
        return len(self._keys)

    def call_at(self, when_ns: int, key: K) -> int:
        """Set a timer and return its number for `cancel`. Keys need not be unique."""
        timer = self._next_timer
        self._next_timer += 1
        self._keys[timer] = key
        heapq.heappush(self._heap, (when_ns, timer))
        return timer

    def cancel(self, timer: int) -> None:
        """Forget a timer; one that has popped or was cancelled before is no error."""
        self._keys.pop(timer, None)
        # Cancelled entries stay in the heap until they surface; do not let them pile up.
        if len(self._heap) > 2 * len(self._keys) + 64:
            self._heap = [entry for entry in self._heap if entry[1] in self._keys]
            heapq.heapify(self._heap)

    def next_ns(self) -> int | None:
        """When the earliest timer is due; None when there is none."""
        heap = self._heap
        while heap and heap[0][1] not in self._keys:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now_ns: int) -> list[K]:
        """Keys of all timers due at or before `now_ns`, in (time, order of setting) order."""
        due: list[K] = []
        heap = self._heap
        while heap and heap[0][0] <= now_ns:
            _, timer = heapq.heappop(heap)
            if timer in self._keys:
                due.append(self._keys.pop(timer))
        return due
