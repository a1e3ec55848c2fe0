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
def cross_one(
    series: CrossSeries, rules: CrossRules, fast: int, slow: int, trades: Int64s, found: Int64s
) -> None:
    """Run one set over all decisions and write its row `found` (see the C_ codes).

    `trades` int64[k, TRADE_COLUMNS] takes the first k fills.
    """
    long_lots, short_lots, slip = rules.whole[R_LONG], rules.whole[R_SHORT], rules.whole[R_SLIP]
    order_min, order_max = rules.whole[R_ORDER_MIN], rules.whole[R_ORDER_MAX]
    fee, loss, gain = rules.shares[S_FEE], rules.shares[S_LOSS], rules.shares[S_GAIN]
    sums, ends = series.sums, series.ends
    lots, cash, traded, fills, limit = 0, 0, 0, 0, 0
    cost, too_low, too_high = 0.0, -1.0, 1e300
    peak, peak_gross, peak_traded = 0.0, 0, 0
    deepest, fall_gross, fall_traded, trough_gross, trough_traded = 0.0, 0, 0, 0, 0
    for index in range(len(ends)):
        end = ends[index]
        if end < slow:
            continue
        difference = cross_difference(sums, end, fast, slow)
        missing = 0
        if difference > 0:
            missing = long_lots - lots
        elif difference < 0:
            missing = -short_lots - lots
        if missing != 0:
            sign = 1 if missing > 0 else -1
            ticks = series.opens[index] + sign * slip
            size = min(sign * missing, series.depths[index])
            value = size * ticks
            if not order_min <= sign * missing * ticks <= order_max:
                limit = 1
            closing = min(size, abs(lots)) if lots * sign < 0 else 0
            if closing > 0:
                cost -= cost * closing / abs(lots)
            cost += float((size - closing) * ticks)
            if fills < trades.shape[0]:
                trades[fills, D_DECISION] = index
                trades[fills, D_LOTS] = sign * size
                trades[fills, D_TICKS] = ticks
            fills += 1
            lots += sign * size
            cash -= sign * value
            traded += value
            too_low, too_high = -1.0, 1e300
            if lots > 0:
                too_low, too_high = cost / lots * (1.0 - loss), cost / lots * (1.0 + gain)
            elif lots < 0:
                too_low, too_high = cost / -lots * (1.0 - gain), cost / -lots * (1.0 + loss)
            # The fall is looked for at every fill and at every close.
            gross = cash + lots * series.opens[index]
            fallen = peak - (gross - traded * fee)
            if fallen > deepest:
                deepest, fall_gross, fall_traded = fallen, peak_gross, peak_traded
                trough_gross, trough_traded = gross, traded
        if lots != 0:
            if series.lows[index] <= too_low or series.highs[index] >= too_high:
                limit = 1
            gross = cash + lots * series.closes[index]
            profit = gross - traded * fee
            if profit > peak:
                peak, peak_gross, peak_traded = profit, gross, traded
            elif peak - profit > deepest:
                deepest, fall_gross, fall_traded = peak - profit, peak_gross, peak_traded
                trough_gross, trough_traded = gross, traded
    found[C_FILLS] = fills
    found[C_LOTS] = lots
    found[C_CASH] = cash
    found[C_TRADED] = traded
    found[C_PEAK_GROSS], found[C_PEAK_TRADED] = fall_gross, fall_traded
    found[C_TROUGH_GROSS], found[C_TROUGH_TRADED] = trough_gross, trough_traded
    found[C_LIMIT] = limit


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
