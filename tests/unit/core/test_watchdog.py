from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from engine.core.watchdog import StrategyHung, Watchdog


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    watchdog = Watchdog(limit_s=0.04)
    yield watchdog
    watchdog.close()


def spin(seconds: float) -> None:
    """Python code that never waits, as a strategy's endless loop does."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_hanging_callback_is_interrupted_and_named(watchdog: Watchdog) -> None:
    began = time.perf_counter()
    with pytest.raises(StrategyHung, match=r"grid-1: still running after 0.04 s"):  # noqa: SIM117
        with watchdog.guard("grid-1"):
            spin(30)
    assert time.perf_counter() - began < 5


def test_a_strategy_cannot_swallow_it_with_except_exception(watchdog: Watchdog) -> None:
    def careless() -> None:
        while True:
            with contextlib.suppress(Exception):
                spin(30)

    with pytest.raises(StrategyHung), watchdog.guard("grid-1"):
        careless()


def test_callbacks_within_the_limit_and_their_errors_pass_through(watchdog: Watchdog) -> None:
    for _ in range(100):
        with watchdog.guard("grid-1"):
            pass
    with pytest.raises(ValueError, match="own fault"), watchdog.guard("grid-1"):
        raise ValueError("own fault")
    with watchdog.guard("grid-1"):
        spin(0.02)
    spin(0.1)


def test_after_a_hang_the_next_callback_is_guarded_again(watchdog: Watchdog) -> None:
    for _ in range(3):
        with pytest.raises(StrategyHung), watchdog.guard("grid-1"):
            spin(30)
        with watchdog.guard("grid-1"):
            spin(0.01)


def test_a_watchdog_that_fell_asleep_wakes_up(watchdog: Watchdog) -> None:
    deadline = time.perf_counter() + 10
    while not watchdog._is_asleep and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert watchdog._is_asleep
    with pytest.raises(StrategyHung), watchdog.guard("grid-1"):
        spin(30)


def test_nested_blocks_are_a_mistake(watchdog: Watchdog) -> None:
    with watchdog.guard("outer"):
        with pytest.raises(AssertionError, match="inside another"), watchdog.guard("inner"):
            pass
        watchdog._name = "outer"


def test_the_owner_hears_of_a_callback_that_cannot_be_interrupted() -> None:
    stuck: list[str] = []
    heard = threading.Event()

    def on_stuck(name: str) -> None:
        stuck.append(name)
        heard.set()

    watchdog = Watchdog(limit_s=0.02, on_stuck=on_stuck)
    with pytest.raises(StrategyHung), watchdog.guard("kernel-1"):
        # One call that does not come back to the interpreter, like C code.
        heard.wait(10)
    watchdog.close()
    assert stuck == ["kernel-1"]


def test_the_exception_never_arrives_after_the_callback() -> None:
    """Blocks that end just when the limit strikes, so that leaving races with the shot."""
    limit_s = 0.002
    watchdog = Watchdog(limit_s=limit_s)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    hung = 0
    leaked = 0
    try:
        for round_ in range(400):
            try:
                with watchdog.guard("edge"):
                    spin(limit_s + (round_ % 40) * 4e-5)
            except StrategyHung:
                hung += 1
            try:
                for _ in range(2000):
                    pass
            except StrategyHung:
                leaked += 1
    finally:
        sys.setswitchinterval(interval)
        watchdog.close()
    assert leaked == 0
    assert 0 < hung < 400


def test_what_the_engine_does_for_a_strategy_is_never_cut_in_half() -> None:
    """Verbs under the shield run to their end however long the strategy has been busy."""
    watchdog = Watchdog(0.05)
    counts = {"begun": 0, "ended": 0}

    def be_busy() -> None:
        with watchdog.guard("busy"):
            while True:
                watchdog.hold()
                counts["begun"] += 1
                for _ in range(20_000):
                    pass
                counts["ended"] += 1
                watchdog.release()

    try:
        for _ in range(5):
            with pytest.raises(StrategyHung):
                be_busy()
    finally:
        watchdog.close()
    assert counts["begun"] == counts["ended"] > 0
