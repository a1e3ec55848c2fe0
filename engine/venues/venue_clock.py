"""The venue's clock as seen from here: measured, and immune to steps of ours.

    clock = VenueClock("binance_spot", fetch_time_ns, machine_clock)
    await clock.measure()              # ClockReading; VenueFault when the venue does not tell
    clock.now_ns()                     # the venue's time, for signing; None before the first

When to measure is the runtime's business (`engine.runtime.live_keeper`), as is what an offset means
for trading; `offset_trouble` has the words.

A reading ties the venue's time to our monotonic clock, halfway between question and answer. Wall
clocks are stepped (NTP, an operator, a board without battery), and the runtime's is moved to the
venue's; the monotonic one is neither, so signing stays right.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from engine.core.clock import NS_PER_SECOND, Clock
from engine.ports.live import ClockReading, VenueFault

log = logging.getLogger(__name__)

NS_PER_MS = 1_000_000
OFFSET_NS_MAX = 500 * NS_PER_MS
"""Beyond this nothing is traded: a clock that is wrong makes every record wrong."""
SAMPLES = 5


class Moment(NamedTuple):
    """Both clocks of this machine, read together."""

    wall_ns: int
    mono_ns: int


class Sample(NamedTuple):
    asked: Moment
    answered: Moment
    venue_ns: int

    @property
    def round_trip_ns(self) -> int:
        return self.answered.mono_ns - self.asked.mono_ns

    @property
    def ahead_ns(self) -> int:
        """The venue's time minus our monotonic, were the answer made halfway. It is within half
        the round trip of the truth, wherever it was made."""
        return self.venue_ns - (self.asked.mono_ns + self.answered.mono_ns) // 2


class Estimate(NamedTuple):
    """What the best sample of a round says."""

    ahead_ns: int
    """The venue's time minus our monotonic."""
    half_trip_ns: int
    """How wrong that may have been when it was measured."""

    def venue_ns(self, mono_ns: int) -> int:
        return mono_ns + self.ahead_ns

    def offset_ns(self, now: Moment) -> int:
        """The venue's clock minus our wall clock, as they stand now."""
        return now.mono_ns + self.ahead_ns - now.wall_ns


def best_of(samples: list[Sample]) -> Estimate:
    """The sample that came back soonest can be wrong by least."""
    best = min(samples, key=lambda sample: sample.round_trip_ns)
    return Estimate(best.ahead_ns, best.round_trip_ns // 2)


def offset_trouble(offset_ns: int) -> str:
    """Why a venue's clock that differs from ours by so much is not traded with; "" if it is."""
    if abs(offset_ns) < OFFSET_NS_MAX:
        return ""
    way = "behind" if offset_ns > 0 else "ahead of"
    return (
        f"clock: this machine is {_span(abs(offset_ns))} {way} the venue: "
        "set its clock (timedatectl set-ntp true)"
    )


def _span(ns: int) -> str:
    if ns < 10 * NS_PER_SECOND:
        return f"{ns // NS_PER_MS} ms"
    seconds = ns // NS_PER_SECOND
    if seconds < 600:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 36_000 else f"{seconds // 3600} h"


class VenueClock:
    """Belongs to one event loop. `fetch_time_ns` asks the venue once and may raise VenueFault."""

    def __init__(
        self, venue: str, fetch_time_ns: Callable[[], Awaitable[int]], clock: Clock
    ) -> None:
        self.venue = venue
        self.estimate: Estimate | None = None
        self._fetch_time_ns = fetch_time_ns
        self._clock = clock
        self._measuring = asyncio.Lock()

    # -- what it is ----------------------------------------------------------------------------

    def now_ns(self) -> int | None:
        """The venue's time; None before the first reading."""
        if self.estimate is None:
            return None
        return self.estimate.venue_ns(self._clock.monotonic_ns())

    def offset_ns(self) -> int | None:
        """The venue's clock minus ours, whose steps it follows; None before the first reading."""
        return None if self.estimate is None else self.estimate.offset_ns(self._moment())

    # -- measuring -----------------------------------------------------------------------------

    async def measure(self, samples: int = SAMPLES) -> ClockReading:
        """Ask the venue a few times, one after the other, and keep the best answer. The first
        VenueFault ends the round; it is raised if there was no answer before it."""
        async with self._measuring:
            found: list[Sample] = []
            for _ in range(samples):
                try:
                    found.append(await self._sample())
                except VenueFault:
                    if not found:
                        raise
                    break
            self.estimate = best_of(found)
            now = self._moment()
        reading = ClockReading(self.estimate.offset_ns(now), 2 * self.estimate.half_trip_ns)
        log.info("%s: clock measured, venue minus ours %d ns", self.venue, reading.offset_ns)
        return reading

    async def _sample(self) -> Sample:
        asked = self._moment()
        venue_ns = await self._fetch_time_ns()
        return Sample(asked, self._moment(), venue_ns)

    def _moment(self) -> Moment:
        return Moment(self._clock.now_ns(), self._clock.monotonic_ns())
