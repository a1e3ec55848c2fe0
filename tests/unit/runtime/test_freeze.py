"""Copies of a world: equal, apart from each other, and refused where they could not be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.core.watchdog import Watchdog
from engine.domain import events as e
from engine.kernels.layout import ROW, WAKE_END
from engine.runtime.checkpoints import BYTES_MAX, NEAR, Checkpoint, Checkpoints
from engine.runtime.driver import Driver
from engine.runtime.freeze import Array, Frozen, freeze, thaw
from engine.runtime.trader import Trader
from engine.strategy.catalogue import STRATEGIES
from engine.strategy.runner import NEVER_NS
from tests.support.desk import no_guard
from tests.support.worlds import EVERY_MODEL, generated

DTYPES = [np.int64, np.int32, np.uint8, np.float64]


@given(
    array=st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(
            dtype, hnp.array_shapes(max_dims=2, max_side=2000), fill=st.just(dtype(0))
        )
    )
)
def test_an_array_comes_back_bit_for_bit(array: Array) -> None:
    copy = thaw(freeze(array))
    assert (copy.dtype, copy.shape) == (array.dtype, array.shape)
    assert copy.tobytes() == array.tobytes()
    assert copy.flags.writeable
    assert copy.flags.c_contiguous


@given(start=st.integers(-(2**63), 2**63 - 1), steps=st.lists(st.integers(-(2**62), 2**62)))
def test_a_long_list_of_integers_comes_back_even_where_differences_overflow(
    start: int, steps: list[int]
) -> None:
    array = np.resize(np.array([start, *steps], np.int64), 3000)
    assert thaw(freeze(array)).tobytes() == array.tobytes()


def test_a_negative_zero_is_kept() -> None:
    array = np.zeros(100)
    array[7] = -0.0
    assert np.signbit(thaw(freeze(array))[7])


def test_what_is_one_object_stays_one() -> None:
    array = np.arange(10)
    first, second = thaw(freeze([array, {"same": array}]))
    assert first is second["same"]
    assert first is not array


def test_a_view_is_refused() -> None:
    """Copied apart, writing to the one would no longer be seen through the other."""
    array = np.arange(10)
    with pytest.raises(TypeError, match="two arrays over the same memory"):
        freeze([array, array[2:]])


def test_market_rows_are_not_copied() -> None:
    rows = np.zeros(100_000, ROW)
    frozen = freeze({"rows": rows})
    assert thaw(frozen)["rows"] is rows
    assert frozen.size < 1000


def test_what_is_shared_stays_and_its_like_is_refused() -> None:
    one, other = Watchdog(), Watchdog()
    try:
        assert thaw(freeze([one.guard], [one]))[0].__self__ is one
        with pytest.raises(TypeError, match="another Watchdog"):
            freeze([other.guard], [one])
    finally:
        one.close()
        other.close()


def test_a_copy_goes_on_like_the_original_and_leaves_it_alone() -> None:
    """With every strategy there is, at a venue that does everything it can."""
    setting = generated(20, seed=5, scenario=EVERY_MODEL)
    assert {spec.strategy for spec in setting.bots} == set(STRATEGIES)
    market = setting.open_market()
    driver = Driver(
        Trader(limits=setting.limits, markets=market.views, guard=no_guard, marks_fills=True),
        market.world,
    )
    driver.trader.begin(setting.session(market), setting.bots)
    driver.trader.drain()
    _run(driver, market.world.start_ns + 8_000_000_000)

    frozen = freeze(driver)
    copies = [_run(thaw(frozen), NEVER_NS) for _ in range(2)]

    assert len(copies[0]) > 100
    assert copies[0] == copies[1] == _run(driver, NEVER_NS)


def _run(driver: Driver, until_ns: int) -> list[e.AnyEvent]:
    events: list[e.AnyEvent] = []
    while True:
        wake = driver.advance(until_ns)
        outbox = driver.batch(wake)
        events += outbox.events
        driver.world.submit(outbox.requests, wake.ts_ns)
        if wake.ts_ns >= until_ns or wake.reasons & WAKE_END:
            return events


# -- which are kept ----------------------------------------------------------------------------


def _checkpoint(now_ns: int, given: int = 0, size: int = 1) -> Checkpoint:
    return Checkpoint(now_ns, now_ns, Frozen(b"x" * size, ()), (), given)


def test_too_many_are_thinned_evenly_but_not_near_here() -> None:
    kept = Checkpoints(most=40)
    for now_ns in range(100, 10_000, 10):
        kept.add(_checkpoint(now_ns))
        assert len(kept) <= 40
    assert kept.before(0).now_ns == kept.before(100).now_ns == 100
    assert [kept.before(9990 - 10 * back).now_ns for back in range(NEAR)] == [
        9990 - 10 * back for back in range(NEAR)
    ]
    gaps = [now_ns - kept.before(now_ns).now_ns for now_ns in range(100, 9990)]
    assert max(gaps) < 3 * (9990 - 100) // (40 - NEAR)


def test_memory_is_bounded() -> None:
    kept = Checkpoints()
    for now_ns in range(100):
        kept.add(_checkpoint(now_ns, size=BYTES_MAX // 40))
    assert len(kept) == 40


def test_the_one_before_is_found_and_what_no_longer_holds_is_forgotten() -> None:
    kept = Checkpoints()
    for now_ns, count in ((10, 0), (20, 0), (30, 1), (40, 2)):
        kept.add(_checkpoint(now_ns, count))
    kept.near = _checkpoint(35, 1)
    assert [kept.before(ts).now_ns for ts in (5, 20, 29, 34, 39, 99)] == [10, 20, 20, 30, 35, 40]
    kept.forget_given(1)
    assert kept.before(99).now_ns == 35
    kept.forget_after(30)
    assert kept.before(99).now_ns == 30
    kept.forget_given(0)
    assert kept.before(99).now_ns == 20
