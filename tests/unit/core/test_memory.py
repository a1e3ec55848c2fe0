"""Garbage is collected in idle moments, and what was loaded is left alone."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from engine.core import memory


class Knot:
    """Only the collector can take it apart."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def quiet() -> Iterator[None]:
    """The interpreter collects nothing by itself; afterwards it is as it was."""
    was_on = gc.isenabled()
    gc.disable()
    gc.collect()
    yield
    gc.unfreeze()
    if was_on:
        gc.enable()


@pytest.mark.usefixtures("quiet")
def test_a_sweep_takes_young_garbage_apart() -> None:
    knot = weakref.ref(Knot())
    memory.sweep_memory()
    assert knot() is not None, "so little is not worth the time"
    held = [[] for _ in range(2 * memory._SWEEP_AFTER)]
    memory.sweep_memory()
    assert knot() is None
    assert gc.get_count()[0] < len(held)


@pytest.mark.usefixtures("quiet")
def test_garbage_that_has_grown_old_is_found_in_the_end() -> None:
    old = Knot()
    gone = weakref.ref(old)
    gc.collect(0)
    gc.collect(1)
    del old
    sweeps = (memory._SWEEPS_PER_WIDER + 2) * (memory._WIDER_PER_WHOLE + 2)
    for _ in range(sweeps):
        held = [[] for _ in range(2 * memory._SWEEP_AFTER)]
        memory.sweep_memory()
        held.clear()
        if gone() is None:
            return
    pytest.fail(f"still there after {sweeps} sweeps")


@pytest.mark.usefixtures("quiet")
def test_what_has_settled_is_not_looked_at_again() -> None:
    kept = Knot()
    memory.settle_memory()
    assert gc.get_freeze_count() > 0
    assert not any(one is kept for one in gc.get_objects())
