"""Queue models: the published formula, the compiled function and its plain twin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels import layout as k
from engine.kernels import queue

lots = st.integers(0, 1000)
fronts_drawn = st.one_of(st.integers(0, 1000).map(float), st.floats(0, 1000))


def on_depth(
    front: float, traded: int, model: int, power: int, before: int, after: int
) -> tuple[float, float]:
    """(compiled, plain) front after a depth row."""
    found = []
    for call in (queue.on_depth, queue.on_depth.py_func):  # type: ignore[attr-defined]
        fronts = np.array([[front, float(traded), 0.0]])
        call(fronts, 0, model, float(power), before, after)
        found.append(float(fronts[0, 0]))
    return found[0], found[1]


@given(front=fronts_drawn, traded=lots, before=lots, after=lots, power=st.integers(1, 5))
def test_power_probability_is_its_formula(
    front: float, traded: int, before: int, after: int, power: int
) -> None:
    compiled, plain = on_depth(front, traded, k.QUEUE_POWER_PROB, power, before, after)
    assert compiled == plain
    assert 0 <= compiled <= max(after, 0)
    back, decrease = before - front, before - after - traded
    if decrease < 0:
        assert compiled == min(front, after)
    elif back > 0:
        behind = back**power / (back**power + front**power)
        moved = front - (1 - behind) * decrease + min(back - behind * decrease, 0)
        assert math.isclose(compiled, max(0, min(moved, after)), rel_tol=1e-9, abs_tol=1e-9)


@given(
    front=fronts_drawn,
    traded=lots,
    before=lots,
    after=lots,
    model=st.sampled_from([k.QUEUE_LOG_PROB_1, k.QUEUE_LOG_PROB_2]),
)
def test_log_probability_is_its_formula(
    front: float, traded: int, before: int, after: int, model: int
) -> None:
    compiled, plain = on_depth(front, traded, model, 0, before, after)
    assert math.isclose(compiled, plain, rel_tol=1e-12, abs_tol=1e-12)
    assert 0 <= compiled <= max(after, 0)
    back, decrease = before - front, before - after - traded
    if decrease < 0:
        assert compiled == min(front, after)
    elif back > 0:
        whole = math.log((1 + back) * (1 + front))
        if model == k.QUEUE_LOG_PROB_2:
            whole = math.log(1 + back + front)
        behind = math.log(1 + back) / whole
        moved = front - (1 - behind) * decrease + min(back - behind * decrease, 0)
        assert math.isclose(compiled, max(0, min(moved, after)), rel_tol=1e-9, abs_tol=1e-9)


def test_worked_examples() -> None:
    """A level of 10, we stand behind 4, and it shrinks to 7 without a trade."""
    for model, power, expected in (
        (k.QUEUE_TRADES_ONLY, 0, 4.0),
        (k.QUEUE_RISK_AVERSE, 0, 4.0),
        (k.QUEUE_POWER_PROB, 1, 4 - 0.4 * 3),
        (k.QUEUE_POWER_PROB, 2, 4 - 16 / 52 * 3),
        (k.QUEUE_LOG_PROB_1, 0, 4 - math.log(5) / math.log(35) * 3),
        (k.QUEUE_LOG_PROB_2, 0, 4 - (1 - math.log(7) / math.log(11)) * 3),
    ):
        assert math.isclose(on_depth(4.0, 0, model, power, 10, 7)[0], expected)
    # It shrinks to 3: all but trades-only see that no more than 3 can be ahead.
    assert on_depth(4.0, 0, k.QUEUE_TRADES_ONLY, 0, 10, 3)[0] == 4.0
    assert on_depth(4.0, 0, k.QUEUE_RISK_AVERSE, 0, 10, 3)[0] == 3.0


@given(front=fronts_drawn, traded=lots, before=lots, after=lots)
def test_risk_averse_only_caps(front: float, traded: int, before: int, after: int) -> None:
    compiled, plain = on_depth(front, traded, k.QUEUE_RISK_AVERSE, 0, before, after)
    assert compiled == plain == min(front, after)


@given(front=fronts_drawn, size=st.integers(1, 1000), share=st.floats(0, 1))
def test_a_trade_serves_the_queue_then_own_orders_then_this_one(
    front: float, size: int, share: float
) -> None:
    used = int(size * share)
    fronts, twin = np.array([[front, 0.0, 0.0]]), np.array([[front, 0.0, 0.0]])
    reached = queue.on_trade(fronts, 0, size, used)
    assert reached == queue.on_trade.py_func(twin, 0, size, used)  # type: ignore[attr-defined]
    assert fronts.tolist() == twin.tolist()
    assert 0 <= reached <= size - used
    assert fronts[0, 0] == max(0.0, front - (size - used))
    assert abs(max(0.0, size - used - front) - reached) <= 0.5


@pytest.mark.parametrize(
    "model",
    [
        k.QUEUE_RISK_AVERSE,
        k.QUEUE_POWER_PROB,
        k.QUEUE_LOG_PROB_1,
        k.QUEUE_LOG_PROB_2,
        k.QUEUE_TRADES_ONLY,
    ],
)
def test_nothing_ahead_stays_nothing_ahead(model: int) -> None:
    for before, after in ((10, 4), (4, 10), (5, 0), (0, 5)):
        assert on_depth(0.0, 0, model, 2, before, after)[0] == 0.0
