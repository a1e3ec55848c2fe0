"""What our own taking does: holes that recover, prices beyond the book; and orders of one account
that would meet. Worked by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.domain import reports as r
from engine.domain.order import OrderType, Side, TimeInForce
from engine.kernels import layout as k
from engine.ports.venue import Submit
from engine.sim.exchange import SimExchange
from engine.sim.impact import Impact
from engine.sim.scenario import Scenario, SelfTrade
from tests.support.builders import a_spec, linear
from tests.support.naive_exchange import Row
from tests.support.sim_orders import to_array

D = Decimal
MID = 600_000
SECOND = 1_000_000_000
NO_IMPACT = Impact()


def fills(
    later: list[Row],
    orders: list[tuple[int, str, dict[str, object]]],
    impact: Impact = NO_IMPACT,
    mode: SelfTrade = SelfTrade.NONE,
) -> list[tuple[str, ...]]:
    """(order, what) for orders sent at their times into a book of 10 lots a level, two a side."""
    rows = [Row(1, 1, "depth", side, MID - side * away, 10) for away in (1, 2) for side in (1, -1)]
    rows += [*later, Row(100 * SECOND, 100 * SECOND, "depth", 1, MID - 1, 11)]
    scenario = Scenario(entry_latency_ns=0, response_latency_ns=0, impact=impact, self_trade=mode)
    world = SimExchange(linear(), to_array(rows), scenario)
    told: list[tuple[str, ...]] = []
    for sent_ns, name, spec in [*orders, (200 * SECOND, "", {})]:
        while not world.advance(sent_ns, 0).reasons & (k.WAKE_UNTIL | k.WAKE_END):
            told += [said(one) for one in world.drain_reports()]
        told += [said(one) for one in world.drain_reports()]
        if name:
            submit = Submit(client_order_id=name, bot_id=name[0], spec=a_spec(**spec))
            world.submit([submit], sent_ns)
    return [one for one in told if one[1] != "Accept"]


def said(report: r.AnyVenueReport) -> tuple[str, ...]:
    assert isinstance(report, r.Report)
    if isinstance(report, r.FillReport):
        return report.client_order_id, f"{report.fill.lots} @ {report.fill.price_ticks - MID}"
    if isinstance(report, r.ExpireReport):
        return report.client_order_id, report.reason.partition(":")[0]
    return report.client_order_id, type(report).__name__.removesuffix("Report")


def market(side: Side, lots: int) -> dict[str, object]:
    return {"side": side, "qty_lots": lots, "type": OrderType.MARKET, "price_ticks": 0}


def test_a_hole_closes_by_half_in_every_half_life() -> None:
    """8 of 10 are taken at second 1. The market says 10 again at second 3: two half-lives later 2
    are still gone, so 8 stand there."""
    rows = [Row(3 * SECOND, 3 * SECOND, "depth", -1, MID + 1, 10)]
    orders = [
        (SECOND, "a", market(Side.BUY, 8)),
        (2 * SECOND, "b", market(Side.BUY, 1)),
        (4 * SECOND, "c", market(Side.BUY, 10)),
    ]
    assert fills(rows, orders)[-1] == ("c", "10 @ 1"), "without a half-life all is back"
    found = fills(rows, orders, Impact(half_life_ns=SECOND))
    # Of 9 taken in all: 8 / 4 + 1 / 2 = 2.5 gone at second 3, 2 or 3 rounded to 3.
    assert found == [("a", "8 @ 1"), ("b", "1 @ 1"), ("c", "7 @ 1"), ("c", "3 @ 2")]


def test_what_the_book_does_not_hold_costs_the_square_root() -> None:
    """20 lots stand there. Of 120 the last 100 fill at 0.5 x 2 % x sqrt(100 / 10,000) = 0.1 %
    beyond the worst level: 600,002 x 1.001 = 600,602.002, rounded up."""
    beyond = Impact(beyond=D("0.5"), volatility=D("0.02"), volume=D(10))
    buy = [(SECOND, "a", market(Side.BUY, 120))]
    assert fills([], buy, beyond) == [("a", "10 @ 1"), ("a", "10 @ 2"), ("a", "100 @ 603")]
    sell = [(SECOND, "a", market(Side.SELL, 120))]
    assert fills([], sell, beyond)[-1] == ("a", "100 @ -602")
    assert fills([], buy)[-1] == ("a", "nothing more within its limit")


def test_a_limit_holds_beyond_the_book_too() -> None:
    beyond = Impact(beyond=D("0.5"), volatility=D("0.02"), volume=D(10))
    for limit, last in ((603, "100 @ 603"), (602, "nothing more within its limit")):
        spec = {"qty_lots": 120, "price_ticks": MID + limit, "tif": TimeInForce.IOC}
        assert fills([], [(SECOND, "a", spec)], beyond)[-1] == ("a", last)


RESTING = [
    (SECOND, "a1", {"side": Side.SELL, "qty_lots": 5, "price_ticks": MID + 2}),
    (SECOND, "b1", {"side": Side.SELL, "qty_lots": 5, "price_ticks": MID + 3}),
]


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        (SelfTrade.NONE, [("c", "10 @ 1"), ("c", "8 @ 2")]),
        (SelfTrade.TAKER, [("c", "10 @ 1"), ("c", "self-trade prevention")]),
        (
            SelfTrade.MAKER,
            [("c", "10 @ 1"), ("a1", "self-trade prevention"), ("c", "8 @ 2")],
        ),
        (
            SelfTrade.BOTH,
            [
                ("c", "10 @ 1"),
                ("a1", "self-trade prevention"),
                ("c", "self-trade prevention"),
            ],
        ),
    ],
)
def test_a_buy_comes_to_a_sale_of_the_same_account(
    mode: SelfTrade, told: list[tuple[str, str]]
) -> None:
    """18 lots: 10 a tick above the mid, then a1 stands before the next level; b1 is never met."""
    orders = [*RESTING, (2 * SECOND, "c", market(Side.BUY, 18))]
    assert fills([], orders, mode=mode) == told


def test_a_quote_across_an_own_one_does_not_rest() -> None:
    inside = [
        (SECOND, "a", {"side": Side.SELL, "qty_lots": 5, "price_ticks": MID}),
        (2 * SECOND, "b", {"side": Side.BUY, "qty_lots": 5, "price_ticks": MID}),
    ]
    assert fills([], inside) == []
    assert fills([], inside, mode=SelfTrade.TAKER) == [("b", "self-trade prevention")]
    assert fills([], inside, mode=SelfTrade.MAKER) == [("a", "self-trade prevention")]
    inside[1][2]["tif"] = TimeInForce.POST_ONLY
    assert fills([], inside, mode=SelfTrade.MAKER) == [("b", "post-only")]
