"""The venue's time: how wrong it can be, and what steps of clocks do."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_SECOND
from engine.ports.live import FaultKind, VenueFault
from engine.venues.venue_clock import (
    NS_PER_MS,
    OFFSET_NS_MAX,
    SAMPLES,
    Moment,
    Sample,
    VenueClock,
    best_of,
    offset_trouble,
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


async def test_the_best_of_a_round_is_kept() -> None:
    machine = Machine(venue_ahead_ns=30 * NS_PER_MS)
    clock = a_clock(machine)
    assert (clock.now_ns(), clock.offset_ns()) == (None, None)
    reading = await clock.measure()
    assert reading == (30 * NS_PER_MS, 20 * NS_PER_MS)
    assert machine.asked == SAMPLES
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
    offset_ns = clock.offset_ns()
    assert offset_ns == ahead_ns
    assert words in offset_trouble(offset_ns)
    assert "set its clock" in offset_trouble(offset_ns)
    assert clock.now_ns() == machine.venue_ns


def test_up_to_half_a_second_is_no_trouble() -> None:
    for offset_ns in (0, OFFSET_NS_MAX - 1, 1 - OFFSET_NS_MAX):
        assert offset_trouble(offset_ns) == ""
    assert offset_trouble(OFFSET_NS_MAX)
    assert offset_trouble(-OFFSET_NS_MAX)


async def test_steps_of_the_wall_clock_change_the_offset_and_not_the_signing() -> None:
    machine = Machine()
    clock = a_clock(machine)
    await clock.measure()
    for step_ns in (HOUR_NS, -3 * HOUR_NS):
        machine.wall_ahead_ns += step_ns
        assert clock.now_ns() == machine.venue_ns
    assert clock.offset_ns() == 2 * HOUR_NS


async def test_a_venue_that_does_not_tell_leaves_the_last_reading() -> None:
    machine = Machine()
    clock = a_clock(machine)
    machine.fault = VenueFault(FaultKind.NETWORK, "no route")
    with pytest.raises(VenueFault):
        await clock.measure()
    assert clock.now_ns() is None
    machine.fault = None
    await clock.measure()
    machine.fault = VenueFault(FaultKind.NETWORK, "no route")
    with pytest.raises(VenueFault):
        await clock.measure()
    assert clock.now_ns() == machine.venue_ns


async def test_one_answer_is_enough_when_the_rest_of_a_round_fails() -> None:
    machine = Machine()

    async def fetch() -> int:
        machine.fault = VenueFault(FaultKind.LIMITED, "enough") if machine.asked else None
        return await machine.fetch()

    clock = VenueClock("v", fetch, machine)
    await clock.measure()
    assert machine.asked == 2
    assert clock.now_ns() == machine.venue_ns
