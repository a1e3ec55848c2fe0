"""Our figures against those of two libraries that others trust, on twenty seeded series.

The answers of the libraries are in `metric_oracles.json`; `tests/support/metric_oracles.py` says
how they were made. Figures that we define otherwise on purpose are compared through the difference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from engine.kernels.layout import Float64s
from engine.research import benchmark, curve, drawdown, returns, round_trips
from engine.research.curve import Curve
from tests.support.metric_series import SEEDS, series

ANSWERS = json.loads((Path(__file__).parent / "metric_oracles.json").read_text("utf-8"))
YEAR = 365.0
JANUARY = np.datetime64("2024-01-01", "D")


def growth(r: Float64s) -> float:
    """Over n days; ours runs from start to end, which in the series is the same time."""
    return returns.annualised(returns.total(r), len(r) / YEAR)


def months(r: Float64s) -> Float64s:
    """Of days from 2024-01-01 on."""
    equity = drawdown.equity_of(r)
    times = (JANUARY + np.arange(len(equity))).astype("datetime64[ns]").astype(np.int64)
    return curve.returns_of(curve.monthly(Curve(times, equity, equity, equity)).equity)


OURS: Mapping[str, Callable[[Float64s, Float64s], float]] = {
    "E total": lambda r, m: returns.total(r),
    "E annual growth": lambda r, m: growth(r),
    "E volatility": lambda r, m: returns.volatility(r, YEAR),
    "E downside": lambda r, m: returns.downside(r) * YEAR**0.5,
    "E drawdown": lambda r, m: drawdown.deepest(drawdown.equity_of(r)),
    "E value at risk": lambda r, m: returns.value_at_risk(r),
    "E expected shortfall": lambda r, m: returns.expected_shortfall(r),
    "E tail ratio": lambda r, m: returns.tail_ratio(r),
    "E sharpe": lambda r, m: returns.sharpe(r, YEAR),
    "E sortino": lambda r, m: returns.sortino(r, YEAR),
    "E omega": lambda r, m: returns.omega(r),
    "E calmar": lambda r, m: drawdown.calmar(growth(r), drawdown.equity_of(r)),
    "E beta": lambda r, m: benchmark.beta(r, m),
    # Different on purpose: E compounds a day's alpha, and gives the ratio of one day.
    "E alpha compounded": lambda r, m: (1 + benchmark.alpha(r, m, YEAR) / YEAR) ** YEAR - 1,
    "E information ratio of a day": lambda r, m: benchmark.information_ratio(r, m, 1.0),
    "Q total": lambda r, m: returns.total(r),
    "Q volatility": lambda r, m: returns.volatility(r, YEAR),
    "Q drawdown": lambda r, m: drawdown.deepest(drawdown.equity_of(r)),
    "Q skewness": lambda r, m: returns.skewness(r),
    "Q kurtosis": lambda r, m: returns.kurtosis(r),
    "Q tail ratio": lambda r, m: returns.tail_ratio(r),
    "Q sharpe": lambda r, m: returns.sharpe(r, YEAR),
    "Q sortino": lambda r, m: returns.sortino(r, YEAR),
    "Q omega": lambda r, m: returns.omega(r),
    "Q gain to pain": lambda r, m: returns.gain_to_pain(r),
    "Q best": lambda r, m: float(r.max()),
    "Q worst": lambda r, m: float(r.min()),
    "Q best month": lambda r, m: float(months(r).max()),
    "Q worst month": lambda r, m: float(months(r).min()),
    # Different on purpose: Q leaves the start out and divides by n - 1; Q does not annualise.
    "Q ulcer of n - 1": lambda r, m: (
        drawdown.ulcer(drawdown.equity_of(r)) * ((len(r) + 1) / (len(r) - 1)) ** 0.5
    ),
    "Q total over beta": lambda r, m: returns.total(r) / benchmark.beta(r, m),
    "Q profit factor": lambda r, m: round_trips.profit_factor(r),
    "Q payoff": lambda r, m: round_trips.payoff(r),
    "Q hit rate": lambda r, m: round_trips.hit_rate(r),
    "Q kelly": lambda r, m: round_trips.kelly(r),
    "Q losses in a row": lambda r, m: round_trips.losses_in_a_row(r),
}


def test_every_answer_is_compared() -> None:
    assert len(ANSWERS) == len(SEEDS)
    assert all(set(answers) == set(OURS) for answers in ANSWERS)


@pytest.mark.parametrize("name", OURS)
def test_figure(name: str) -> None:
    for seed in SEEDS:
        made = series(seed)
        ours = OURS[name](np.array(made.returns), np.array(made.market))
        assert ours == pytest.approx(ANSWERS[seed][name], rel=1e-10, abs=1e-10), seed
