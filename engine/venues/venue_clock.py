"""The venue's clock as seen from here: measured, kept fresh, and immune to steps of ours.

    clock = VenueClock("binance_spot", fetch_time_ns, machine_clock)
    await clock.measure()              # ClockReading; VenueFault when the venue does not tell
    clock.now_ns()                     # the venue's time, for signing; None before the first
    clock.trouble()                    # why nothing may be traded; "" when all is well
    await clock.keep()                 # as a task: every 10 minutes, and when asked to

A reading ties the venue's time to our monotonic clock, halfway between question and answer. Wall
clocks are stepped (NTP, an operator, a board without battery); the monotonic one is not, so signing
stays right. It stands still while the machine sleeps: any jump between the two makes a reading
void until the venue has been asked again.
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
REFRESH_NS = 600 * NS_PER_SECOND
ASKED_NS_MIN = 30 * NS_PER_SECOND
"""A refusal for its timestamp asks for a new reading, but no more often."""
STALE_NS = 3 * REFRESH_NS
STEP_NS = 100 * NS_PER_MS
"""A jump of the wall against the monotonic clock that voids a reading. NTP slews both alike."""
DRIFT_PPM = 100
"""How much two quartz clocks may drift apart: it makes old readings worth less."""


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
    at: Moment

    def venue_ns(self, mono_ns: int) -> int:
        return mono_ns + self.ahead_ns

    def offset_ns(self, now: Moment) -> int:
        """The venue's clock minus our wall clock, as they stand now."""
        return now.mono_ns + self.ahead_ns - now.wall_ns

    def error_ns(self, now: Moment) -> int:
        """How wrong it may be by now."""
        return self.half_trip_ns + self.age_ns(now) * DRIFT_PPM // 1_000_000

    def age_ns(self, now: Moment) -> int:
        return max(0, now.mono_ns - self.at.mono_ns)

    def stepped_ns(self, now: Moment) -> int:
        """How far the wall clock has jumped (or the machine slept) since."""
        return (now.wall_ns - now.mono_ns) - (self.at.wall_ns - self.at.mono_ns)


def best_of(samples: list[Sample]) -> Estimate:
    """The sample that came back soonest can be wrong by least."""
    best = min(samples, key=lambda sample: sample.round_trip_ns)
    return Estimate(best.ahead_ns, best.round_trip_ns // 2, best.answered)


def trouble_of(estimate: Estimate | None, now: Moment) -> str:
    """Why nothing may be traded by this estimate, for a person; "" when it may."""
    if estimate is None:
        return "clock: the venue's time is not known yet"
    if abs(estimate.stepped_ns(now)) > STEP_NS:
        return "clock: this machine's clock has jumped (or it slept): asking the venue again"
    if estimate.age_ns(now) > STALE_NS:
        minutes = estimate.age_ns(now) // (60 * NS_PER_SECOND)
        return f"clock: the venue's time was last heard {minutes} min ago"
    if words := offset_trouble(estimate.offset_ns(now)):
        return words
    if estimate.error_ns(now) >= OFFSET_NS_MAX:
        return f"clock: the venue answers too slowly ({_span(2 * estimate.half_trip_ns)}) to tell"
    return ""


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


def is_due(
    estimate: Estimate | None, now: Moment, *, is_asked: bool, tried_mono_ns: int | None
) -> bool:
    """Whether to ask the venue now. `is_asked`: it has refused a timestamp; `tried_mono_ns`: when
    it was last asked, with or without an answer; None: never."""
    if tried_mono_ns is None:
        return True
    if now.mono_ns - tried_mono_ns < ASKED_NS_MIN:
        return False
    if estimate is None or is_asked or abs(estimate.stepped_ns(now)) > STEP_NS:
        return True
    return estimate.age_ns(now) >= REFRESH_NS


class VenueClock:
    """Belongs to one event loop. `fetch_time_ns` asks the venue once and may raise VenueFault."""

    def __init__(
        self, venue: str, fetch_time_ns: Callable[[], Awaitable[int]], clock: Clock
    ) -> None:
        self.venue = venue
        self.estimate: Estimate | None = None
        self._fetch_time_ns = fetch_time_ns
        self._clock = clock
        self._is_asked = False
        self._tried_mono_ns: int | None = None
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

    def trouble(self) -> str:
        return trouble_of(self.estimate, self._moment())

    @property
    def is_synced(self) -> bool:
        """Measured, fresh, and |offset| < 500 ms: without it nothing is traded."""
        return not self.trouble()

    # -- measuring -----------------------------------------------------------------------------

    async def measure(self, samples: int = SAMPLES) -> ClockReading:
        """Ask the venue a few times, one after the other, and keep the best answer. The first
        VenueFault ends the round; it is raised if there was no answer before it."""
        async with self._measuring:
            self._tried_mono_ns = self._clock.monotonic_ns()
            found: list[Sample] = []
            for _ in range(samples):
                try:
                    found.append(await self._sample())
                except VenueFault:
                    if not found:
                        raise
                    break
            self.estimate = best_of(found)
            self._is_asked = False
            self._tried_mono_ns = self._clock.monotonic_ns()
        now = self._moment()
        reading = ClockReading(self.estimate.offset_ns(now), 2 * self.estimate.half_trip_ns)
        log.info("%s: clock measured, venue minus ours %d ns", self.venue, reading.offset_ns)
        return reading

    async def _sample(self) -> Sample:
        asked = self._moment()
        venue_ns = await self._fetch_time_ns()
        return Sample(asked, self._moment(), venue_ns)

    def refused(self) -> None:
        """The venue has refused a timestamp (-1021): measure soon."""
        self._is_asked = True

    @property
    def is_due(self) -> bool:
        return is_due(
            self.estimate,
            self._moment(),
            is_asked=self._is_asked,
            tried_mono_ns=self._tried_mono_ns,
        )

    async def keep(self) -> None:
        """Measure whenever it is due, for ever. A venue that does not answer is asked again after
        half a minute; what is wrong meanwhile is `trouble`."""
        while True:
            if self.is_due:
                try:
                    await self.measure()
                except VenueFault as fault:
                    log.warning("%s: clock: %s", self.venue, fault.words)
            await self._clock.sleep(NS_PER_SECOND)

    def _moment(self) -> Moment:
        return Moment(self._clock.now_ns(), self._clock.monotonic_ns())
