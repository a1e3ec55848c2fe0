"""Against doing something simple instead: cash, or buying at the start and holding.

Returns are float64[n], a fraction a period, those of the benchmark over the same periods.
Conventions as in `engine.research.returns`.
"""

from __future__ import annotations

import math

import numpy as np

from engine.kernels.layout import Float64s
from engine.research.returns import mean, ratio, spread


def hold_equity(capital: float, mids: Float64s, *, is_inverse: bool) -> Float64s:
    """What `capital` would be worth had it bought at the first mid, without costs.

    capital x mid / first mid. An account counted in the coin itself (inverse contracts) holds
    that coin already: capital throughout.
    """
    scale = np.ones_like(mids) if is_inverse else mids / mids[0]
    found: Float64s = capital * scale
    return found


def beta(returns: Float64s, market: Float64s) -> float:
    """cov(r, m) / var(m). Return of the strategy for one of the market."""
    if spread(market) == 0:
        return math.nan
    off = market - market.mean()
    return float((returns - returns.mean()) @ off / (off @ off))


def alpha(returns: Float64s, market: Float64s, per_year: float, rf: float = 0.0) -> float:
    """(mean(r - rf) - beta x mean(m - rf)) x per_year (Jensen 1968). Fraction a year."""
    return (mean(returns - rf) - beta(returns, market) * mean(market - rf)) * per_year


def information_ratio(returns: Float64s, market: Float64s, per_year: float) -> float:
    """mean(r - m) / std(r - m, ddof=1) x sqrt(per_year). Per square root of a year."""
    active = returns - market
    return ratio(mean(active), spread(active)) * math.sqrt(per_year)


def treynor(returns: Float64s, market: Float64s, per_year: float, rf: float = 0.0) -> float:
    """mean(r - rf) x per_year / beta (Treynor 1965). Fraction a year for one of beta."""
    return ratio(mean(returns - rf) * per_year, beta(returns, market))
