"""Where the venue and we differ: opened by itself, reduce-only until decided, decided by name."""

from __future__ import annotations

import pytest

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.incident import Choice, IncidentKind
from engine.domain.order import OrderStatus, Side
from engine.trading.incidents import UNKNOWN_QUIET_NS
from tests.support.builders import an_order
from tests.support.desk import MS, Desk
from tests.support.worlds import assert_same_state

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def desk() -> Desk:
    """Long 10 lots by hand."""
    desk = Desk()
    desk.book(600_000, 600_001)
    desk.place(BUY, 10, 600_001)
    desk.fill(desk.live[0])
    return desk


def lose_the_answer(desk: Desk) -> str:
    """A placement whose answer never came."""
    desk.place(BUY, 5, 599_000)
    order = desk.live[-1]
    desk.trader._record(
        e.PlacementUnknown(
            ts_ns=desk.now_ns, client_order_id=order.client_order_id, reason="time-out"
        )
    )
    desk.collect()
    return order.client_order_id


def kinds(desk: Desk) -> list[IncidentKind]:
    return [one.kind for one in desk.trader.state.incidents.values()]


def test_a_contradiction_makes_the_instrument_reduce_only_until_decided(desk: Desk) -> None:
    order = next(iter(desk.trader.state.final_orders.values()))
    desk.fill(order, 3)  # More than was ordered.
    assert kinds(desk) == [IncidentKind.CONTRADICTION]
    assert desk.place(BUY, 1, 600_000).startswith("incident: limit i1 decided")
    assert desk.place(SELL, 2, 600_000, reduce_only=True) == ""
    assert "takes adopt or flatten" in desk.do(c.IgnoreIncident, incident_id="i1")
    assert desk.do(c.AdoptIncident, incident_id="i1", by="anna") == ""
    resolved = desk.seen(e.IncidentResolved)[-1]
    assert isinstance(resolved, e.IncidentResolved)
    assert (resolved.choice, resolved.by) == (Choice.ADOPT, "anna")
    assert desk.place(BUY, 1, 600_000) == ""
    assert desk.do(c.AdoptIncident, incident_id="i1") == "no open incident i1"


def test_a_foreign_order_stops_entries_everywhere_it_may_belong(desk: Desk) -> None:
    desk.accept(an_order(client_order_id="xsomebodyelse00001"))
    assert kinds(desk) == [IncidentKind.FOREIGN]
    assert desk.place(BUY, 1, 600_000).startswith("incident")
    assert desk.do(c.IgnoreIncident, incident_id="i1") == ""
    assert desk.place(BUY, 1, 600_000) == ""


def test_a_lost_answer_is_told_after_its_quiet_period_and_not_before(desk: Desk) -> None:
    order_id = lose_the_answer(desk)
    desk.pass_ms(UNKNOWN_QUIET_NS // MS - 1000)
    assert not kinds(desk)
    desk.pass_ms(1250)
    assert kinds(desk) == [IncidentKind.UNKNOWN]
    assert desk.do(c.AdoptIncident, incident_id="i1") == ""
    found = desk.trader.state.find_order(order_id)
    assert found is not None
    assert found.status is OrderStatus.ABSENT


def test_a_late_answer_settles_it_without_anybody(desk: Desk) -> None:
    order_id = lose_the_answer(desk)
    desk.pass_ms(UNKNOWN_QUIET_NS // MS + 250)
    desk.accept(desk.trader.state.orders[order_id])
    desk.pass_ms(250)
    assert not kinds(desk)
    resolved = desk.seen(e.IncidentResolved)[-1]
    assert isinstance(resolved, e.IncidentResolved)
    assert (resolved.choice, resolved.by) == (Choice.ANSWERED, "venue")


def test_an_ignored_difference_is_not_told_again_and_a_new_one_is(desk: Desk) -> None:
    desk.holds("manual", 12)
    assert kinds(desk) == [IncidentKind.POSITION]
    desk.do(c.IgnoreIncident, incident_id="i1")
    desk.holds("manual", 12)
    assert not kinds(desk)
    desk.holds("manual", 13)
    assert kinds(desk) == [IncidentKind.POSITION]
    desk.holds("manual", 10)
    assert not kinds(desk)


def test_adopting_a_position_is_an_event_with_a_name_and_no_fill(desk: Desk) -> None:
    before = desk.trader.portfolio.equity()
    fills = len(desk.seen(e.OrderFilled))
    desk.holds("manual", 14)
    assert desk.do(c.AdoptIncident, incident_id="i1", by="anna") == ""
    state = desk.trader.state
    assert state.position("manual", desk.id).lots == 14
    assert state.net_lots[desk.id] == 14
    assert len(desk.seen(e.OrderFilled)) == fills
    adopted = desk.seen(e.PositionAdopted)[-1]
    assert isinstance(adopted, e.PositionAdopted)
    assert (adopted.lots, adopted.by) == (4, "anna")
    half_a_tick = desk.instrument.notional(4, 1)
    assert abs(desk.trader.portfolio.equity() - before) <= half_a_tick


def test_a_difference_that_grows_is_told_anew(desk: Desk) -> None:
    desk.holds("manual", 13)
    desk.holds("manual", 13)
    desk.holds("manual", 16)
    (incident,) = desk.trader.state.incidents.values()
    assert (incident.missing_lots, incident.venues) == (6, "position 0.016")
    assert len(desk.seen(e.IncidentOpened)) == 2
    assert desk.do(c.AdoptIncident, incident_id=incident.incident_id) == ""
    assert desk.trader.state.position("manual", desk.id).lots == 16


def test_flattening_adopts_and_then_closes_what_the_venue_holds(desk: Desk) -> None:
    desk.holds("manual", 14)
    assert desk.do(c.FlattenIncident, incident_id="i1") == ""
    closing = desk.live[-1]
    assert (closing.spec.side, closing.spec.qty_lots) == (SELL, 14)
    assert closing.spec.reduce_only


def test_incidents_survive_a_restart(desk: Desk) -> None:
    lose_the_answer(desk)
    desk.holds("manual", 14)
    again = desk.restarted()
    assert_same_state(desk.trader.state, again.state)
    assert again.state.incident_in(desk.id) is not None
