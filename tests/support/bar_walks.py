"""Made-up bars, plain calculations over them, and the engine run on them."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np

from app.bootstrap import bars_market, build_bot, session_of, trader_of
from engine.core.ids import BACKTEST_SALT
from engine.core.watchdog import Watchdog
from engine.domain.instrument import Instrument
from engine.research.bar_data import BarData
from engine.runtime.backtest import Backtest, BacktestResult
from engine.sim.bar_feed import BarColumns
from engine.sim.scenario import Scenario
from engine.store.memory import MemoryJournal
from engine.strategy.catalogue import params_to_dict
from engine.strategy.trend import TrendParams
from engine.trading.risk.limits import RiskLimits
from tests.support.builders import linear

MINUTE_NS = 60_000_000_000
START_NS = 1_704_067_200_000_000_000
OFF = Decimal(1_000_000_000)
NO_LIMITS = RiskLimits(
    order_notional_max_pct=OFF,
    position_max_pct=OFF,
    daily_loss_max_pct=OFF,
    drawdown_max_pct=OFF,
    stop_loss_pct=OFF,
    take_profit_pct=OFF,
    jump_distrust_pct=OFF,
)


def walk(
    seed: int,
    count: int,
    *,
    start_ticks: int = 600_000,
    step_ticks: int = 60,
    volume: int = 13_000,
    gaps: float = 0.0,
) -> BarColumns:
    """A driftless random walk: 20 equally likely steps up or down make a minute's bar. Each bar
    opens where the one before closed. `gaps`: share of minutes that are missing."""
    rng = np.random.Generator(np.random.PCG64(seed))
    steps = rng.integers(0, 2, (count, 20)) * 2 - 1
    prices = start_ticks + np.cumsum(steps.ravel() * step_ticks // 4).reshape(count, 20)
    opens = np.concatenate([[start_ticks], prices[:-1, -1]])
    kept = rng.random(count) >= gaps
    kept[0] = True
    columns = (
        START_NS + np.arange(count) * MINUTE_NS,
        opens,
        np.maximum(opens, prices.max(axis=1)),
        np.minimum(opens, prices.min(axis=1)),
        prices[:, -1],
        rng.integers(0, 2 * volume + 1, count),
    )
    return BarColumns(MINUTE_NS, *(column[kept].astype(np.int64) for column in columns))


def bar_data(bars: BarColumns, instrument: Instrument | None = None) -> BarData:
    return BarData(instrument or linear(), bars, "1m", "bars of the tests", ())


def write_csv(path: Path, bars: BarColumns) -> Path:
    """With prices in tenths, volumes in thousandths."""
    lines = ["timestamp_ms,open,high,low,close,volume"]
    for start, *prices, volume in zip(*bars[1:], strict=True):
        texts = [f"{price // 10}.{price % 10}" for price in prices]
        lines.append(f"{start // 1_000_000},{','.join(texts)},{volume / 1000:.3f}")
    path.write_text("\n".join([*lines, ""]))
    return path


def engine_run(
    data: BarData,
    params: TrendParams,
    scenario: Scenario | None = None,
    limits: RiskLimits = NO_LIMITS,
) -> BacktestResult:
    """The real strategy, traded by the real engine."""
    scenario = scenario or Scenario()
    market = bars_market(data, scenario, [params.timeframe])
    watchdog = Watchdog()
    try:
        bot = build_bot("test", "trend", params_to_dict(params), data.instrument)
        backtest = Backtest(trader_of(market, limits, watchdog), market.world, MemoryJournal())
        session = session_of(market, scenario, Decimal(10_000_000), BACKTEST_SALT)
        return backtest.run(session, bot)
    finally:
        watchdog.close()


def naive_trades(
    bars: BarColumns, fast: int, slow: int, lots: int, short_lots: int, slip: int, period_ns: int
) -> list[tuple[int, int, int]]:
    """(ns, signed lots, ticks) of the cross as a person would work it out: lists and averages."""
    trades: list[tuple[int, int, int]] = []
    closes: list[int] = []
    position = 0
    rows = list(zip(*(column.tolist() for column in bars[1:]), strict=True))
    for (start, *_, close, _), (next_start, opened, *_, volume) in pairwise(rows):
        periods = next_start // period_ns - start // period_ns
        closes += [close] * periods  # None within one period; missing ones keep the close.
        if not periods or len(closes) < slow:
            continue
        fast_mean = Decimal(sum(closes[-fast:])) * slow
        slow_mean = Decimal(sum(closes[-slow:])) * fast
        target = lots if fast_mean > slow_mean else -short_lots
        missing = 0 if fast_mean == slow_mean else target - position
        size = min(abs(missing), max(1, volume // 13) if volume >= 0 else abs(missing))
        if size:
            sign = 1 if missing > 0 else -1
            trades.append((next_start, sign * size, opened + sign * slip))
            position += sign * size
    return trades


def born(bars: BarColumns, index: int) -> BarColumns:
    """The bars before `index`, and that one as it is when it opens. (Its volume is left: it
    stands for how deep the touch is, and no signal sees it.)"""
    columns = [column[: index + 1].copy() for column in bars[1:]]
    for column in columns[2:5]:
        column[-1] = columns[1][-1]
    return BarColumns(bars.period_ns, *columns)


HOUR_NS = 60 * MINUTE_NS


def hours(bars: BarColumns) -> BarColumns:
    """The same bars, each an hour long: a few thousand make months."""
    start_ns = START_NS + (bars.start_ns - START_NS) * 60
    return bars._replace(period_ns=HOUR_NS, start_ns=start_ns)
