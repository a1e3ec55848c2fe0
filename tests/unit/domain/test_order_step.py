"""The order table, row by row where a row is odd, and by random walks where it must hold always."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain import events as e
from engine.domain.order import Order, OrderStatus, Pending
from engine.domain.order_step import TABLE, order_step
from tests.support.builders import a_fill, an_order

ID = "qaa000000000000001"


def accepted() -> e.OrderAccepted:
    return e.OrderAccepted(ts_ns=2, client_order_id=ID, venue_order_id="v1")


def filled(trade_id: str = "t1", lots: int = 10) -> e.OrderFilled:
    return e.OrderFilled(
        ts_ns=3, client_order_id=ID, fill=a_fill(trade_id, lots), value_units=lots * 600_000
    )


def canceled() -> e.OrderCanceled:
    return e.OrderCanceled(ts_ns=4, client_order_id=ID)


def cancel_intended() -> e.CancelIntended:
    return e.CancelIntended(ts_ns=4, client_order_id=ID, by="bot")


def walk(order: Order, *happened: e.AnyOrderEvent) -> Order:
    for event in happened:
        order = order_step(order, event).order
    return order


def test_the_table_has_a_row_for_every_pair() -> None:
    for event, rows in TABLE.items():
        assert set(rows) == set(OrderStatus), event.__name__


def test_every_odd_row_says_why() -> None:
    """A row that keeps the status or flags the order is odd and must be explained."""
    plain_rows = {e.CancelRejected, e.CancelIntended, e.PlacementUnknown, e.OrderTriggered}
    for event, rows in TABLE.items():
        for status, row in rows.items():
            if row.suspect or (row.to is None and event not in plain_rows):
                assert row.note, (event.__name__, status)


def test_an_ordinary_life() -> None:
    order = walk(an_order(), accepted(), filled("t1", 4), filled("t2", 6))
    assert (order.status, order.pending, order.leaves_lots) == (
        OrderStatus.FILLED,
        Pending.NONE,
        0,
    )
    assert order.filled_value_units == 10 * 600_000


def test_the_same_fill_twice_counts_once() -> None:
    order = walk(an_order(), accepted(), filled("t1", 4))
    step = order_step(order, filled("t1", 4))
    assert step.is_repeat
    assert step.order == order


def test_a_fill_before_the_acknowledgement_proves_the_order_live() -> None:
    order = walk(an_order(), filled("t1", 4))
    assert (order.status, order.pending) == (OrderStatus.PARTIAL, Pending.NONE)
    assert walk(order, accepted()).status is OrderStatus.PARTIAL


def test_a_late_partial_fill_leaves_a_cancelled_order_cancelled() -> None:
    order = walk(an_order(), accepted(), cancel_intended(), canceled(), filled("t9", 4))
    assert (order.status, order.filled_lots, order.suspect) == (OrderStatus.CANCELED, 4, "")


def test_an_overfill_is_counted_and_flagged() -> None:
    step = order_step(walk(an_order(), accepted(), filled("t1", 10)), filled("t2", 1))
    assert step.order.filled_lots == 11
    assert step.anomaly == step.order.suspect == "filled beyond its quantity"


def test_a_lost_placement_is_unknown_until_the_venue_says() -> None:
    lost = e.PlacementUnknown(ts_ns=3, client_order_id=ID, reason="timed out")
    order = walk(an_order(), lost)
    assert (order.status, order.pending) == (OrderStatus.INTENT, Pending.UNKNOWN)
    assert order.is_live
    assert walk(order, accepted()).pending is Pending.NONE
    absent = walk(order, e.OrderProvenAbsent(ts_ns=9, client_order_id=ID))
    assert (absent.status, absent.is_live) == (OrderStatus.ABSENT, False)


def test_a_ghost_comes_back_live_and_suspect() -> None:
    absent = an_order(status=OrderStatus.ABSENT, pending=Pending.NONE)
    step = order_step(absent, accepted())
    assert step.order.status is OrderStatus.OPEN
    assert "ghost" in step.anomaly


def test_a_refused_cancel_touches_only_pending() -> None:
    refused = e.CancelRejected(ts_ns=5, client_order_id=ID, reason="unknown order")
    order = walk(an_order(), accepted(), cancel_intended())
    assert order.pending is Pending.CANCELLING
    assert walk(order, refused).pending is Pending.NONE
    chased = walk(an_order(), cancel_intended(), refused)
    assert (chased.status, chased.pending) == (OrderStatus.INTENT, Pending.PLACING)


def test_a_cancel_does_not_answer_whether_a_lost_placement_lives() -> None:
    lost = e.PlacementUnknown(ts_ns=3, client_order_id=ID, reason="timed out")
    assert walk(an_order(), lost, cancel_intended()).pending is Pending.UNKNOWN


def test_an_event_of_another_order_is_a_programming_error() -> None:
    with pytest.raises(AssertionError):
        order_step(an_order(client_order_id="qaa000000000000002"), accepted())


order_events = st.one_of(
    st.builds(accepted),
    st.builds(filled, st.sampled_from(["t1", "t2", "t3", "t4"]), st.integers(1, 6)),
    st.builds(canceled),
    st.builds(cancel_intended),
    st.just(e.OrderRejected(ts_ns=3, client_order_id=ID, reason="no")),
    st.just(e.CancelRejected(ts_ns=3, client_order_id=ID, reason="no")),
    st.just(e.OrderExpired(ts_ns=3, client_order_id=ID, reason="ioc")),
    st.just(e.OrderTriggered(ts_ns=3, client_order_id=ID)),
    st.just(e.PlacementUnknown(ts_ns=3, client_order_id=ID, reason="lost")),
    st.just(e.OrderProvenAbsent(ts_ns=3, client_order_id=ID)),
)


@given(st.lists(order_events, max_size=30))
def test_whatever_happens_fills_are_counted_once_and_never_lost(
    happened: list[e.AnyOrderEvent],
) -> None:
    order = an_order()
    seen: dict[str, int] = {}
    for event in happened:
        before = order
        step = order_step(order, event)
        order = step.order
        if isinstance(event, e.OrderFilled):
            seen.setdefault(event.fill.trade_id, event.fill.lots)
        assert order.filled_lots == sum(seen.values())
        assert order.trade_ids == frozenset(seen)
        assert order.filled_value_units == sum(seen.values()) * 600_000
        assert order.filled_lots >= before.filled_lots
        if order.status.is_final:
            assert order.pending is Pending.NONE
        if order.status is OrderStatus.FILLED:
            assert order.filled_lots >= order.spec.qty_lots
        if before.status is OrderStatus.FILLED:
            assert order.status is OrderStatus.FILLED, "a filled order never lives again"
        if step.anomaly:
            assert order.suspect


@given(st.permutations([filled("t1", 3), filled("t2", 3), filled("t3", 4), accepted()]))
def test_the_order_of_arrival_does_not_change_the_outcome(
    happened: list[e.AnyOrderEvent],
) -> None:
    order = walk(an_order(), *happened, *happened)
    assert (order.status, order.filled_lots) == (OrderStatus.FILLED, 10)
