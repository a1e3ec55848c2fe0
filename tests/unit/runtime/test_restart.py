"""What a restart must know although no process remembers it: the state carries it, as a fold.

Each story lets a desk live, gives its events to a second one and compares what both do next.
"""

from __future__ import annotations

import pytest

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.order import Purpose, Side
from engine.trading.risk.limits import RiskLimits
from tests.support.builders import a_spec
from tests.support.desk import Desk
from tests.support.worlds import assert_same_state, rebuilt


def restarted(desk: Desk, limits: RiskLimits | None = None) -> Desk:
    """A new process at the same market and instant, with nothing but the events."""
    again = Desk(limits=limits)
    again.trader.state.__init__()  # type: ignore[misc]
    again.trader.restore(desk.events)
    again.events = list(desk.events)
    again.now_ns = desk.now_ns
    again.report_seq = desk.report_seq
    again.commands = desk.commands
    again.book(600_000, 600_001)
    again.trader.resume()
    return again


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.book(600_000, 600_001)
    return desk


def closing_orders(desk: Desk) -> int:
    return sum(item.spec.purpose is Purpose.FLATTEN for item in desk.submits())


def test_closing_is_tried_again_when_it_would_have_been(desk: Desk) -> None:
    """Found by thinking: the time of the last try was forgotten, and a restart tried at once."""
    desk.place(Side.BUY, 10, 600_001)
    desk.fill(desk.live[0])
    desk.do(c.Flatten)
    again = restarted(desk)
    for one in (desk, again):
        one.requests.clear()
        one.pass_ms(30)
        one.expired(one.live[0])
        assert closing_orders(one) == 0, "not within 100 ms of the last try"
        one.pass_ms(250)
        assert closing_orders(one) == 1
    assert_same_state(desk.trader.state, again.trader.state)


def test_a_refusal_is_journalled_again_when_it_would_have_been(desk: Desk) -> None:
    """Found by a kill: each restart journalled the same refusal anew."""

    def is_refused(one: Desk) -> int:
        before = len(one.seen(e.OrderDenied))
        one.trader.orders.place(a_spec(qty_lots=9999), "bot-1", "bot", one.now_ns)
        one.collect()
        return len(one.seen(e.OrderDenied)) - before

    assert is_refused(desk) == 1
    desk.pass_ms(999)
    again = restarted(desk)
    again.now_ns = desk.now_ns
    for one in (desk, again):
        assert is_refused(one) == 0
        one.pass_ms(1)
        assert is_refused(one) == 1


def test_orders_of_the_last_second_count_after_a_restart() -> None:
    limits = RiskLimits(orders_per_s_max=2)
    desk = Desk(limits=limits)
    desk.book(600_000, 600_001)
    desk.place(Side.BUY, 1, 599_000)
    desk.pass_ms(600)
    desk.place(Side.BUY, 1, 599_001)
    again = restarted(desk, limits)
    again.now_ns = desk.now_ns
    for one in (desk, again):
        assert one.place(Side.BUY, 1, 599_002) == "orders_per_s_max: limit 2, order 3"
        one.pass_ms(400)
        assert one.place(Side.BUY, 1, 599_002) == ""


def test_looking_at_the_state_does_not_change_it(desk: Desk) -> None:
    """Found by a comparison: counting the orders of the last second dropped the older ones, and a
    state folded from the journal kept every one there had ever been."""
    for _ in range(5):
        desk.place(Side.BUY, 1, 599_000)
        desk.pass_ms(700)
        assert desk.trader.state.intents_in_window(desk.now_ns) == 1
        desk.pass_ms(500)
        assert desk.trader.state.intents_in_window(desk.now_ns) == 0

    assert_same_state(desk.trader.state, rebuilt(desk.events))
    assert len(desk.trader.state.recent_intents) == 1
