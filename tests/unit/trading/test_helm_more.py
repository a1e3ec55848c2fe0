"""Kill levels, parameters edited while a bot runs, reversing, alerts, doubts about a price."""

from __future__ import annotations

import json

import pytest

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.order import OrderType, Pending, Purpose, Side
from tests.support.desk import Desk
from tests.support.worlds import assert_same_state
from tests.unit.trading.test_helm import a_grid

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def desk() -> Desk:
    desk = Desk(bots=[a_grid()])
    desk.book(600_000, 600_002)
    desk.pass_ms(100)
    for order in desk.live:
        desk.accept(order)
    return desk


def hold(desk: Desk, lots: int = 10) -> None:
    desk.place(BUY, lots, 600_002)
    desk.fill(desk.live[-1])


def guard(desk: Desk, lots: int = 10) -> None:
    desk.place(
        SELL,
        lots,
        type=OrderType.STOP,
        trigger_ticks=599_000,
        reduce_only=True,
        purpose=Purpose.PROTECTIVE,
    )
    desk.accept(desk.live[-1])


# -- kill levels -----------------------------------------------------------------------------


@pytest.mark.parametrize("level", list(KillLevel)[1:])
def test_each_level_refuses_risk_and_takes_what_reduces(desk: Desk, level: KillLevel) -> None:
    hold(desk)
    assert desk.do(c.Kill, level=level, by="anna") == ""
    assert desk.place(BUY, 1, 600_000).startswith(f"kill: limit {level.name.lower()}")
    assert desk.place(SELL, 1, 600_000, reduce_only=True) == ""
    state = desk.restarted().state
    assert (state.kill, state.kill_by, state.kill_since_ns) == (level, "anna", desk.now_ns)


@pytest.mark.parametrize(
    ("level", "entry_stays", "guard_stays"),
    [
        (KillLevel.NO_ENTRIES, True, True),
        (KillLevel.REDUCE_ONLY, False, True),
        (KillLevel.CANCEL_ALL, False, False),
        (KillLevel.FLATTEN, False, False),
    ],
)
def test_what_rests_at_each_level(
    desk: Desk, level: KillLevel, entry_stays: bool, guard_stays: bool
) -> None:
    hold(desk)
    guard(desk)
    stop = desk.live[-1].client_order_id
    desk.place(BUY, 1, 599_000)
    entry = desk.live[-1].client_order_id
    desk.do(c.Kill, level=level)
    orders = desk.trader.state.orders
    assert (orders[entry].pending is not Pending.CANCELLING) is entry_stays
    assert (orders[stop].pending is not Pending.CANCELLING) is guard_stays


def test_a_level_is_raised_by_a_lower_one_never_lowered(desk: Desk) -> None:
    desk.do(c.Kill, level=KillLevel.CANCEL_ALL)
    desk.do(c.Kill, level=KillLevel.NO_ENTRIES)
    assert desk.trader.state.kill is KillLevel.CANCEL_ALL
    desk.do(c.ResetKill)
    state = desk.trader.state
    assert (state.kill, state.kill_by, state.kill_since_ns) == (KillLevel.NONE, "", 0)


def test_a_stop_on_its_way_to_another_price_does_not_arrive_after_a_cancel_all(desk: Desk) -> None:
    """Found by thinking: the second half of a move is reduce-only and passed the kill switch."""
    hold(desk)
    guard(desk)
    stop = desk.live[-1]
    desk.do(c.MoveOrder, client_order_id=stop.client_order_id, price_ticks=599_500)
    desk.do(c.Kill, level=KillLevel.CANCEL_ALL)
    desk.canceled(stop)
    assert not [order for order in desk.live if order.spec.purpose is Purpose.PROTECTIVE]


def test_the_last_level_closes_a_late_fill_too(desk: Desk) -> None:
    late = next(order for order in desk.live if order.spec.side is BUY)
    desk.do(c.Kill, level=KillLevel.FLATTEN)
    for order in desk.live:
        desk.canceled(order)
    desk.pass_ms(500)
    assert not desk.trader.state.flattening
    desk.fill(late, 1)  # The venue had traded it before the cancel came.
    desk.pass_ms(500)
    assert [order.spec.purpose for order in desk.live] == [Purpose.FLATTEN]


# -- parameters ------------------------------------------------------------------------------


def edit(desk: Desk, **params: str) -> str:
    return desk.do(c.EditParams, bot_id="maker", params_json=json.dumps(params), by="anna")


def test_a_live_parameter_changes_while_the_bot_steers(desk: Desk) -> None:
    assert edit(desk, levels="1") == ""
    desk.pass_ms(200)
    staying = [order for order in desk.live if order.pending is not Pending.CANCELLING]
    assert len(staying) == 2
    event = desk.seen(e.ParamsEdited)[-1]
    assert isinstance(event, e.ParamsEdited)
    assert (event.changed, event.by) == ("levels 2 -> 1", "anna")


def test_the_others_need_a_bot_that_does_not_steer(desk: Desk) -> None:
    assert edit(desk, every_ms="50") == "every_ms: pause maker first, it steers"
    desk.do(c.PauseBot, bot_id="maker")
    assert edit(desk, every_ms="50") == ""
    assert desk.trader.runners["maker"].wake.every_ms == 50


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"levels": "0"}, "levels"),
        ({"levels": "two"}, "two"),
        ({"levles": "2"}, "did you mean levels?"),
        ({"levels": "2"}, "nothing to change"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(
    desk: Desk, params: dict[str, str], words: str
) -> None:
    before = desk.trader.state.bots["maker"].params_json
    why = edit(desk, **params)
    assert words in why
    assert "\n" not in why
    assert desk.trader.state.bots["maker"].params_json == before


def test_an_edited_bot_acts_the_same_after_a_restart(desk: Desk) -> None:
    edit(desk, levels="3", interval_ticks="20")
    again = desk.restarted()
    assert_same_state(desk.trader.state, again.state)
    assert again.next_timer_ns == desk.trader.next_timer_ns
    assert again.runners["maker"].wake == desk.trader.runners["maker"].wake


# -- reverse ---------------------------------------------------------------------------------


def reverse(desk: Desk, lots: int) -> str:
    fields = {"instrument_id": desk.id, "lots": lots, "cap_ticks": 597_000}
    return desk.do(c.Reverse, bot_id="manual", **fields)


def test_reversing_is_one_order_and_takes_the_old_guards_away(desk: Desk) -> None:
    hold(desk)
    guard(desk)
    stop = desk.live[-1].client_order_id
    assert reverse(desk, 10) == ""
    sent = desk.live[-1].spec
    assert (sent.side, sent.qty_lots, sent.price_ticks) == (SELL, 20, 597_000)
    assert desk.trader.state.orders[stop].pending is Pending.NONE
    desk.fill(desk.live[-1], ticks=600_000)
    assert desk.trader.state.position("manual", desk.id).lots == -10
    assert desk.trader.state.orders[stop].pending is Pending.CANCELLING


def test_a_reverse_that_fills_in_part_leaves_the_rest_guarded(desk: Desk) -> None:
    """It had lost its stop with the first word from the gate."""
    hold(desk)
    guard(desk)
    stop = desk.live[-1].client_order_id
    desk.place(BUY, 1, 599_000)
    entry = desk.live[-1].client_order_id
    assert reverse(desk, 10) == ""
    turning = desk.live[-1]
    assert desk.trader.state.orders[entry].pending is Pending.CANCELLING
    desk.fill(turning, lots=4, ticks=600_000)
    desk.fill(turning, lots=5, ticks=600_000)
    desk.expired(turning)
    assert desk.trader.state.position("manual", desk.id).lots == 1
    assert desk.trader.state.orders[stop].pending is Pending.NONE
    assert_same_state(desk.trader.state, desk.restarted().state)


@pytest.mark.parametrize("parts", [(20,), (10, 10), (9, 1, 1), (1, 12)])
def test_the_guards_go_with_the_fill_that_leaves_nothing_of_the_old_side(
    desk: Desk, parts: tuple[int, ...]
) -> None:
    hold(desk)
    guard(desk)
    stop = desk.live[-1].client_order_id
    assert reverse(desk, 10) == ""
    turning, left = desk.live[-1], 10
    for lots in parts:
        desk.fill(turning, lots=lots, ticks=600_000)
        left -= lots
        assert (desk.trader.state.orders[stop].pending is Pending.CANCELLING) is (left <= 0)
    assert desk.cancels().count(stop) == 1


def test_a_reverse_is_an_entry_to_the_kill_switch(desk: Desk) -> None:
    hold(desk)
    assert reverse(desk, 10) == ""
    turning = desk.live[-1].client_order_id
    desk.do(c.Kill, level=KillLevel.REDUCE_ONLY)
    assert desk.trader.state.orders[turning].pending is Pending.CANCELLING


# -- liquidation -----------------------------------------------------------------------------


def test_a_liquidated_bot_waits_for_a_person(desk: Desk) -> None:
    """It went on trading as if nothing had been."""
    bid = next(one for one in desk.live if one.spec.side is BUY)
    desk.fill(bid)
    assert desk.trader.state.bots[bid.bot_id].helm is Helm.AUTO
    desk.liquidates(bid.bot_id, bid.spec.qty_lots, 590_000)
    bot = desk.trader.state.bots[bid.bot_id]
    assert (bot.helm, bot.helm_by, bot.helm_reason) == (
        Helm.PAUSED,
        "risk",
        "liquidated by the venue",
    )
    assert {one.pending for one in desk.live} == {Pending.CANCELLING}
    intents = desk.trader.state.intents
    desk.book(590_000, 590_002)
    desk.pass_ms(5_000)
    assert desk.trader.state.intents == intents
    assert_same_state(desk.trader.state, desk.restarted().state)
    assert desk.do(c.ResumeBot, bot_id=bid.bot_id) == ""


def test_a_refused_reverse_leaves_the_guards_alone(desk: Desk) -> None:
    hold(desk)
    guard(desk)
    stop = desk.live[-1].client_order_id
    desk.do(c.Kill, level=KillLevel.NO_ENTRIES)
    assert reverse(desk, 10).startswith("kill")
    assert reverse(desk, 9) == "the position is 10 lots now, not 9: look again"
    assert desk.trader.state.orders[stop].pending is not Pending.CANCELLING


# -- alerts and doubts -----------------------------------------------------------------------


def test_alerts_are_acknowledged_once_and_for_good(desk: Desk) -> None:
    assert desk.do(c.AckAlerts, until_ns=desk.now_ns) == ""
    assert desk.do(c.AckAlerts, until_ns=desk.now_ns) == "nothing new to acknowledge"
    assert desk.restarted().state.alerts_until_ns == desk.now_ns


def test_a_price_that_was_not_believed_is_not_believed_after_a_restart(desk: Desk) -> None:
    """A jump was forgotten: the restarted engine took the mad price for the last good one."""
    hold(desk)
    good = desk.trader.portfolio.equity()
    desk.book(1_000_000, 1_000_002)
    assert desk.place(BUY, 1, 1_000_000).startswith("jump_distrust")
    again = desk.restarted()
    assert again.portfolio.equity() == good
    assert desk.id in again.price_guard.distrusted
    assert_same_state(desk.trader.state, again.state)
    desk.book(600_000, 600_002)
    assert desk.place(BUY, 1, 600_000) == ""
    assert not desk.trader.state.doubts
