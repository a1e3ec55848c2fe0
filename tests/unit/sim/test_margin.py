"""Liquidation prices: worked by hand, and by their definition for whatever position."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain import reports as r
from engine.domain.order import OrderType, Side
from engine.kernels import layout as k
from engine.kernels.margin import cost_after, liquidation_price
from engine.ports.venue import Submit
from engine.sim.exchange import SimExchange
from engine.sim.margin import MarginPlan, MarginTier, tiers_of
from engine.sim.scenario import Scenario
from tests.support.builders import a_spec, linear
from tests.support.naive_exchange import Row
from tests.support.sim_orders import to_array

D = Decimal
ONE_TIER = np.array([[0.0, 0.005, 0.0]])


def price(held: int, entry: float, leverage: float, *, is_inverse: bool = False) -> float:
    cost = abs(held) / entry if is_inverse else abs(held) * entry
    return float(liquidation_price(held, cost, 1 / leverage, ONE_TIER, is_inverse))


def test_worked_examples() -> None:
    # Long 1 at 60,000 with 20x: 3,000 of margin. At p the loss is 60,000 - p, and p x 0.005 must be
    # left: 3,000 - 60,000 + p = 0.005 p.
    assert price(1, 60_000, 20) == pytest.approx(57_000 / 0.995)
    assert price(-1, 60_000, 20) == pytest.approx(63_000 / 1.005)
    # Inverse, a long worth 1 / 60,000 coin per dollar; the loss grows faster than the price falls.
    assert price(1, 60_000, 20, is_inverse=True) == pytest.approx(60_000 * 1.005 / 1.05)
    assert price(-1, 60_000, 20, is_inverse=True) == pytest.approx(60_000 * 0.995 / 0.95)


def test_without_leverage_there_is_next_to_nothing_to_lose() -> None:
    assert price(1, 60_000, 1) == 0.0
    assert price(-1, 60_000, 1, is_inverse=True) == math.inf


@given(
    held=st.integers(-1000, 1000).filter(bool),
    entry=st.integers(100, 10**6),
    leverage=st.integers(2, 100),
    is_inverse=st.booleans(),
)
def test_at_its_price_margin_and_profit_are_the_maintenance(
    held: int, entry: int, leverage: int, is_inverse: bool
) -> None:
    pairs = [(D(0), D("0.004")), (D(50_000), D("0.005")), (D(1_000_000), D("0.01"))]
    tiers = [(float(t.value_min), float(t.rate), float(t.deduction)) for t in tiers_of(pairs)]
    if is_inverse:
        tiers = tiers[:1]
    size, sign = abs(held), 1 if held > 0 else -1
    cost = size / entry if is_inverse else float(size * entry)
    found = liquidation_price(held, cost, 1 / leverage, np.array(tiers), is_inverse)
    _, rate, deduction = next(tier for tier in reversed(tiers) if cost >= tier[0])
    value = size / found if is_inverse else size * found
    profit = sign * (cost - value if is_inverse else value - cost)
    assert math.isclose(cost / leverage + profit, value * rate - deduction, rel_tol=1e-6)
    assert sign * (entry - found) > 0 or 1 / leverage <= rate


def test_tiers_join_without_a_step() -> None:
    tiers = tiers_of([(D(0), D("0.004")), (D(50_000), D("0.005")), (D(600_000), D("0.01"))])
    assert [tier.deduction for tier in tiers] == [0, 50, 3050]


@given(
    fills=st.lists(st.tuples(st.sampled_from([1, -1]), st.integers(1, 9), st.integers(1, 9))),
)
def test_entry_value_is_the_average_cost_of_what_is_left(
    fills: list[tuple[int, int, int]],
) -> None:
    held, cost, exact = 0, 0.0, Fraction(0)
    for side, lots, ticks in fills:
        cost = float(cost_after(cost, held, side, lots, float(lots * ticks)))
        closing = min(lots, abs(held)) if held * side < 0 else 0
        exact -= exact * closing / abs(held) if closing else 0
        exact += (lots - closing) * ticks
        held += side * lots
        assert math.isclose(cost, exact, rel_tol=1e-9, abs_tol=1e-9)


def test_the_venue_takes_the_position_and_its_fee() -> None:
    """Long 1 BTC at 60,000.1 with 20x: a trade at 57,286.6 is above the price, 57,286.5 is not.
    The bid there takes half, the rest goes with the next trade after the news."""
    mid = 600_000
    rows = [
        Row(1, 1, "depth", 1, mid - 1, 5000),
        Row(1, 1, "depth", -1, mid + 1, 5000),
        Row(100, 100, "clear", 1, 573_000, 0),
        Row(100, 100, "depth", 1, 572_000, 500),
        Row(100, 100, "trade", -1, 572_866, 1),
        Row(200, 200, "trade", -1, 572_865, 1),
        Row(210, 210, "depth", 1, 571_000, 800),
        Row(210, 210, "trade", -1, 572_000, 1),
        Row(300, 300, "trade", -1, 572_000, 1),
        Row(400, 400, "depth", -1, mid + 1, 5000),
    ]
    plan = MarginPlan(leverage=D(20), tiers=(MarginTier(D(0), D("0.005")),))
    scenario = Scenario(entry_latency_ns=0, response_latency_ns=20, margin=plan)
    world = SimExchange(linear(), to_array(rows), scenario)
    world.advance(2, 0)
    buy = a_spec(qty_lots=1000, type=OrderType.MARKET, price_ticks=0)
    rest = a_spec(qty_lots=10, price_ticks=500_000)
    stop = a_spec(qty_lots=10, type=OrderType.STOP, price_ticks=0, trigger_ticks=700_000)
    for name, spec in (("buy", buy), ("rest", rest), ("stop", stop)):
        world.submit([Submit(client_order_id=name, bot_id="b", spec=spec)], 2)
    reports = []
    ended = False
    while not ended:
        ended = bool(world.advance(430, 0).reasons & k.WAKE_END)
        reports += world.drain_reports()
    told = [
        (type(one).__name__.removesuffix("Report"), one.client_order_id, one.venue_ns)
        for one in reports[4:]
    ]
    assert told == [
        ("Expire", "rest", 200),
        ("Expire", "stop", 200),
        ("Liquidation", "liquidation-BTCUSDT-b-1", 200),
        ("Fill", "liquidation-BTCUSDT-b-1", 200),
        ("Expire", "liquidation-BTCUSDT-b-1", 200),
        ("Liquidation", "liquidation-BTCUSDT-b-2", 300),
        ("Fill", "liquidation-BTCUSDT-b-2", 300),
    ]
    taken = reports[6]
    assert isinstance(taken, r.LiquidationReport)
    assert (taken.due_ticks, taken.spec.side, taken.spec.qty_lots) == (572_865, Side.SELL, 1000)
    fill = reports[7]
    assert isinstance(fill, r.FillReport)
    value = linear().notional(500, 572_000)
    assert fill.fill.fee == value * (scenario.taker + plan.liquidation_fee)
