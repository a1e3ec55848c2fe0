"""Luck is not skill: no profit from a random walk, and a planted look-ahead does not get past."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest

from engine.kernels import cross as x
from engine.kernels.layout import Int64s
from engine.research import bar_run
from engine.sim.bar_feed import BarColumns
from engine.strategy.trend import Trend, TrendParams
from engine.trading.risk.limits import RiskLimits
from tests.support.bar_walks import MINUTE_NS, bar_data, born, engine_run, walk
from tests.support.builders import linear

FREE = Decimal(0)
TAKER = Decimal("0.0005")
SEEDS = range(100)


def profit(bars: BarColumns, taker: Decimal, slip: int) -> float:
    instrument = linear()
    market = bar_run.cross_market(bars, MINUTE_NS)
    strategy = Trend(TrendParams(qty=Decimal("0.1")), instrument)
    rules = bar_run.cross_rules(
        instrument, strategy, market, taker, Decimal(10_000_000), RiskLimits(), slip
    )
    found, _ = bar_run.run_cross(market, rules, 10, 30)
    return float(bar_run.outcome_of(found, market, instrument, taker).equity)


def t_value(values: list[float]) -> float:
    return statistics.mean(values) / (statistics.stdev(values) / len(values) ** 0.5)


def test_a_driftless_random_walk_pays_nobody() -> None:
    walks = [walk(seed, 3000) for seed in SEEDS]

    # One-sided 5 %: the mean after costs is not above zero.
    assert t_value([profit(bars, TAKER, 1) for bars in walks]) < 1.645
    # Without costs it is a fair game: neither side of it is favoured by how bars are used.
    assert abs(t_value([profit(bars, FREE, 0) for bars in walks])) < 2.6


def test_the_engine_makes_the_same_of_a_random_walk() -> None:
    data = bar_data(walk(5, 200))
    params = TrendParams(fast=3, slow=9, qty=Decimal("0.1"))
    assert engine_run(data, params).equity < 0


# -- planted look-ahead --------------------------------------------------------------------------


def same_bar_close(market: bar_run.CrossMarket, bars: BarColumns) -> x.CrossSeries:
    """The close of a bar decides what is bought at its open."""
    series = market.series
    sums = np.concatenate([[0], np.cumsum(bars.close - bars.close[0])])
    return series._replace(sums=sums, ends=series.ends + 1)


def best_price_of_the_bar(market: bar_run.CrossMarket, bars: BarColumns) -> x.CrossSeries:
    """Orders fill at the low of the bar that they were sent in."""
    return market.series._replace(opens=bars.low[1:].copy())


def averages_around(market: bar_run.CrossMarket, bars: BarColumns) -> x.CrossSeries:
    """Windows centred on the bar: half of each average lies in the future."""
    closes = np.concatenate([bars.close, np.repeat(bars.close[-1:], 2)])
    sums = np.concatenate([[0], np.cumsum(closes - closes[0])])
    return market.series._replace(sums=sums, ends=market.series.ends + 2)


Plant = Callable[[bar_run.CrossMarket, BarColumns], x.CrossSeries]


def trades_of(bars: BarColumns, plant: Plant | None) -> list[list[int]]:
    market = bar_run.cross_market(bars, MINUTE_NS)
    series = plant(market, bars) if plant else market.series
    rules = x.CrossRules(np.array([100, 100, 1, 0, 1 << 60], np.int64), np.array([0.0, 1e9, 1e9]))
    trades: Int64s = np.zeros((len(series.ends), x.TRADE_COLUMNS), np.int64)
    found = np.zeros(x.CROSS_COLUMNS, np.int64)
    x.cross_one(series, rules, 3, 10, trades, found)
    rows: list[list[int]] = trades[: found[x.C_FILLS]].tolist()
    return rows


def looks_ahead(plant: Plant | None) -> bool:
    """Whether some trade changes when the data ends in the moment in which it is made."""
    bars = walk(3, 200)
    whole = trades_of(bars, plant)
    return any(
        trades_of(born(bars, cut), plant) != [row for row in whole if row[x.D_DECISION] < cut]
        for cut in range(20, 200)
    )


def test_the_strategy_does_not_look_ahead() -> None:
    assert not looks_ahead(None)


@pytest.mark.parametrize("plant", [same_bar_close, best_price_of_the_bar, averages_around])
def test_a_planted_look_ahead_is_caught(plant: Plant) -> None:
    assert looks_ahead(plant)


def test_a_look_ahead_would_have_paid() -> None:
    """It is worth catching: the same walk, free of costs, turns from a fair game to a gift."""
    gains = []
    for seed in range(20):
        bars = walk(seed, 1000)
        rows = trades_of(bars, same_bar_close)
        cash = -sum(lots * ticks for _, lots, ticks in rows)
        gains.append(cash + sum(lots for _, lots, _ in rows) * int(bars.close[-1]))
    assert t_value([float(gain) for gain in gains]) > 5
