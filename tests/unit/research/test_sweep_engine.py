"""The compiled cross and the real strategy in the real engine trade the same, fill for fill."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.domain.instrument import Instrument
from engine.domain.order import Side
from engine.market.timeframe import parse_timeframe
from engine.research import bar_run
from engine.sim.bar_feed import BarColumns
from engine.sim.scenario import Scenario
from engine.strategy.trend import Trend, TrendParams
from engine.trading.risk.limits import RiskLimits
from tests.support.bar_walks import bar_data, engine_run, walk
from tests.support.builders import inverse, linear, spot

CASES = {
    "minutes": (walk(11, 400), "1m", linear()),
    "gaps": (walk(12, 400, gaps=0.4), "1m", linear()),
    "five minutes": (walk(13, 900), "5m", linear()),
    "five minutes with gaps": (walk(14, 900, gaps=0.5), "5m", linear()),
    "spot": (walk(15, 400), "1m", spot()),
    "thin": (walk(16, 400, volume=400), "1m", linear()),
}


@pytest.mark.parametrize("case", CASES)
def test_fills_money_and_position_are_equal(case: str) -> None:
    bars, timeframe, instrument = CASES[case]
    params = TrendParams(fast=4, slow=11, timeframe=timeframe, qty=instrument.qty(40))
    outcome, trades = compiled(bars, instrument, params)
    result = engine_run(bar_data(bars, instrument), params)

    latencies = Scenario().entry_latency_ns + Scenario().response_latency_ns
    assert len(trades) > 15
    assert trades == [
        (
            row.ts_ns - latencies,
            (1 if row.side is Side.BUY else -1) * instrument.lots(row.qty),
            instrument.ticks(row.price),
        )
        for row in result.trades
    ]
    assert (outcome.fills, outcome.cash) == (result.fills, result.cash)
    assert (outcome.fees, outcome.equity) == (result.fees, result.equity)
    assert instrument.qty(outcome.position_lots) == result.position


def compiled(
    bars: BarColumns, instrument: Instrument, params: TrendParams
) -> tuple[bar_run.CrossOutcome, list[tuple[int, ...]]]:
    scenario = Scenario()
    market = bar_run.cross_market(bars, parse_timeframe(params.timeframe))
    strategy = Trend(params, instrument)
    capital = Decimal(10_000_000)
    rules = bar_run.cross_rules(instrument, strategy, market, scenario.taker, capital, RiskLimits())
    found, trades = bar_run.run_cross(market, rules, params.fast, params.slow)
    outcome = bar_run.outcome_of(found, market, instrument, scenario.taker)
    return outcome, [tuple(trade) for trade in trades.tolist()]


def test_a_set_that_reaches_an_account_limit_says_so() -> None:
    """The engine closes a position at its stop-loss; the compiled road must not be silent."""
    calm, wild = walk(21, 400, step_ticks=8), walk(21, 400, step_ticks=4000)
    params = TrendParams(fast=4, slow=11, qty=Decimal("0.04"))
    for bars, reaches in ((calm, False), (wild, True)):
        outcome, _ = compiled(bars, linear(), params)
        limited = engine_run(bar_data(bars), params, limits=RiskLimits())
        assert outcome.reaches_limits is reaches
        assert (limited.equity == outcome.equity) is not reaches


def test_what_cannot_be_compiled_is_known() -> None:
    bars = walk(1, 10)
    assert bar_run.can_compile(linear(), Scenario(), bars)
    assert not bar_run.can_compile(inverse(), Scenario(), bars)
    slow = Scenario(entry_latency_ns=4_000_000_000)
    assert not bar_run.can_compile(linear(), slow, bars)
