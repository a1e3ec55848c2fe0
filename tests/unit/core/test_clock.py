from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import LiveClock, SimClock, TimerQueue


def test_timers_pop_in_time_then_in_the_order_they_were_set() -> None:
    timers: TimerQueue[str] = TimerQueue()
    for when_ns, key in ((30, "late"), (10, "first"), (10, "second"), (99, "never")):
        timers.call_at(when_ns, key)

    assert timers.next_ns() == 10
    assert timers.pop_due(9) == []
    assert timers.pop_due(30) == ["first", "second", "late"]
    assert timers.next_ns() == 99
    assert len(timers) == 1


def test_a_cancelled_timer_is_gone_and_cancelling_again_is_harmless() -> None:
    timers: TimerQueue[str] = TimerQueue()
    timer = timers.call_at(10, "gone")
    timers.call_at(20, "stays")

    timers.cancel(timer)
    timers.cancel(timer)

    assert timers.next_ns() == 20
    assert timers.pop_due(20) == ["stays"]
    assert timers.next_ns() is None


def test_cancelled_timers_do_not_pile_up() -> None:
    timers: TimerQueue[int] = TimerQueue()
    for number in range(10_000):
        timers.cancel(timers.call_at(1_000_000, number))
    assert len(timers._heap) < 200


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans())), st.integers(0, 25))
def test_timers_behave_like_a_sorted_list(wishes: list[tuple[int, bool]], now_ns: int) -> None:
    timers: TimerQueue[int] = TimerQueue()
    kept = []
    for key, (when_ns, is_cancelled) in enumerate(wishes):
        timer = timers.call_at(when_ns, key)
        if is_cancelled:
            timers.cancel(timer)
        else:
            kept.append((when_ns, key))
    expected = [key for when_ns, key in sorted(kept) if when_ns <= now_ns]
    assert timers.pop_due(now_ns) == expected
    assert len(timers) == len(kept) - len(expected)


async def test_a_simulated_sleeper_wakes_only_when_the_clock_is_moved() -> None:
    clock = SimClock(start_ns=1000)
    woken: list[str] = []

    async def nap(name: str, duration_ns: int) -> None:
        await clock.sleep(duration_ns)
        woken.append(name)

    naps = [asyncio.create_task(nap("long", 50)), asyncio.create_task(nap("short", 10))]
    await asyncio.sleep(0)
    clock.advance_to(1009)
    await asyncio.sleep(0)
    assert woken == []
    clock.advance_to(1050)
    await asyncio.gather(*naps)
    assert woken == ["short", "long"]
    assert clock.now_ns() == clock.monotonic_ns() == 1050


async def test_a_cancelled_simulated_sleep_leaves_no_timer() -> None:
    clock = SimClock()
    nap = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(0)
    nap.cancel()
    await asyncio.wait([nap])
    clock.advance_to(100)
    assert len(clock._sleepers) == 0


async def test_the_live_clock_sleeps_about_as_long_as_asked() -> None:
    clock = LiveClock()
    began_ns, wall_ns = clock.monotonic_ns(), clock.now_ns()
    await clock.sleep(5_000_000)
    await clock.sleep(-1)
    assert clock.monotonic_ns() - began_ns >= 4_500_000
    assert wall_ns > 1_600_000_000 * 10**9
