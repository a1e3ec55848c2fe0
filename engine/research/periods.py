"""Returns period by period, for looking at: by month, and how they are spread."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.kernels.layout import Float64s
from engine.research.curve import monthly, returns_of
from engine.research.metrics import Inputs
from engine.research.numbers import rounded

DAYS_ENOUGH = 20
"""Fewer daily returns make no picture; those from sample to sample are counted then."""
BINS = 24
"""About as many between the 1 % and the 99 % quantile."""
BINS_MAX = 60


def months(inputs: Inputs) -> list[dict[str, Any]]:
    """Return of every UTC month, of the run and of buying and holding, in percent. The first and
    the last month may be parts of one."""
    marks = monthly(inputs.days)
    names = (marks.ts_ns - 1).astype("datetime64[ns]").astype("datetime64[M]").astype(str)
    columns = zip(
        names[1:].tolist(),
        returns_of(marks.equity).tolist(),
        returns_of(marks.hold).tolist(),
        strict=True,
    )
    return [
        {"month": name, "return_pct": rounded(100 * run), "buy_and_hold_pct": rounded(100 * hold)}
        for name, run, hold in columns
    ]


def histogram(inputs: Inputs) -> dict[str, Any]:
    """How often which return came, in percent, of days or, in short runs, from sample to sample.

    Bin i counts edges[i] <= return < edges[i + 1]; the outer bins take what lies beyond. Periods
    in which nothing changed at all are counted apart: a strategy that waits has thousands.
    """
    is_daily = len(inputs.days.returns) >= DAYS_ENOUGH
    returns = 100 * (inputs.days.returns if is_daily else inputs.samples.returns)
    moved = returns[returns != 0]
    edges, counts = _bins(moved)
    return {
        "period": "day" if is_daily else "sample",
        "unchanged": len(returns) - len(moved),
        "edges_pct": [rounded(edge) for edge in edges],
        "counts": counts,
    }


def _bins(values: Float64s) -> tuple[list[float], list[int]]:
    if not len(values):
        return [0.0, 1.0], [0]
    low, high = np.percentile(values, [1, 99]).tolist()
    width = _nice(max(high - low, abs(high) / BINS, 1e-9) / BINS)
    first = math.floor(min(low, 0.0) / width)
    last = max(math.floor(max(high, 0.0) / width) + 1, first + 1)
    if last - first > BINS_MAX:  # Far from zero: it need not be in the picture.
        first, last = math.floor(low / width), math.floor(high / width) + 1
    index = np.clip(np.floor(values / width).astype(np.int64), first, last - 1) - first
    counts = np.bincount(index, minlength=last - first).tolist()
    return [number * width for number in range(first, last + 1)], counts


def _nice(raw: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(step * power for step in (1, 2, 5, 10, 20) if step * power >= raw)
