"""What the simulated venue refuses: by its rules in its words, by chance, while it is down."""

from __future__ import annotations

from decimal import Decimal

from engine.domain import reports as r
from engine.domain.instrument import InstrumentKind
from engine.domain.order import OrderType, Side
from engine.kernels import layout as k
from engine.ports.venue import Cancel, Submit
from engine.sim.exchange import SimExchange
from engine.sim.refusals import OUTAGE_NS, Refusals, refusal_words
from engine.sim.scenario import Scenario
from tests.support.builders import a_spec, linear
from tests.support.naive_exchange import Row
from tests.support.sim_orders import to_array

D = Decimal
MID = 600_000
BOOK = [
    Row(1, 1, "depth", 1, MID - 1, 50),
    Row(1, 1, "depth", -1, MID + 1, 50),
    Row(10**15, 10**15, "depth", 1, MID - 1, 51),
]


def venue(refusals: Refusals, seed: int = 0, **instrument: object) -> SimExchange:
    facts = {"min_lots": 5, "min_notional": D(100), "venue": "binance_usdm", **instrument}
    scenario = Scenario(entry_latency_ns=0, response_latency_ns=0, refusals=refusals, seed=seed)
    world = SimExchange(linear(**facts), to_array(BOOK), scenario)
    world.advance(2, 0)
    return world


def said(world: SimExchange, **spec: object) -> r.AnyReport:
    order = a_spec(price_ticks=MID - 1, **spec) if "price_ticks" not in spec else a_spec(**spec)
    world.submit([Submit(client_order_id="o", bot_id="b", spec=order)], world.now_ns)
    world.advance(world.now_ns + 1, 0)
    return world.drain_reports()[0]


def reason(world: SimExchange, **spec: object) -> str:
    report = said(world, **spec)
    return report.reason if isinstance(report, r.RejectReport) else type(report).__name__


def test_filters_in_the_words_of_the_venue() -> None:
    world = venue(Refusals(filters=True, price_band=D("0.05")))
    assert reason(world, qty_lots=5) == "AcceptReport"
    assert reason(world, qty_lots=4).startswith("-4003 ")
    assert reason(world, qty_lots=5, price_ticks=630_000) == "AcceptReport"
    assert reason(world, price_ticks=630_001) == "-4016 Limit price can't be higher than 63000."
    low = reason(world, side=Side.SELL, price_ticks=569_999)
    assert low == "-4024 Limit price can't be lower than 57000."
    small = venue(Refusals(filters=True), min_notional=D(301))
    assert reason(small, qty_lots=5).startswith(
        "-4164 Order's notional must be no smaller than 301"
    )
    assert reason(small, qty_lots=5, type=OrderType.MARKET, price_ticks=0).startswith("-4164")
    assert reason(small, qty_lots=6, type=OrderType.MARKET, price_ticks=0) == "AcceptReport"


def test_reduce_only_orders_may_be_small() -> None:
    world = venue(Refusals(filters=True), min_notional=D(1_000_000))
    report = said(world, qty_lots=5, reduce_only=True)
    assert isinstance(report, r.ExpireReport), "refused for its position, not for its size"


def test_spot_and_other_venues_have_their_own_words() -> None:
    spot = linear(venue="binance_spot", kind=InstrumentKind.SPOT)
    assert refusal_words(spot, k.REASON_MIN_VALUE, 0) == "-1013 Filter failure: NOTIONAL"
    other = linear(venue="coinbase", min_notional=D(10))
    assert refusal_words(other, k.REASON_MIN_VALUE, 0) == "notional below the minimum of 10"
    for reason_code in range(k.REASON_OVERLOAD, k.REASON_BAND_LOW + 1):
        for instrument in (spot, other, linear(venue="binance_usdm")):
            assert "{" not in refusal_words(instrument, reason_code, 1)


def test_rejects_come_at_their_rate_and_by_the_seed() -> None:
    def refused(seed: int) -> list[bool]:
        world = venue(Refusals(reject_rate=D("0.25")), seed)
        return [reason(world, qty_lots=1).startswith("-1008") for _ in range(2000)]

    first = refused(1)
    assert first == refused(1) != refused(2)
    assert 430 < sum(first) < 570  # 500 expected, sd 19


def test_an_outage_refuses_orders_and_cancels_and_lets_resting_orders_be() -> None:
    refusals = Refusals(outage_rate=D("0.5"))
    stretches = [refusals.is_out(7, number * OUTAGE_NS) for number in range(1000)]
    assert 420 < sum(stretches) < 580
    up = stretches.index(False)
    down = stretches.index(True, up)
    world = venue(refusals, seed=7)
    world.advance(up * OUTAGE_NS, 0)
    assert isinstance(said(world), r.AcceptReport)
    world.advance(down * OUTAGE_NS, 0)
    assert reason(world) == "-1016 This service is no longer available."
    world.submit([Cancel(client_order_id="o")], world.now_ns)
    world.advance(world.now_ns + 1, 0)
    refusal = world.drain_reports()[0]
    assert isinstance(refusal, r.CancelRejectReport)
    assert refusal.reason.startswith("-1016")
