"""A moving-average cross 10/30 over a million one-minute bars: bars in, trades and equity out.

`bars_cross`  seconds of one warm run: closes to sums, signals, fills, money, trades
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from engine.core.ids import session_rng
from engine.domain.instrument import Instrument
from engine.kernels.cross import CrossRules
from engine.kernels.layout import Int64s
from engine.research import bar_run
from engine.sim.bar_feed import BarColumns
from engine.sim.generator import SIM_INSTRUMENT
from engine.strategy.trend import Trend, TrendParams
from engine.trading.risk.limits import RiskLimits
from tests.bench.figures import Context, Figure, figure, seconds_of

BARS = 1_000_000
MINUTE_NS = 60_000_000_000
FAST, SLOW = 10, 30
TAKER = Decimal("0.0005")
CAPITAL = Decimal(10_000_000)
INSTRUMENT: Instrument = SIM_INSTRUMENT


def bars_of(count: int, seed: int = 7) -> BarColumns:
    """A driftless walk of `count` minutes; each bar opens where the one before closed."""
    rng = session_rng(seed)
    closes = 600_000 + np.cumsum(rng.integers(-20, 21, count))
    opens = np.concatenate([[600_000], closes[:-1]])
    reach = rng.integers(0, 20, (2, count))
    starts = np.arange(count, dtype=np.int64) * MINUTE_NS
    highs, lows = np.maximum(opens, closes) + reach[0], np.minimum(opens, closes) - reach[1]
    volumes = np.full(count, -1, np.int64)
    return BarColumns(MINUTE_NS, starts, opens, highs, lows, closes, volumes)


def rules_of(market: bar_run.CrossMarket, slip_ticks: int = 1) -> CrossRules:
    strategy = Trend(TrendParams(qty=Decimal("0.01")), INSTRUMENT)
    return bar_run.cross_rules(
        INSTRUMENT, strategy, market, TAKER, CAPITAL, RiskLimits(), slip_ticks
    )


def run_once(bars: BarColumns) -> tuple[bar_run.CrossOutcome, Int64s]:
    market = bar_run.cross_market(bars, MINUTE_NS)
    found, trades = bar_run.run_cross(market, rules_of(market), FAST, SLOW)
    return bar_run.outcome_of(found, market, INSTRUMENT, TAKER), trades


def run(context: Context) -> list[Figure]:
    bars = bars_of(BARS)
    taken = [seconds_of(lambda: run_once(bars)) for _ in range(context.runs + 1)][1:]
    return [figure("bars_cross", "s", taken, BARS)]
