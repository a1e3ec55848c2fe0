"""A bracket through its life, answer by answer."""

from __future__ import annotations

import pytest

from engine.domain import algo as a
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.order import OrderType, Purpose
from engine.ports.venue import VenueAbilities
from engine.trading.algos.guard import FAILURES_MAX
from tests.support.algos import (
    BUY,
    MID,
    SELL,
    a_bracket,
    a_desk,
    alarm,
    ended,
    held,
    leg,
    one,
    start,
    try_start,
)
from tests.support.desk import Desk


def entered(lots: int = 10, **changes: object) -> Desk:
    """A bracket whose entry has filled whole, both legs accepted."""
    desk = a_desk()
    a_bracket(desk, lots, **changes)
    entry = one(desk, "entry")
    desk.accept(entry)
    desk.fill(entry)
    for name in ("stop", "target"):
        for order in leg(desk, name):
            desk.accept(order)
    return desk


def test_nothing_but_the_entry_before_it_fills() -> None:
    desk = a_desk()
    a_bracket(desk)
    assert [(o.leg, o.spec.price_ticks, o.spec.qty_lots) for o in desk.live] == [
        ("entry", MID - 100, 10)
    ]


def test_legs_scale_with_partial_fills_and_are_protective() -> None:
    desk = a_desk()
    a_bracket(desk)
    entry = one(desk, "entry")
    desk.accept(entry)
    desk.fill(entry, 4)
    stop, target = one(desk, "stop"), one(desk, "target")
    assert (stop.spec.type, stop.spec.trigger_ticks, stop.spec.qty_lots) == (
        OrderType.STOP,
        MID - 1000,
        4,
    )
    assert (target.spec.price_ticks, target.spec.qty_lots) == (MID + 1000, 4)
    assert {o.spec.purpose for o in (stop, target)} == {Purpose.PROTECTIVE}
    assert stop.spec.reduce_only
    assert target.spec.reduce_only
    desk.fill(entry, 6)
    assert sum(o.leaves_lots for o in leg(desk, "stop")) == 10
    assert sum(o.leaves_lots for o in leg(desk, "target")) == 10


def test_target_fills_and_the_stop_goes() -> None:
    desk = entered()
    stop = one(desk, "stop")
    desk.fill(one(desk, "target"))
    assert held(desk) == 0
    assert stop.client_order_id in desk.cancels()
    desk.canceled(stop)
    assert ended(desk) == "done: target filled"


def test_stop_fills_and_the_target_goes() -> None:
    desk = entered()
    stop, target = one(desk, "stop"), one(desk, "target")
    desk.triggered(stop)
    assert target.client_order_id in desk.cancels()
    desk.fill(stop, ticks=MID - 1001)
    desk.canceled(target)
    assert held(desk) == 0
    assert ended(desk) == "done: stopped out"


def test_a_stop_that_fills_in_part_is_finished_at_the_market() -> None:
    desk = entered()
    stop = one(desk, "stop")
    desk.triggered(stop)
    desk.fill(stop, 3, MID - 1001)
    desk.expired(stop, "nothing more within its limit")
    close = one(desk, "close")
    assert (close.spec.type, close.spec.qty_lots, close.spec.reduce_only) == (
        OrderType.MARKET,
        7,
        True,
    )
    desk.fill(close, ticks=MID - 1002)
    desk.canceled(desk.live[0])
    assert held(desk) == 0
    assert ended(desk) == "done: stopped out by the engine"


def test_the_first_exit_fill_ends_the_entry() -> None:
    desk = a_desk()
    a_bracket(desk)
    entry = one(desk, "entry")
    desk.accept(entry)
    desk.fill(entry, 4)
    desk.accept(one(desk, "target"))
    desk.fill(one(desk, "target"), 2)
    assert entry.client_order_id in desk.cancels()


def test_closed_elsewhere_cancels_both_legs() -> None:
    desk = entered()
    legs = [*leg(desk, "stop"), *leg(desk, "target")]
    desk.place(SELL, 10, MID - 5, reduce_only=True, purpose=Purpose.EXIT)
    desk.fill(desk.live[-1])
    assert {o.client_order_id for o in legs} <= set(desk.cancels())
    for order in legs:
        desk.canceled(order)
    assert ended(desk) == "done: the position was closed elsewhere"


def test_a_refused_stop_is_tried_again_then_alarms_then_closes() -> None:
    desk = a_desk()
    a_bracket(desk)
    entry = one(desk, "entry")
    desk.accept(entry)
    desk.fill(entry)
    desk.rejected(one(desk, "stop"))
    assert not alarm(desk)
    desk.rejected(one(desk, "stop"))
    assert "no stop: would trigger at once" in alarm(desk)
    assert "guard" in desk.place(BUY, 1, MID - 10)
    for _ in range(FAILURES_MAX - 2):
        desk.pass_ms(1000)
        desk.rejected(one(desk, "stop"))
    close = one(desk, "close")
    assert close.spec.qty_lots == 10
    desk.fill(close, ticks=MID - 3)
    assert held(desk) == 0
    assert not alarm(desk)


def test_the_alarm_goes_when_the_stop_is_back() -> None:
    desk = a_desk()
    a_bracket(desk)
    desk.fill(one(desk, "entry"))
    desk.rejected(one(desk, "stop"))
    desk.rejected(one(desk, "stop"))
    desk.pass_ms(1000)
    desk.accept(one(desk, "stop"))
    assert not alarm(desk)


def test_a_cancel_keeps_the_legs_of_a_held_position() -> None:
    desk = a_desk()
    a_bracket(desk)
    entry = one(desk, "entry")
    desk.accept(entry)
    desk.fill(entry, 4)
    assert not desk.do(c.CancelAlgo, algo_id="a1")
    desk.canceled(entry)
    assert leg(desk, "stop")
    assert leg(desk, "target")
    assert "protective legs" in desk.do(c.CancelAlgo, algo_id="a1")
    assert not desk.do(c.CancelAlgo, algo_id="a1", with_protective=True)
    for order in desk.live:
        desk.canceled(order)
    assert ended(desk) == "canceled: cancelled by human"
    assert held(desk) == 4


def test_a_late_fill_of_an_ended_bracket_is_guarded() -> None:
    desk = a_desk()
    a_bracket(desk)
    entry = one(desk, "entry")
    desk.accept(entry)
    desk.do(c.CancelAlgo, algo_id="a1")
    desk.canceled(entry)
    assert ended(desk).startswith("canceled: did not enter")
    desk.fill(entry, 5)
    assert desk.seen(e.AlgoReopened)
    assert one(desk, "stop").spec.qty_lots == 5


def test_kill_cancels_everything_and_flatten_closes() -> None:
    for command, fields in ((c.Kill, {}), (c.Flatten, {})):
        desk = entered()
        desk.do(command, **fields)
        assert {o.leg for o in desk.live if o.pending != "cancelling"} <= {""}
        for order in [o for o in desk.live if o.leg]:
            desk.canceled(order)
        assert desk.trader.state.algos == {}


def test_a_moved_stop_is_placed_before_the_old_one_goes() -> None:
    desk = entered()
    old = one(desk, "stop")
    assert not desk.do(c.MoveOrder, client_order_id=old.client_order_id, price_ticks=MID - 500)
    new = next(o for o in leg(desk, "stop") if o.spec.trigger_ticks == MID - 500)
    assert old.client_order_id not in desk.cancels()
    desk.accept(new)
    assert old.client_order_id in desk.cancels()


def test_a_stop_moved_beyond_the_market_is_refused() -> None:
    desk = entered()
    old = one(desk, "stop")
    words = desk.do(c.MoveOrder, client_order_id=old.client_order_id, price_ticks=MID + 5)
    assert words == "stop: must be below the market at 59999.9, is 60000.5"


def test_the_stop_trails_and_never_goes_back() -> None:
    desk = entered(trail_ticks=500, target_ticks=0)
    desk.accept(one(desk, "stop"))
    first = one(desk, "stop")
    assert first.spec.trigger_ticks == MID - 500
    desk.trade(MID + 300)
    desk.accept(next(o for o in leg(desk, "stop") if o.spec.trigger_ticks == MID - 200))
    desk.canceled(first)
    desk.trade(MID - 100)
    assert one(desk, "stop").spec.trigger_ticks == MID - 200


def test_time_is_up_for_the_entry() -> None:
    desk = a_desk()
    a_bracket(desk, until_ns=desk.now_ns + 5_000_000_000)
    entry = one(desk, "entry")
    desk.accept(entry)
    desk.pass_ms(4999)
    assert entry.client_order_id not in desk.cancels()
    desk.pass_ms(1)
    assert entry.client_order_id in desk.cancels()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"stop_ticks": MID}, "stop: must be below the entry at 59990.0, is 60000.0"),
        ({"stop_ticks": MID - 1000, "target_ticks": MID - 200}, "target: must be above the entry"),
        ({"stop_ticks": 0}, "stop: must be below"),
        ({"stop_ticks": MID - 1000, "trail_ticks": 5, "trail_bp": 5}, "trail: must be one of"),
        ({"stop_ticks": MID - 1000, "until_ns": 1}, "until: must be in the future"),
    ],
)
def test_nonsense_is_refused_by_name(fields: dict[str, int], words: str) -> None:
    desk = a_desk()
    assert words in try_start(desk, a.Bracket, BUY, 10, **{"price_ticks": MID - 100, **fields})
    assert desk.trader.state.algos == {}


def test_without_stops_at_the_venue_the_engine_watches() -> None:
    desk = a_desk(abilities=VenueAbilities(has_stop=False))
    a_bracket(desk)
    desk.fill(one(desk, "entry"))
    assert leg(desk, "stop") == []
    desk.trade(MID - 999)
    assert leg(desk, "close") == []
    desk.trade(MID - 1000)
    assert one(desk, "close").spec.qty_lots == 10


def test_without_reduce_only_the_target_waits_until_the_stop_is_gone() -> None:
    desk = a_desk(abilities=VenueAbilities(has_reduce_only=False))
    a_bracket(desk)
    desk.fill(one(desk, "entry"))
    stop = one(desk, "stop")
    desk.accept(stop)
    assert leg(desk, "target") == []
    desk.trade(MID + 1000)
    assert stop.client_order_id in desk.cancels()
    assert leg(desk, "target") == []
    desk.canceled(stop)
    target = one(desk, "target")
    desk.expired(target)
    assert one(desk, "stop").spec.qty_lots == 10
    assert leg(desk, "target") == []


def test_a_short_bracket_mirrors_a_long_one() -> None:
    desk = a_desk()
    start(desk, a.Bracket, SELL, 5, stop_ticks=MID + 300, target_ticks=MID - 300)
    entry = one(desk, "entry")
    assert entry.spec.type is OrderType.MARKET
    desk.fill(entry, ticks=MID)
    assert (one(desk, "stop").spec.side, one(desk, "stop").spec.trigger_ticks) == (BUY, MID + 300)
    assert one(desk, "target").spec.price_ticks == MID - 300
