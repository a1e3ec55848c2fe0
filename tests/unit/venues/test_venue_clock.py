"""The venue's time: how wrong it can be, when it is asked for, and what steps of clocks do."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_SECOND
from engine.ports.live import FaultKind, VenueFault
from engine.venues.venue_clock import (
    ASKED_NS_MIN,
    NS_PER_MS,
    OFFSET_NS_MAX,
    REFRESH_NS,
    STALE_NS,
    Moment,
    Sample,
    VenueClock,
    best_of,
    trouble_of,
)

HOUR_NS = 3600 * NS_PER_SECOND
START_NS = 1_800_000_000 * NS_PER_SECOND


class Machine:
    """A clock whose wall can be stepped, and a venue some way off."""

    def __init__(self, venue_ahead_ns: int = 0, trip_ns: int = 20 * NS_PER_MS) -> None:
        self.mono_ns = 5_000
        self.wall_ahead_ns = START_NS
        self.venue_ahead_ns = venue_ahead_ns
        self.trip_ns = trip_ns
        self.asked = 0
        self.fault: VenueFault | None = None

    def now_ns(self) -> int:
        return self.mono_ns + self.wall_ahead_ns

    def monotonic_ns(self) -> int:
        return self.mono_ns

    async def sleep(self, duration_ns: int) -> None:
        self.mono_ns += duration_ns
        await asyncio.sleep(0)

    @property
    def venue_ns(self) -> int:
        return self.mono_ns + START_NS + self.venue_ahead_ns

    async def fetch(self) -> int:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        self.mono_ns += self.trip_ns // 2
        told = self.venue_ns
        self.mono_ns += self.trip_ns - self.trip_ns // 2
        return told


def a_clock(machine: Machine) -> VenueClock:
    return VenueClock("binance_spot", machine.fetch, machine)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10 * NS_PER_SECOND),
            st.integers(0, 10 * NS_PER_SECOND),
            st.integers(0, NS_PER_SECOND),
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(-HOUR_NS, HOUR_NS),
)
def test_the_true_offset_is_within_half_a_round_trip(
    trips: list[tuple[int, int, int]], true_ns: int
) -> None:
    samples, mono_ns = [], 0
    for out_ns, back_ns, pause_ns in trips:
        asked = Moment(START_NS + mono_ns, mono_ns)
        told_ns = START_NS + mono_ns + out_ns + true_ns
        mono_ns += out_ns + back_ns
        samples.append(Sample(asked, Moment(START_NS + mono_ns, mono_ns), told_ns))
        mono_ns += pause_ns
    found = best_of(samples)
    now = Moment(START_NS + mono_ns, mono_ns)
    assert abs(found.offset_ns(now) - true_ns) <= found.half_trip_ns + 1
    assert found.half_trip_ns == min(out + back for out, back, _ in trips) // 2
    if abs(true_ns) >= OFFSET_NS_MAX + found.half_trip_ns + 1:
        assert trouble_of(found, now)


async def test_a_right_clock_is_in_sync() -> None:
    machine = Machine(venue_ahead_ns=30 * NS_PER_MS)
    clock = a_clock(machine)
    assert (clock.is_synced, clock.now_ns(), clock.offset_ns()) == (False, None, None)
    assert "not known yet" in clock.trouble()
    reading = await clock.measure()
    assert reading.offset_ns == 30 * NS_PER_MS
    assert reading.round_trip_ns == 20 * NS_PER_MS
    assert clock.is_synced
    machine.mono_ns += 5 * NS_PER_SECOND
    assert clock.now_ns() == machine.venue_ns


@pytest.mark.parametrize(
    ("ahead_ns", "words"),
    [
        (HOUR_NS, "60 min behind the venue"),
        (-HOUR_NS, "60 min ahead of the venue"),
        (600 * NS_PER_MS, "600 ms behind"),
        (-50 * NS_PER_SECOND, "50 s ahead of"),
        (400 * 24 * HOUR_NS, "9600 h behind"),
    ],
)
async def test_a_wrong_clock_is_one_clear_line_and_signing_is_right_all_the_same(
    ahead_ns: int, words: str
) -> None:
    machine = Machine(venue_ahead_ns=ahead_ns)
    clock = a_clock(machine)
    await clock.measure()
    assert not clock.is_synced
    assert words in clock.trouble()
    assert "set its clock" in clock.trouble()
    assert clock.now_ns() == machine.venue_ns


async def test_steps_of_the_wall_clock_void_the_reading_and_not_the_signing() -> None:
    machine = Machine()
    clock = a_clock(machine)
    await clock.measure()
    machine.wall_ahead_ns += HOUR_NS
    assert "has jumped" in clock.trouble()
    assert clock.now_ns() == machine.venue_ns
    assert clock.offset_ns() == -HOUR_NS
    machine.mono_ns += ASKED_NS_MIN
    assert clock.is_due
    await clock.measure()
    assert "60 min ahead of" in clock.trouble()
    machine.wall_ahead_ns -= HOUR_NS  # Somebody sets it right.
    machine.mono_ns += ASKED_NS_MIN
    await clock.measure()
    assert clock.is_synced


async def test_after_a_sleep_of_the_machine_the_venue_is_asked_first() -> None:
    machine = Machine()
    clock = a_clock(machine)
    await clock.measure()
    machine.wall_ahead_ns += 8 * HOUR_NS  # The monotonic clock stood still.
    machine.venue_ahead_ns += 8 * HOUR_NS
    assert not clock.is_synced
    machine.mono_ns += ASKED_NS_MIN
    await clock.measure()
    assert clock.is_synced
    assert clock.now_ns() == machine.venue_ns


async def test_a_slow_venue_cannot_tell_the_time() -> None:
    clock = a_clock(Machine(trip_ns=1200 * NS_PER_MS))
    await clock.measure()
    assert "answers too slowly (1200 ms)" in clock.trouble()


async def test_it_is_refreshed_every_ten_minutes_and_on_request_every_half() -> None:
    machine = Machine()
    clock = a_clock(machine)
    assert clock.is_due
    await clock.measure()
    assert not clock.is_due
    clock.refused()
    assert not clock.is_due
    machine.mono_ns += ASKED_NS_MIN
    assert clock.is_due
    await clock.measure()
    machine.mono_ns += REFRESH_NS - NS_PER_SECOND
    assert not clock.is_due
    machine.mono_ns += NS_PER_SECOND
    assert clock.is_due
    machine.mono_ns += STALE_NS
    assert "last heard 40 min ago" in clock.trouble()


async def test_a_venue_that_is_silent_is_asked_twice_a_minute_and_not_more() -> None:
    machine = Machine()
    clock = a_clock(machine)
    machine.fault = VenueFault(FaultKind.NETWORK, "no route")
    with pytest.raises(VenueFault):
        await clock.measure()
    keeping = asyncio.create_task(clock.keep())
    begin_ns, asked = machine.mono_ns, machine.asked
    while machine.mono_ns < begin_ns + 600 * NS_PER_SECOND:  # noqa: ASYNC110  Time is the machine's.
        await asyncio.sleep(0)
    assert 19 <= machine.asked - asked <= 21
    machine.fault = None
    while not clock.is_synced:  # noqa: ASYNC110  Time is the machine's.
        await asyncio.sleep(0)
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping


async def test_one_answer_is_enough_when_the_rest_of_a_round_fails() -> None:
    machine = Machine()

    async def fetch() -> int:
        machine.fault = VenueFault(FaultKind.LIMITED, "enough") if machine.asked else None
        return await machine.fetch()

    clock = VenueClock("v", fetch, machine)
    await clock.measure()
    assert machine.asked == 2
    assert clock.is_synced
