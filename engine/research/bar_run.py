"""The `trend` strategy on bars, compiled: one parameter set or thousands over the same arrays.

It is the ordinary strategy at the market of `engine.sim.bar_feed` without the road between them:
signals from closed bars, a market order that fills where the next bar opens, one tick against us,
at most the touch's size, with the taker's fee. What it leaves out are the account limits (risk
gate, stop-loss, take-profit); it says where they would have reached in (`reaches_limits`).
Latency must be shorter than a step of the path, see `can_compile`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import MONEY
from engine.kernels import cross as x
from engine.kernels.layout import Int64s
from engine.sim.bar_feed import BarColumns, step_ns, touch_lots
from engine.sim.scenario import Scenario
from engine.strategy.trend import Trend
from engine.trading.risk.limits import RiskLimits

TOUCH_TICKS = 1
"""From the price to the touch that a market order meets."""
_UNITS_MAX = 1 << 62
_PERIODS_MAX = 200_000_000
_HUNDREDTH = Decimal("0.01")
_NO_TRADES = np.zeros((0, x.TRADE_COLUMNS), np.int64)


class CrossMarket(NamedTuple):
    series: x.CrossSeries
    start_ns: Int64s
    """int64[m]: when each decision is taken."""


class CrossOutcome(NamedTuple):
    """Money in the settle asset, exact. `equity` is profit or loss since the start, the position
    marked at the last close; `max_drawdown` is its deepest fall, looked at at every close."""

    fills: int
    position_lots: int
    cash: Decimal
    fees: Decimal
    equity: Decimal
    max_drawdown: Decimal
    reaches_limits: bool


def can_compile(instrument: Instrument, scenario: Scenario, bars: BarColumns) -> bool:
    """Whether the compiled road gives what the engine would, account limits apart."""
    there_ns = scenario.feed_latency_ns + scenario.entry_latency_ns
    back_ns = there_ns + scenario.response_latency_ns
    return (
        scenario.is_simple
        and instrument.kind
        is not InstrumentKind.INVERSE  # Its cash flows are no sums of ticks x lots.
        and there_ns < step_ns(bars.period_ns)
        and back_ns < bars.period_ns
    )


def cross_market(bars: BarColumns, period_ns: int) -> CrossMarket:
    """Closes of periods of `period_ns`, a multiple of the bars' own, and what happens after each.

    As in the engine, periods begin at multiples since 1970, one without a bar keeps the close
    before it, and a period is closed by the first bar after it.
    """
    assert period_ns % bars.period_ns == 0, period_ns
    bars = _merged(bars, period_ns)
    count = int(bars.start_ns[-1] // period_ns - bars.start_ns[0] // period_ns)
    if count > _PERIODS_MAX:
        raise BadInput("--data", f"{count} periods", "take a longer timeframe")
    ends, carried = np.arange(1, len(bars.close)), bars.close[:-1]
    if count > len(ends):
        steps = np.diff(bars.start_ns // period_ns)
        ends, carried = np.cumsum(steps), np.repeat(carried, steps)
    sums = np.zeros(len(carried) + 1, np.int64)
    np.cumsum(carried - bars.close[0], out=sums[1:])
    series = x.CrossSeries(
        sums=sums,
        ends=ends,
        opens=bars.open[1:],
        depths=touch_lots(bars.volume[1:]),
        lows=bars.low[1:],
        highs=bars.high[1:],
        closes=bars.close[1:],
    )
    return CrossMarket(series, bars.start_ns[1:])


def _merged(bars: BarColumns, period_ns: int) -> BarColumns:
    """Bars of `period_ns`. Start and volume are those of the first part alone: when the period
    before is known to have ended, and how deep the touch is then."""
    if period_ns == bars.period_ns:
        return bars
    periods = bars.start_ns // period_ns
    firsts = np.flatnonzero(np.diff(periods, prepend=periods[0] - 1))
    return BarColumns(
        period_ns=period_ns,
        start_ns=bars.start_ns[firsts],
        open=bars.open[firsts],
        high=np.maximum.reduceat(bars.high, firsts),
        low=np.minimum.reduceat(bars.low, firsts),
        close=bars.close[np.append(firsts[1:], len(periods)) - 1],
        volume=bars.volume[firsts],
    )


def cross_rules(
    instrument: Instrument,
    strategy: Trend,
    market: CrossMarket,
    taker: Decimal,
    capital: Decimal,
    limits: RiskLimits,
    slip_ticks: int = TOUCH_TICKS,
) -> x.CrossRules:
    """What all sets of one `qty` share. BadInput when sums would not fit 64 bits."""
    series = market.series
    most = 2 * strategy.lots * (int(series.opens.max(initial=1)) + slip_ticks)
    if most * (len(series.ends) + 1) >= _UNITS_MAX:
        raise BadInput("qty", str(instrument.qty(strategy.lots)), "too large for this much data")
    order_max = MONEY.multiply(capital, MONEY.multiply(limits.order_notional_max_pct, _HUNDREDTH))
    whole = [
        strategy.lots,
        strategy.short_lots,
        slip_ticks,
        _units(instrument, instrument.min_notional),
        _units(instrument, order_max),
    ]
    shares = [float(taker), float(limits.stop_loss_pct) / 100, float(limits.take_profit_pct) / 100]
    return x.CrossRules(np.array(whole, np.int64), np.array(shares))


def _units(instrument: Instrument, amount: Decimal) -> int:
    return min(int(MONEY.divide(amount, instrument.money_unit)), _UNITS_MAX)


def run_crosses(
    market: CrossMarket, rules: x.CrossRules, pairs: Sequence[tuple[int, int]]
) -> Int64s:
    """int64[len(pairs), CROSS_COLUMNS]: what came of each (fast, slow), in one compiled call that
    lets go of the interpreter's lock."""
    fasts = np.array([fast for fast, _ in pairs], np.int64)
    slows = np.array([slow for _, slow in pairs], np.int64)
    found = np.zeros((len(pairs), x.CROSS_COLUMNS), np.int64)
    x.cross_many(market.series, rules, fasts, slows, _NO_TRADES, found)
    return found


def run_cross(
    market: CrossMarket, rules: x.CrossRules, fast: int, slow: int
) -> tuple[Int64s, Int64s]:
    """One set: its row as in `run_crosses`, and its trades int64[k, 3], oldest first: when it was
    decided (ns), lots (sold ones are negative), ticks."""
    trades = np.zeros((len(market.series.ends), x.TRADE_COLUMNS), np.int64)
    found = np.zeros(x.CROSS_COLUMNS, np.int64)
    x.cross_one(market.series, rules, fast, slow, trades, found)
    kept = trades[: found[x.C_FILLS]].copy()
    kept[:, x.D_DECISION] = market.start_ns[kept[:, x.D_DECISION]]
    return found, kept


def outcome_of(
    found: Int64s, market: CrossMarket, instrument: Instrument, taker: Decimal
) -> CrossOutcome:
    """A row of `run_crosses` in exact money."""
    row = found.tolist()
    lots, cash, traded = row[x.C_LOTS], row[x.C_CASH], row[x.C_TRADED]
    closes = market.series.closes
    gross = cash + lots * int(closes[-1]) if len(closes) else 0

    def after_fees(gross_units: int, traded_units: int) -> Decimal:
        fees = MONEY.multiply(instrument.money(traded_units), taker)
        return MONEY.subtract(instrument.money(gross_units), fees)

    peak = after_fees(row[x.C_PEAK_GROSS], row[x.C_PEAK_TRADED])
    trough = after_fees(row[x.C_TROUGH_GROSS], row[x.C_TROUGH_TRADED])
    return CrossOutcome(
        fills=row[x.C_FILLS],
        position_lots=lots,
        cash=instrument.money(cash),
        fees=MONEY.multiply(instrument.money(traded), taker),
        equity=after_fees(gross, traded),
        max_drawdown=MONEY.subtract(peak, trough),
        reaches_limits=bool(row[x.C_LIMIT]),
    )
