"""Luck is not skill: on a market that goes nowhere no shipped strategy earns anything after costs.

Ticks from the generator, whose fair price is a driftless random walk. A few seeds in every test
run, a hundred with `python3 -m app test -m long` (some minutes). The compiled road of `trend` has
its hundred walks in `tests/unit/research/test_sweep_honesty.py`, in every run.
"""

from __future__ import annotations

import statistics
from decimal import Decimal
from typing import NamedTuple

import pytest

from app.bootstrap import build_bot, market_of, periods_of, session_of, trader_of
from engine.core.ids import BACKTEST_SALT
from engine.core.watchdog import Watchdog
from engine.runtime.backtest import Backtest
from engine.sim.exchange import SimExchange
from engine.sim.generator import SIM_INSTRUMENT, MarketGenerator
from engine.sim.scenario import Scenario
from engine.store.memory import NoJournal
from engine.trading.risk.limits import RiskLimits

MINUTE_NS = 60_000_000_000
FEW, MANY = 4, 100
ONE_SIDED_5_PCT = 1.645
BOTS = {
    "grid": ("grid", {}, 3),
    "wide grid": ("grid", {"levels": "3", "half_spread_ticks": "60", "interval_ticks": "20"}, 3),
    "trend": ("trend", {"timeframe": "5s", "fast": "5", "slow": "15"}, 6),
}
"""Strategy, parameters, minutes of market."""


class Outcome(NamedTuple):
    equity: float
    fills: int
    moved_bp: float


def outcome(seed: int, strategy: str, params: dict[str, str], minutes: int) -> Outcome:
    generator = MarketGenerator(seed, block_ns=minutes * MINUTE_NS)
    rows = generator.next_block()
    assert rows is not None
    periods = periods_of([params["timeframe"]] if "timeframe" in params else [])
    scenario, watchdog = Scenario(), Watchdog()
    world = SimExchange(SIM_INSTRUMENT, rows, scenario, tuple(periods.values()))
    market = market_of(world, periods, None, 0, f"generated market, seed {seed}")
    bot = build_bot("bot", strategy, params, SIM_INSTRUMENT)
    session = session_of(market, scenario, Decimal(10_000_000), BACKTEST_SALT)
    try:
        backtest = Backtest(trader_of(market, RiskLimits(), watchdog), world, NoJournal())
        result = backtest.run(session, bot)
    finally:
        watchdog.close()
    moved_bp = float(result.mid / result.first_mid - 1) * 1e4
    return Outcome(float(result.equity), result.fills, moved_bp)


def t_value(values: list[float]) -> float:
    return statistics.mean(values) / (statistics.stdev(values) / len(values) ** 0.5)


def outcomes(name: str, seeds: int) -> list[Outcome]:
    strategy, params, minutes = BOTS[name]
    return [outcome(seed, strategy, params, minutes) for seed in range(seeds)]


def assert_nothing_earned(found: list[Outcome]) -> None:
    assert sum(one.fills for one in found) > 5 * len(found), "it has to trade to be judged"
    assert t_value([one.equity for one in found]) < ONE_SIDED_5_PCT


@pytest.mark.parametrize("name", BOTS)
def test_a_random_walk_pays_nobody(name: str) -> None:
    assert_nothing_earned(outcomes(name, FEW))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", BOTS)
def test_a_hundred_random_walks_pay_nobody(name: str) -> None:
    found = outcomes(name, MANY)
    assert_nothing_earned(found)
    # The market itself went nowhere: not a trend that happened to hurt.
    assert abs(t_value([one.moved_bp for one in found])) < 3.3
