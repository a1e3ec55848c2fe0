"""Statistics of a series of simple returns: float64[n], one a period, as fractions (0.01 is 1 %).

Every function is pure. NaN means that the figure does not exist for these numbers (it divides
nothing by nothing); infinity is a true value, for instance of a profit factor without a loss.
`per_year` is the number of periods in a year: 365 for days, since crypto never closes. `rf` is the
riskless return of one period, explicit and 0 unless given. Standard deviations have ddof 1.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from engine.kernels.layout import Float64s

EULER_GAMMA = 0.5772156649015329
_NORMAL = NormalDist()
_NOISE = 1e-15
"""A spread below this share of the values' size is rounding, not variation."""


def ratio(part: float, whole: float) -> float:
    """part / whole; infinite with the sign of `part` where only `whole` is 0, NaN where both."""
    if whole == 0:
        return math.copysign(math.inf, part) if part else math.nan
    return part / whole


# -- return --------------------------------------------------------------------------------------


def total(returns: Float64s) -> float:
    """prod(1 + r) - 1. Fraction."""
    return float(np.prod(1.0 + returns) - 1.0)


def annualised(whole: float, years: float) -> float:
    """(1 + total) ** (1 / years) - 1, the compound annual growth rate. Fraction a year.

    -1 once everything is lost: there is no root of less than nothing.
    """
    return (1.0 + whole) ** (1.0 / years) - 1.0 if whole > -1.0 else -1.0


def mean(returns: Float64s) -> float:
    """sum(r) / n. Fraction a period."""
    return float(returns.mean())


def positive_share(returns: Float64s) -> float:
    """Periods with r > 0 among all, those with r = 0 included. Fraction."""
    return float(np.count_nonzero(returns > 0) / len(returns))


# -- risk ----------------------------------------------------------------------------------------


def spread(values: Float64s) -> float:
    """sqrt(sum((x - mean)^2) / (n - 1)); exactly 0 where all values are the same."""
    found = float(values.std(ddof=1))
    return 0.0 if found <= _NOISE * float(np.abs(values).max()) else found


def volatility(returns: Float64s, per_year: float) -> float:
    """std(r, ddof=1) x sqrt(per_year). Fraction a year."""
    return spread(returns) * math.sqrt(per_year)


def downside(returns: Float64s, target: float = 0.0) -> float:
    """sqrt(sum(min(r - target, 0)^2) / n), over all n periods, not the bad ones alone. Fraction
    a period (Sortino and Price 1994)."""
    return math.sqrt(float(np.mean(np.minimum(returns - target, 0.0) ** 2)))


def value_at_risk(returns: Float64s, tail: float = 0.05) -> float:
    """The `tail` quantile of the returns, linear between neighbours; a loss is negative."""
    return float(np.percentile(returns, 100 * tail))


def expected_shortfall(returns: Float64s, tail: float = 0.05) -> float:
    """Mean of the worst floor(tail x (n - 1)) + 1 returns; a loss is negative."""
    count = int((len(returns) - 1) * tail) + 1
    return float(np.sort(returns)[:count].mean())


def skewness(returns: Float64s) -> float:
    """G1 = sqrt(n (n - 1)) / (n - 2) x m3 / m2^1.5, the sample skewness without its bias."""
    n = len(returns)
    return _moment(returns, 3) * math.sqrt(n * (n - 1)) / (n - 2)


def kurtosis(returns: Float64s) -> float:
    """G2 = (n - 1) / ((n - 2)(n - 3)) x ((n + 1) (m4 / m2^2 - 3) + 6): excess, 0 if normal."""
    n = len(returns)
    excess = _moment(returns, 4) - 3.0
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6)


def _moment(returns: Float64s, power: int) -> float:
    """mean((r - mean)^power) / mean((r - mean)^2)^(power / 2); NaN without variation."""
    if spread(returns) == 0:
        return math.nan
    off = returns - returns.mean()
    return float(np.mean(off**power) / np.mean(off**2) ** (power / 2))


def tail_ratio(returns: Float64s) -> float:
    """|95 % quantile| / |5 % quantile|."""
    return ratio(abs(value_at_risk(returns, 0.95)), abs(value_at_risk(returns, 0.05)))


# -- reward for risk -----------------------------------------------------------------------------


def sharpe(returns: Float64s, per_year: float, rf: float = 0.0) -> float:
    """mean(r - rf) / std(r - rf, ddof=1) x sqrt(per_year). Per square root of a year."""
    excess = returns - rf
    return ratio(mean(excess), spread(excess)) * math.sqrt(per_year)


def sharpe_error(returns: Float64s, per_year: float, rf: float = 0.0) -> float:
    """Standard error of `sharpe`, robust to fat tails and to returns that depend on each other.

    sqrt(long-run variance of psi / n) x sqrt(per_year), with Lo's (2002) influence function
    psi = z - SR (z^2 - 1) / 2, z = (r - mean) / std, and Newey and West's (1987) weights
    1 - j / (L + 1) for L = floor(4 (n / 100)^(2/9)) lags.
    """
    n, scale = len(returns), spread(returns)
    if scale == 0:
        return math.nan
    z = (returns - returns.mean()) / scale
    psi = z - 0.5 * (mean(returns) - rf) / scale * (z**2 - 1.0)
    psi = psi - psi.mean()
    lags = min(int(4 * (n / 100) ** (2 / 9)), n - 1)
    variance = float(psi @ psi) / n
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(psi[lag:] @ psi[:-lag]) / n
    return math.sqrt(variance / n * per_year)


def probabilistic_sharpe(returns: Float64s, rf: float = 0.0, against: float = 0.0) -> float:
    """Probability that the true Sharpe ratio of one period exceeds `against`.

    Phi((SR - against) sqrt(n - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2)), g3 = m3 / m2^1.5 and
    g4 = m4 / m2^2 (3 if normal), SR of one period (Bailey and Lopez de Prado 2012).
    """
    excess = returns - rf
    one = ratio(mean(excess), spread(excess))
    if not math.isfinite(one):
        return math.nan
    return probability_above(one, against, len(returns), _moment(excess, 3), _moment(excess, 4))


def probability_above(one: float, against: float, n: int, g3: float, g4: float) -> float:
    """`probabilistic_sharpe` of a ratio `one` of `n` returns with these moments."""
    spread_of_one = 1 - g3 * one + (g4 - 1) / 4 * one**2
    if spread_of_one <= 0:
        return math.nan
    return _NORMAL.cdf((one - against) * math.sqrt((n - 1) / spread_of_one))


def best_of_trials(trials: int, trial_spread: float) -> float:
    """Sharpe ratio that the best of `trials` without any skill reaches on average.

    sd x ((1 - gamma) PhiInv(1 - 1/N) + gamma PhiInv(1 - 1/(N e))), sd the spread of the trials'
    Sharpe ratios; 0 for one trial.
    """
    if trials < 2:
        return 0.0
    first = _NORMAL.inv_cdf(1 - 1 / trials)
    second = _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return trial_spread * ((1 - EULER_GAMMA) * first + EULER_GAMMA * second)


def deflated_sharpe(returns: Float64s, trials: int, trial_spread: float, rf: float = 0.0) -> float:
    """Probability of skill in the best of `trials`: `probabilistic_sharpe` against what luck
    alone would have reached (Bailey and Lopez de Prado 2014). `trial_spread` is the standard
    deviation of the trials' Sharpe ratios of one period."""
    return probabilistic_sharpe(returns, rf, best_of_trials(trials, trial_spread))


def sortino(returns: Float64s, per_year: float, rf: float = 0.0) -> float:
    """mean(r - rf) / downside(r, rf) x sqrt(per_year). Per square root of a year."""
    return ratio(mean(returns - rf), downside(returns, rf)) * math.sqrt(per_year)


def omega(returns: Float64s, target: float = 0.0) -> float:
    """sum(max(r - target, 0)) / sum(max(target - r, 0)) (Keating and Shadwick 2002)."""
    over = returns - target
    return ratio(float(over[over > 0].sum()), -float(over[over < 0].sum()))


def gain_to_pain(returns: Float64s) -> float:
    """sum(r) / |sum of the negative r| (Schwager 2012)."""
    return ratio(float(returns.sum()), -float(returns[returns < 0].sum()))
