"""Funding of perpetuals: who pays whom, how much, at which rate and when we hear of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.domain import reports as r
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.order import OrderType, Side
from engine.ports.venue import Submit
from engine.sim.exchange import SimExchange
from engine.sim.funding import HOUR_NS, FundingPlan, RecordedRate, payment
from engine.sim.scenario import Scenario
from tests.support.builders import a_spec, inverse, linear
from tests.support.naive_exchange import Row
from tests.support.sim_orders import to_array

D = Decimal
MID = 600_000
MS = 1_000_000


@pytest.mark.parametrize(
    ("instrument", "lots", "rate", "paid"),
    [
        # 2 BTC at 60,000 x 0.01 %: a long pays a positive rate, a short receives it.
        (linear(), 2000, "0.0001", "12"),
        (linear(), -2000, "0.0001", "-12"),
        (linear(), 2000, "-0.0001", "-12"),
        # 300 contracts of 100 USD at 60,000 are 0.5 BTC.
        (inverse(), 300, "0.0001", "0.00005"),
        (inverse(), -300, "0.0001", "-0.00005"),
        # 1 contract is 0.00166667 BTC, as venues book it.
        (inverse(), 1, "0.001", "0.00000166667"),
    ],
)
def test_amounts(instrument: Instrument, lots: int, rate: str, paid: str) -> None:
    assert payment(instrument, lots, D(60_000), D(rate)) == D(paid)


def test_recorded_rates_stand_in_for_the_constant() -> None:
    recorded = (RecordedRate(8 * HOUR_NS + 17 * MS, D("0.0003"), D(59_000)),)
    plan = FundingPlan(rate=D("0.0001"), recorded=recorded)
    assert plan.first_stamp_ns(0) == 8 * HOUR_NS
    assert plan.first_stamp_ns(8 * HOUR_NS) == 16 * HOUR_NS
    assert plan.at(8 * HOUR_NS) == recorded[0]
    assert plan.at(16 * HOUR_NS) == RecordedRate(16 * HOUR_NS, D("0.0001"))


def hold(instrument: Instrument, plan: FundingPlan, side: Side) -> list[r.AnyVenueReport]:
    """What is reported of 0.002 BTC (2 contracts) held from an hour before the second stamp."""
    times = [1, 15 * HOUR_NS, 17 * HOUR_NS, 33 * HOUR_NS]
    rows = [
        Row(now, now, "depth", way, MID - way, 50 + number)
        for number, now in enumerate(times)
        for way in (1, -1)
    ]
    scenario = Scenario(entry_latency_ns=0, response_latency_ns=5 * MS, funding=plan)
    world = SimExchange(instrument, to_array(rows), scenario)
    world.advance(times[1], 0)
    spec = a_spec(
        instrument_id=instrument.instrument_id,
        side=side,
        qty_lots=2,
        type=OrderType.MARKET,
        price_ticks=0,
    )
    world.submit([Submit(client_order_id="o", bot_id="b", spec=spec)], times[1])
    reports = []
    while world.now_ns < times[-1]:
        world.advance(times[-1], 0)
        reports += world.drain_reports()
    return reports


def test_the_venue_settles_at_its_stamps_and_the_news_travels() -> None:
    reports = hold(linear(), FundingPlan(rate=D("0.0001")), Side.BUY)
    funding = [one for one in reports if isinstance(one, r.FundingReport)]
    assert [one.venue_ns for one in funding] == [16 * HOUR_NS, 24 * HOUR_NS, 32 * HOUR_NS]
    assert funding[0] == r.FundingReport(
        report_seq=3,
        venue_ns=16 * HOUR_NS,
        received_ns=16 * HOUR_NS + 5 * MS,
        bot_id="b",
        instrument_id="test.BTCUSDT",
        lots=2,
        rate=D("0.0001"),
        mark=D(60_000),
        amount=D("0.012"),
    )


def test_shorts_receive_and_a_recorded_mark_counts() -> None:
    recorded = (RecordedRate(16 * HOUR_NS, D("0.0002"), D(50_000)),)
    reports = hold(inverse(), FundingPlan(recorded=recorded), Side.SELL)
    (only,) = (one for one in reports if isinstance(one, r.FundingReport))
    assert (only.lots, only.mark) == (-2, D(50_000))
    assert only.amount == D("-0.004") * D("0.0002")  # 200 USD at 50,000


def test_spot_knows_no_funding() -> None:
    spot = linear(kind=InstrumentKind.SPOT)
    reports = hold(spot, FundingPlan(rate=D("0.0001")), Side.BUY)
    assert not any(isinstance(one, r.FundingReport) for one in reports)
