"""Falls from a peak, of marked equity: float64[n], open profit included, capital first.

A drawdown is a fraction of the peak before it, as a positive number: 0.1 is 10 % below. An episode
begins where equity leaves a peak and ends where it is back there, or with the data.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from engine.kernels.layout import Float64s, Int64s
from engine.research.returns import ratio


class Episode(NamedTuple):
    start: int
    """Index of the peak."""
    end: int
    """Index where the peak is reached again, or the last one."""
    depth: float


def depths(equity: Float64s) -> Float64s:
    """1 - equity / highest equity so far, at each point. Over 1 when more than all is lost."""
    found: Float64s = 1.0 - equity / np.maximum.accumulate(equity)
    return found


def equity_of(returns: Float64s) -> Float64s:
    """1, then prod(1 + r) after each period: the start belongs to the curve."""
    found: Float64s = np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    return found


def episodes(equity: Float64s) -> list[Episode]:
    """All of them, oldest first."""
    below = np.concatenate([[False], depths(equity) > 0, [False]])
    edges = np.flatnonzero(below[1:] != below[:-1])
    last = len(equity) - 1
    found = []
    fall = depths(equity)
    for first, behind in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        depth = float(fall[first:behind].max())
        found.append(Episode(first - 1, min(behind, last), depth))
    return found


def deepest(equity: Float64s) -> float:
    """max(depths). Fraction of the peak."""
    return float(depths(equity).max())


def longest(equity: Float64s, ts_ns: Int64s) -> float:
    """Longest time from a peak until it is reached again, or to the end of the data. Days."""
    longest_ns = max((int(ts_ns[x.end] - ts_ns[x.start]) for x in episodes(equity)), default=0)
    return longest_ns / 86_400e9


def average(equity: Float64s) -> float:
    """Mean depth of the episodes; 0 without any. Fraction."""
    found = [episode.depth for episode in episodes(equity)]
    return float(np.mean(found)) if found else 0.0


def ulcer(equity: Float64s) -> float:
    """sqrt(mean(depths^2)) over all points (Martin and McCann 1989). Fraction."""
    return math.sqrt(float(np.mean(depths(equity) ** 2)))


def pain(equity: Float64s) -> float:
    """mean(depths) over all points. Fraction."""
    return float(depths(equity).mean())


def calmar(growth: float, equity: Float64s) -> float:
    """Annual growth / deepest drawdown (Young 1991, over the whole run)."""
    return ratio(growth, deepest(equity))


def sterling(growth: float, equity: Float64s) -> float:
    """Annual growth / mean depth of the episodes (Kestner 1996, without the 10 % once added)."""
    return ratio(growth, average(equity))


def burke(growth: float, equity: Float64s, rf_year: float = 0.0) -> float:
    """(annual growth - rf) / sqrt(sum(depth^2)) over the episodes (Burke 1994)."""
    squares = sum(episode.depth**2 for episode in episodes(equity))
    return ratio(growth - rf_year, math.sqrt(squares))


def martin(growth: float, equity: Float64s, rf_year: float = 0.0) -> float:
    """(annual growth - rf) / ulcer index: the ulcer performance index."""
    return ratio(growth - rf_year, ulcer(equity))
