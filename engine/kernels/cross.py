"""A moving-average cross over closed bars, for one parameter set or many in one pass.

The same rule as `engine.strategy.trend`, in the same whole numbers: at each decision the sums of
the last `fast` and `slow` closes are compared crosswise; above: hold `long_lots`, below: hold
`-short_lots`, equal: keep. What is missing is bought or sold at once, at the market price of the
decision `slip_ticks` against us, at most the `depths` of it; the rest of the wish lapses and the
next decision sees again. A decision knows closes only that ended before it, so it cannot look
ahead.

Sums of any window come from one array of running sums shared by all parameter sets: a set costs
no memory of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.kernels.compile import kernel
from engine.kernels.layout import Float64s, Int64s

# Columns of the answer, one row per parameter set
C_FILLS = 0
C_LOTS = 1  # position at the end, signed
C_CASH = 2  # units (ticks x lots): what sales brought less what purchases cost, before fees
C_TRADED = 3  # units bought and sold
C_PEAK_GROSS = 4  # units: profit before fees, and ...
C_PEAK_TRADED = 5  # ... units traded, at the peak before the deepest fall of the profit after fees
C_TROUGH_GROSS = 6  # the same at its bottom
C_TROUGH_TRADED = 7
C_LIMIT = 8  # 1: a position or order went beyond what the account limits allow
CROSS_COLUMNS = 9

# Columns of a trade
D_DECISION, D_LOTS, D_TICKS = range(3)
TRADE_COLUMNS = 3

# Indices of `CrossRules.whole`
R_LONG = 0  # lots to hold while the fast average is above
R_SHORT = 1  # lots to be short of while it is below; 0: flat
R_SLIP = 2  # ticks
R_ORDER_MIN = 3  # units; an order worth less would be refused by the venue
R_ORDER_MAX = 4  # units; an order worth more would be refused by the risk gate
RULES = 5

# Indices of `CrossRules.shares`
S_FEE = 0  # of the value traded; only chooses where the deepest fall was, never sums up money
S_LOSS = 1  # of a position's cost at which the account limits close it
S_GAIN = 2
SHARES = 3


class CrossSeries(NamedTuple):
    """`n` closed bars and `m` decisions, oldest first; prices in ticks.

    sums    int64[n + 1]  sum of the first i closes, each less the first close
    ends    int64[m]      bars that have closed when the decision is taken
    opens   int64[m]      price at which its order meets the market
    depths  int64[m]      lots to be had there
    lows    int64[m]      extremes from then to the next decision
    highs   int64[m]
    closes  int64[m]      last price before the next decision
    """

    sums: Int64s
    ends: Int64s
    opens: Int64s
    depths: Int64s
    lows: Int64s
    highs: Int64s
    closes: Int64s


class CrossRules(NamedTuple):
    """whole int64[RULES] and shares float64[SHARES]; see the R_ and S_ codes."""

    whole: Int64s
    shares: Float64s


@kernel
def cross_difference(sums: Int64s, end: int, fast: int, slow: int) -> int:
    """Sign and size of fast average less slow average, times fast x slow: no division, exact."""
    last = sums[end]
    return (last - sums[end - fast]) * slow - (last - sums[end - slow]) * fast


@kernel
def cross_fill(
    whole: Int64s, open_ticks: int, depth: int, missing: int, cost: float, found: Int64s
) -> tuple[int, int, float]:
    """Buy (or sell) what is `missing`, at most `depth`, and book it in `found`.

    `cost` is what the open position has cost, a positive float: it only serves the account limits.
    Returns (lots filled, ticks, new cost).
    """
    sign = 1 if missing > 0 else -1
    ticks = open_ticks + sign * whole[R_SLIP]
    wish = sign * missing
    if wish * ticks < whole[R_ORDER_MIN] or wish * ticks > whole[R_ORDER_MAX]:
        found[C_LIMIT] = 1
    size = min(wish, depth)
    held = found[C_LOTS]
    closing = min(size, abs(held)) if held * sign < 0 else 0
    if closing > 0:
        cost -= cost * closing / abs(held)
    cost += float((size - closing) * ticks)
    found[C_FILLS] += 1
    found[C_LOTS] = held + sign * size
    found[C_CASH] -= sign * size * ticks
    found[C_TRADED] += size * ticks
    return sign * size, ticks, cost


@kernel
def limit_prices(shares: Float64s, lots: int, cost: float) -> tuple[float, float]:
    """Prices at or beyond which the account limits would close the position; none if flat."""
    loss, gain = shares[S_LOSS], shares[S_GAIN]
    if lots > 0:
        return cost / lots * (1.0 - loss), cost / lots * (1.0 + gain)
    if lots < 0:
        return cost / -lots * (1.0 - gain), cost / -lots * (1.0 + loss)
    return -1.0, np.inf


@kernel
def cross_one(
    series: CrossSeries, rules: CrossRules, fast: int, slow: int, trades: Int64s, found: Int64s
) -> None:
    """Run one set over all decisions and write its row `found` (see the C_ codes).

    `trades` int64[k, TRADE_COLUMNS] takes the first k fills. The deepest fall of the profit
    is looked for at every close.
    """
    sums, ends, whole, shares = series.sums, series.ends, rules.whole, rules.shares
    long_lots, short_lots, fee = whole[R_LONG], whole[R_SHORT], shares[S_FEE]
    found[:] = 0
    lots, cash, traded, cost = 0, 0, 0, 0.0
    too_low, too_high = limit_prices(shares, lots, cost)
    peak, peak_gross, peak_traded = 0.0, 0, 0
    deepest, from_gross, from_traded, to_gross, to_traded = 0.0, 0, 0, 0, 0
    for index in range(np.searchsorted(ends, slow), len(ends)):
        difference = cross_difference(sums, ends[index], fast, slow)
        missing = 0
        if difference > 0:
            missing = long_lots - lots
        elif difference < 0:
            missing = -short_lots - lots
        if missing != 0 and series.depths[index] > 0:
            fills = found[C_FILLS]
            filled, ticks, cost = cross_fill(
                whole, series.opens[index], series.depths[index], missing, cost, found
            )
            if fills < trades.shape[0]:
                trades[fills, D_DECISION] = index
                trades[fills, D_LOTS] = filled
                trades[fills, D_TICKS] = ticks
            lots, cash, traded = found[C_LOTS], found[C_CASH], found[C_TRADED]
            too_low, too_high = limit_prices(shares, lots, cost)
        if series.lows[index] <= too_low or series.highs[index] >= too_high:
            found[C_LIMIT] = 1
        gross = cash + lots * series.closes[index]
        profit = gross - traded * fee
        if profit > peak:
            peak, peak_gross, peak_traded = profit, gross, traded
        elif peak - profit > deepest:
            deepest = peak - profit
            from_gross, from_traded = peak_gross, peak_traded
            to_gross, to_traded = gross, traded
    found[C_PEAK_GROSS], found[C_PEAK_TRADED] = from_gross, from_traded
    found[C_TROUGH_GROSS], found[C_TROUGH_TRADED] = to_gross, to_traded


@kernel
def cross_many(
    series: CrossSeries,
    rules: CrossRules,
    fasts: Int64s,
    slows: Int64s,
    nothing: Int64s,
    found: Int64s,
) -> None:
    """Run every pair of `fasts` and `slows` int64[p]; row i of `found` int64[p, CROSS_COLUMNS]
    is the answer to pair i. `nothing` int64[0, TRADE_COLUMNS]: no trades are kept."""
    for index in range(len(fasts)):
        cross_one(series, rules, fasts[index], slows[index], nothing, found[index])
