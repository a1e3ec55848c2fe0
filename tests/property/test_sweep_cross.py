"""The compiled cross against plain Python, against itself uncompiled, and against shorter data."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernels import cross as x
from engine.research import bar_run
from engine.sim.bar_feed import BarColumns
from engine.strategy.trend import Trend, TrendParams
from engine.trading.risk.limits import RiskLimits
from tests.support.bar_walks import MINUTE_NS, born, naive_trades, walk
from tests.support.builders import linear, spot

Trades = list[tuple[int, ...]]
TAKER = Decimal("0.0005")


def run(
    bars: BarColumns, fast: int, slow: int, *, frame: int = 1, can_short: bool = True, slip: int = 1
) -> tuple[bar_run.CrossOutcome, Trades]:
    instrument = linear() if can_short else spot()
    qty = instrument.qty(100)
    market = bar_run.cross_market(bars, frame * MINUTE_NS)
    strategy = Trend(TrendParams(fast=fast, slow=slow, qty=qty), instrument)
    rules = bar_run.cross_rules(
        instrument, strategy, market, TAKER, Decimal(10_000_000), RiskLimits(), slip
    )
    found, trades = bar_run.run_cross(market, rules, fast, slow)
    outcome = bar_run.outcome_of(found, market, instrument, TAKER)
    return outcome, [tuple(trade) for trade in trades.tolist()]


@settings(max_examples=80)
@given(
    seed=st.integers(0, 1 << 30),
    count=st.integers(2, 120),
    gaps=st.sampled_from([0.0, 0.1, 0.6]),
    volume=st.sampled_from([0, 300, 13_000]),
    fast=st.integers(1, 9),
    extra=st.integers(1, 12),
    frame=st.sampled_from([1, 3, 5]),
    can_short=st.booleans(),
    slip=st.integers(0, 2),
)
def test_trades_are_those_of_plain_python(
    seed: int,
    count: int,
    gaps: float,
    volume: int,
    fast: int,
    extra: int,
    frame: int,
    can_short: bool,
    slip: int,
) -> None:
    bars = walk(seed, count, gaps=gaps, volume=volume, step_ticks=4)
    slow = fast + extra
    outcome, trades = run(bars, fast, slow, frame=frame, can_short=can_short, slip=slip)

    period_ns = frame * MINUTE_NS
    expected = naive_trades(bars, fast, slow, 100, 100 * can_short, slip, period_ns)
    assert trades == expected
    instrument = linear() if can_short else spot()
    cash = -sum(lots * ticks for _, lots, ticks in expected)
    position = sum(lots for _, lots, _ in expected)
    fees = sum(abs(lots) * ticks for _, lots, ticks in expected) * instrument.money_unit * TAKER
    assert outcome.fills == len(expected)
    assert (outcome.position_lots, outcome.cash) == (position, instrument.money(cash))
    assert outcome.fees == fees
    last = int(bars.close[-1])
    assert outcome.equity == instrument.money(cash + position * last) - fees
    assert outcome.max_drawdown >= max(Decimal(0), -outcome.equity)


@settings(max_examples=15)
@given(seed=st.integers(0, 1 << 30))
def test_compiled_equals_uncompiled(seed: int) -> None:
    bars = walk(seed, 60, step_ticks=400)
    market = bar_run.cross_market(bars, MINUTE_NS)
    rules = x.CrossRules(
        np.array([100, 100, 1, 0, 10**9], np.int64), np.array([0.0005, 0.001, 0.002])
    )
    rows = []
    for function in (x.cross_one, x.cross_one.py_func):  # type: ignore[attr-defined]
        found, trades = np.zeros(x.CROSS_COLUMNS, np.int64), np.zeros((5, 3), np.int64)
        function(market.series, rules, 3, 8, trades, found)
        rows.append((found.tolist(), trades.tolist()))
    assert rows[0] == rows[1]


@settings(max_examples=40)
@given(seed=st.integers(0, 1 << 30), cut=st.integers(15, 79))
def test_what_comes_later_changes_no_earlier_trade(seed: int, cut: int) -> None:
    """The data ends in the moment in which bar `cut` opens: all trades so far are the same."""
    bars = walk(seed, 80)
    _, whole = run(bars, 3, 10)
    _, known = run(born(bars, cut), 3, 10)
    assert known == [trade for trade in whole if trade[0] <= bars.start_ns[cut]]
