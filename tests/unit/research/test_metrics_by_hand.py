"""Figures worked out by hand, published examples, and naive counterparts over made-up series."""

from __future__ import annotations

import math
from collections import deque
from statistics import mean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels.layout import Float64s
from engine.research import benchmark, drawdown, returns, round_trips
from engine.research.round_trips import Execution
from tests.support.metric_series import series

DAY_NS = 86_400_000_000_000
FALLS = np.array([100.0, 120.0, 90.0, 120.0, 60.0, 60.0])
"""Falls: 25 % and back, then 50 % and still there."""
DAYS = np.arange(6) * DAY_NS

small = st.floats(-0.5, 0.5).map(lambda value: round(value, 6))
some_returns = st.lists(small, min_size=3, max_size=60).map(np.array)


# -- drawdowns -----------------------------------------------------------------------------------


def test_drawdowns_by_hand() -> None:
    assert drawdown.depths(FALLS).tolist() == pytest.approx([0, 0, 0.25, 0, 0.5, 0.5])
    assert drawdown.deepest(FALLS) == 0.5
    assert drawdown.longest(FALLS, DAYS) == 2.0  # Each lasts from its peak: 1 to 3, and 3 to 5.
    assert drawdown.average(FALLS) == pytest.approx((0.25 + 0.5) / 2)
    assert drawdown.ulcer(FALLS) == pytest.approx(math.sqrt((0.0625 + 0.25 + 0.25) / 6))
    assert drawdown.pain(FALLS) == pytest.approx(1.25 / 6)
    assert drawdown.calmar(0.3, FALLS) == pytest.approx(0.6)
    assert drawdown.sterling(0.3, FALLS) == pytest.approx(0.8)
    assert drawdown.burke(0.3, FALLS) == pytest.approx(0.3 / math.sqrt(0.0625 + 0.25))
    assert drawdown.martin(0.3, FALLS) == pytest.approx(0.3 / drawdown.ulcer(FALLS))


def test_no_drawdown_is_none_not_an_error() -> None:
    rising = np.array([1.0, 1.0, 2.0, 3.0])
    assert drawdown.episodes(rising) == []
    assert (
        drawdown.deepest(rising) == drawdown.average(rising) == drawdown.longest(rising, DAYS) == 0
    )
    assert drawdown.calmar(0.1, rising) == math.inf


@given(some_returns)
def test_drawdowns_against_every_pair_of_points(changes: Float64s) -> None:
    equity = drawdown.equity_of(changes)
    points = equity.tolist()
    pairs = [1 - low / high for i, high in enumerate(points) for low in points[i:]]
    assert drawdown.deepest(equity) == pytest.approx(max(pairs), abs=1e-12)
    found = drawdown.episodes(equity)
    assert max((one.depth for one in found), default=0.0) == drawdown.deepest(equity)
    for one in found:
        assert points[one.start] == max(points[: one.end]), "an episode begins at a peak"


# -- returns -------------------------------------------------------------------------------------


def test_annual_growth() -> None:
    assert returns.annualised(0.21, 2.0) == pytest.approx(0.1)
    assert returns.annualised(-1.0, 2.0) == returns.annualised(-1.5, 0.1) == -1.0


def test_downside_counts_every_period() -> None:
    # Over all four, not over the two bad ones: the trap that Sortino ratios fall into.
    assert returns.downside(np.array([0.1, -0.3, 0.2, -0.4])) == pytest.approx(0.25)


def test_no_variation_is_no_ratio() -> None:
    flat = np.full(50, 0.1)  # Its mean is not exactly 0.1.
    assert returns.spread(flat) == 0.0
    assert returns.sharpe(flat, 365) == math.inf
    assert math.isnan(returns.sharpe(np.zeros(50), 365))
    assert math.isnan(returns.skewness(flat))
    assert math.isnan(returns.sharpe_error(flat, 365))
    assert math.isnan(benchmark.beta(flat, flat))


@pytest.mark.parametrize(("trials", "deflated"), [(100, 0.9004), (46, 0.9505)])
def test_the_published_case_of_the_deflated_sharpe_ratio(trials: int, deflated: float) -> None:
    """Bailey and Lopez de Prado 2014: five years of days with an annual Sharpe ratio of 2.5,
    skewness -3, kurtosis 10, the best of trials whose ratios vary by 1/2 a year."""
    luck = returns.best_of_trials(trials, math.sqrt(0.5 / 250))
    if trials == 100:
        assert luck == pytest.approx(0.1132, abs=5e-5)
    found = returns.probability_above(2.5 / math.sqrt(250), luck, 1250, -3.0, 10.0)
    assert found == pytest.approx(deflated, abs=5e-5)


def test_a_normal_series_would_have_borne_more_trials() -> None:
    luck = returns.best_of_trials(88, math.sqrt(0.5 / 250))
    assert returns.probability_above(2.5 / math.sqrt(250), luck, 1250, 0.0, 3.0) == pytest.approx(
        0.9505, abs=5e-5
    )


@pytest.mark.parametrize(("annual", "days"), [(1.0, 990), (2.0, 249)])
def test_how_long_skill_takes_to_show(annual: float, days: int) -> None:
    """The shortest record with which a true ratio is above 0 with 95 %: published as 990, 249
    after rounding."""
    one = annual / math.sqrt(365)
    shown = [returns.probability_above(one, 0.0, n, 0.0, 3.0) for n in (days - 1, days + 1)]
    assert shown[0] < 0.95 <= shown[1]


def test_the_best_of_no_skill() -> None:
    """Expected ratio of the best of 100 without skill in a year, as simulated: 2.53."""
    assert returns.best_of_trials(100, 1.0) == pytest.approx(2.53, abs=0.005)
    assert returns.best_of_trials(1, 1.0) == 0.0


def test_the_error_of_a_sharpe_ratio_of_independent_returns() -> None:
    """Lo 2002: sqrt((1 + SR^2 / 2) / n) for normal returns that know nothing of each other."""
    normal = 0.003 + 0.02 * np.random.Generator(np.random.PCG64(1)).standard_normal(20_000)
    known = math.sqrt((1 + returns.sharpe(normal, 1.0) ** 2 / 2) / 20_000)
    assert returns.sharpe_error(normal, 1.0) == pytest.approx(known, rel=0.05)


def test_the_error_counts_what_lasts() -> None:
    """Returns that come in runs tell less than their number: the error grows."""
    runs = np.repeat(np.array(series(9).returns), 5)
    apart = runs.reshape(-1, 5).T.ravel()
    assert returns.sharpe(runs, 365) == pytest.approx(returns.sharpe(apart, 365))
    assert returns.sharpe_error(runs, 365) > 1.5 * returns.sharpe_error(apart, 365)


@given(some_returns, st.floats(0.1, 10))
def test_ratios_do_not_depend_on_leverage(changes: Float64s, times: float) -> None:
    if returns.spread(changes) < 1e-6 or returns.downside(changes) < 1e-6:
        return
    for ratio in (returns.omega, returns.gain_to_pain, returns.skewness, returns.tail_ratio):
        assert ratio(changes * times) == pytest.approx(ratio(changes), rel=1e-6, nan_ok=True)
    assert returns.sharpe(changes * times, 365) == pytest.approx(returns.sharpe(changes, 365))
    assert returns.sortino(changes * times, 365) == pytest.approx(returns.sortino(changes, 365))


@given(some_returns, st.floats(-3, 3), st.floats(-0.01, 0.01))
def test_a_multiple_of_the_market_has_that_beta(
    changes: Float64s, times: float, plus: float
) -> None:
    if returns.spread(changes) < 1e-3:
        return
    ours = times * changes + plus
    assert benchmark.beta(ours, changes) == pytest.approx(times, abs=1e-9)
    assert benchmark.alpha(ours, changes, 365) == pytest.approx(plus * 365, abs=1e-9)


def test_against_the_market_by_hand() -> None:
    ours, market = np.array([0.03, -0.01, 0.04]), np.array([0.01, -0.01, 0.03])
    active = [0.02, 0.0, 0.01]
    assert benchmark.information_ratio(ours, market, 365) == pytest.approx(
        mean(active) / stdev(active) * math.sqrt(365)
    )
    beta = benchmark.beta(ours, market)
    assert benchmark.treynor(ours, market, 365) == pytest.approx(0.02 * 365 / beta)
    assert benchmark.hold_equity(50.0, np.array([4.0, 5.0]), is_inverse=False).tolist() == [
        50,
        62.5,
    ]
    assert benchmark.hold_equity(50.0, np.array([4.0, 5.0]), is_inverse=True).tolist() == [50, 50]


# -- round trips ---------------------------------------------------------------------------------


def test_round_trips_by_hand() -> None:
    """2 at 100, 1 at 110; 2 sold at 120 close the first; 2 sold at 90 close one and go short."""
    fills = [
        Execution(0, 2, 100, 0.2),
        Execution(10, 1, 110, 0.1),
        Execution(20, -2, 120, 0.4),
        Execution(30, -2, 90, 0.6),
        Execution(50, 1, 80, 0.3),
    ]
    first, second, third = round_trips.round_trips(
        fills, contract_size=1, is_inverse=False, lot=0.001
    )
    assert (first.side, first.qty, first.entry, first.exit) == (1, 2, 100, 120)
    assert (first.start_ns, first.end_ns, first.profit) == (0, 20, pytest.approx(40 - 0.2 - 0.4))
    assert (second.side, second.qty, second.profit) == (1, 1, pytest.approx(-20 - 0.1 - 0.3))
    assert (third.side, third.start_ns, third.profit) == (-1, 30, pytest.approx(10 - 0.3 - 0.3))
    profits = np.array([trip.profit for trip in (first, second, third)])
    assert round_trips.hit_rate(profits) == pytest.approx(2 / 3)
    assert round_trips.profit_factor(profits) == pytest.approx((39.4 + 9.4) / 20.4)
    assert round_trips.payoff(profits) == pytest.approx((39.4 + 9.4) / 2 / 20.4)
    assert round_trips.losses_in_a_row(profits) == 1
    assert round_trips.quality_number(profits) == pytest.approx(
        math.sqrt(3) * mean(profits.tolist()) / stdev(profits.tolist())
    )
    odds = (39.4 + 9.4) / 2 / 20.4
    assert round_trips.kelly(profits) == pytest.approx(2 / 3 - (1 / 3) / odds)
    assert round_trips.exposure(fills, 0, 100, 0.001) == pytest.approx(0.5)


def test_an_inverse_trip_is_paid_in_coin() -> None:
    fills = [Execution(0, 10, 50_000, 0), Execution(1, -10, 60_000, 0)]
    (trip,) = round_trips.round_trips(fills, contract_size=100, is_inverse=True, lot=1)
    assert trip.profit == pytest.approx(1000 / 50_000 - 1000 / 60_000)


def test_without_losses_or_gains() -> None:
    gains, losses = np.array([1.0, 2.0]), np.array([-1.0, -3.0])
    assert round_trips.profit_factor(gains) == round_trips.payoff(gains) == math.inf
    assert round_trips.kelly(gains) == 1.0
    assert round_trips.kelly(losses) == -math.inf
    assert round_trips.profit_factor(losses) == 0.0
    assert math.isnan(round_trips.kelly(np.zeros(3)))
    assert math.isnan(round_trips.profit_factor(np.zeros(3)))


def test_excursions_by_hand() -> None:
    """Bought at 100, sold at 101; meanwhile the mid was at 98 and at 104."""
    fills = [Execution(10, 1, 100, 0), Execution(40, -1, 101, 0)]
    trips = round_trips.round_trips(fills, contract_size=1, is_inverse=False, lot=1)
    times, mids = np.array([0, 20, 30, 50]), np.array([90.0, 98.0, 104.0, 120.0])
    assert round_trips.excursions(trips, times, mids) == pytest.approx((200.0, 400.0))


executions = st.lists(
    st.tuples(st.integers(-9, 9).filter(bool), st.integers(80, 120), st.integers(0, 5)),
    min_size=1,
    max_size=40,
)


@given(executions, st.booleans())
def test_trips_and_what_is_left_make_up_all_the_money(
    rows: list[tuple[int, int, int]], is_inverse: bool
) -> None:
    """Profits of the trips + the open rest at the last price - its fees = cash + inventory - fees,
    whatever the order of buys and sells."""
    fills = [Execution(i, qty, price, fee) for i, (qty, price, fee) in enumerate(rows)]
    trips = round_trips.round_trips(fills, contract_size=1, is_inverse=is_inverse, lot=1)

    def worth(price: float) -> float:
        return -1 / price if is_inverse else price

    last = worth(rows[-1][1])
    held: deque[tuple[float, float, float]] = deque()  # Naive first in, first out, a unit a time.
    for qty, price, fee in rows:
        for _ in range(abs(qty)):
            sign = 1 if qty > 0 else -1
            if held and held[0][0] != sign:
                held.popleft()
            else:
                held.append((sign, worth(price), fee / abs(qty)))
    open_profit = sum(sign * (last - entry) - fee for sign, entry, fee in held)
    total = sum(qty * (last - worth(price)) - fee for qty, price, fee in rows)
    assert sum(trip.profit for trip in trips) + open_profit == pytest.approx(total, abs=1e-9)
    assert all(trip.qty > 0 and trip.start_ns <= trip.end_ns for trip in trips)


@given(st.lists(st.integers(-2, 2), max_size=30))
def test_losses_in_a_row_as_one_counts_them(profits: list[int]) -> None:
    longest = run = 0
    for profit in profits:
        run = run + 1 if profit < 0 else 0
        longest = max(longest, run)
    assert round_trips.losses_in_a_row(np.array(profits, float)) == longest
