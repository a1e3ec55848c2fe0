"""Who steers: pause, take, give, stop, flatten, kill, and loss limits that do it by themselves."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.order import OrderStatus, OrderType, Purpose, Side, TimeInForce
from engine.runtime.trader import BotSpec
from engine.strategy.catalogue import STRATEGIES, params_to_json, parse_params
from engine.trading.risk.limits import RiskLimits
from tests.support.desk import Desk

BUY, SELL = Side.BUY, Side.SELL
GRID = {"levels": "2", "qty": "0.01", "interval_ticks": "10", "half_spread_ticks": "5"}


def a_grid(bot_id: str = "maker", **params: str) -> BotSpec:
    kind = STRATEGIES["grid"]
    return BotSpec(
        bot_id=bot_id,
        strategy="grid",
        instrument_id="test.BTCUSDT",
        params_json=params_to_json(parse_params(kind, {**GRID, **params})),
    )


@pytest.fixture
def desk() -> Desk:
    """A grid of two levels a side, quoting and acknowledged."""
    desk = Desk(bots=[a_grid()])
    desk.book(600_000, 600_002)
    desk.pass_ms(100)
    for order in desk.live:
        desk.accept(order)
    return desk


def helm(desk: Desk, bot_id: str = "maker") -> Helm:
    return desk.trader.state.bots[bot_id].helm


def prices(desk: Desk) -> list[int]:
    return sorted(order.spec.price_ticks for order in desk.live)


def test_the_grid_quotes_around_the_mid(desk: Desk) -> None:
    assert prices(desk) == [599_980, 599_990, 600_010, 600_020]
    assert {order.spec.tif for order in desk.live} == {TimeInForce.POST_ONLY}


def test_a_pause_cancels_entries_and_lets_only_exits_through(desk: Desk) -> None:
    desk.fill(desk.live[0])
    assert desk.do(c.PauseBot, bot_id="maker") == ""
    assert len(desk.cancels()) == 3
    for order in desk.live:
        desk.canceled(order)
    desk.pass_ms(100)
    assert {order.spec.side for order in desk.live} == {SELL}
    assert all(order.spec.reduce_only for order in desk.live)


def test_a_pause_leaves_protective_orders_alone(desk: Desk) -> None:
    desk.fill(desk.live[0])
    stop = {"type": OrderType.STOP, "trigger_ticks": 599_000, "reduce_only": True}
    assert desk.place(SELL, 10, purpose=Purpose.PROTECTIVE, bot_id="maker", **stop) == ""
    protective = desk.live[-1].client_order_id
    desk.do(c.PauseBot, bot_id="")
    desk.do(c.CancelAll)
    assert protective not in desk.cancels()
    desk.do(c.CancelAll, with_protective=True)
    assert protective in desk.cancels()


def test_taking_the_helm_leaves_the_orders_and_silences_the_bot(desk: Desk) -> None:
    assert desk.do(c.TakeHelm, bot_id="maker") == ""
    desk.book(600_100, 600_102)
    desk.pass_ms(500)
    assert prices(desk) == [599_980, 599_990, 600_010, 600_020]
    assert desk.cancels() == []
    assert desk.place(BUY, 10, 600_050, bot_id="maker") == ""
    assert desk.live[-1].bot_id == "maker"
    assert desk.do(c.GiveHelm, bot_id="maker") == ""
    desk.pass_ms(100)
    assert desk.cancels()


def test_a_person_places_for_a_bot_only_with_the_helm_but_may_always_reduce(desk: Desk) -> None:
    assert "take the helm first" in desk.place(BUY, 10, 600_000, bot_id="maker")
    desk.fill(desk.live[0])
    assert desk.place(SELL, 5, 600_000, bot_id="maker", reduce_only=True) == ""


def test_stopping(desk: Desk) -> None:
    assert desk.do(c.StopBot, bot_id="maker") == ""
    assert len(desk.cancels()) == 4
    assert desk.do(c.StopBot, bot_id="maker") == "maker is already stopped"
    assert desk.do(c.ResumeBot, bot_id="maker") == ""
    assert helm(desk) is Helm.AUTO


@pytest.mark.parametrize("command", [c.PauseBot, c.ResumeBot, c.TakeHelm, c.GiveHelm, c.StopBot])
def test_an_unknown_bot_is_named(desk: Desk, command: type[c.Command]) -> None:
    assert desk.do(command, bot_id="nobody") == "no bot nobody"


def test_flatten_pauses_cancels_closes_and_tries_again(desk: Desk) -> None:
    desk.fill(desk.live[0])
    desk.requests.clear()
    assert desk.do(c.Flatten) == ""
    assert helm(desk) is Helm.PAUSED
    assert len(desk.cancels()) == 3
    closing = desk.submits()[0].spec
    assert (closing.side, closing.qty_lots, closing.reduce_only) == (SELL, 10, True)
    assert closing.price_ticks == 600_000 - 6_000, "capped one percent through the touch"
    for order in desk.live[:-1]:
        desk.canceled(order)
    desk.fill(desk.live[0], lots=4, ticks=600_000)
    desk.expired(desk.live[0])
    assert desk.seen(e.FlattenEnded) == []
    desk.pass_ms(300)
    desk.fill(desk.live[0], ticks=600_000)
    assert len(desk.seen(e.FlattenEnded)) == 1
    assert desk.trader.state.net_lots["test.BTCUSDT"] == 0
    assert desk.live == []


def test_flatten_works_on_a_dead_book(desk: Desk) -> None:
    desk.fill(desk.live[0])
    desk.empty_book()
    desk.requests.clear()
    desk.do(c.Flatten, bot_id="maker")
    assert desk.submits()[0].spec.type is OrderType.MARKET


def test_kill_pauses_cancels_blocks_and_survives_a_restart(desk: Desk) -> None:
    assert desk.do(c.Kill) == ""
    assert (helm(desk), len(desk.cancels())) == (Helm.PAUSED, 4)
    assert desk.place(BUY, 10, 600_000).startswith("kill: limit cancel_all")
    assert desk.do(c.ResumeBot, bot_id="maker") == "the kill switch is on: reset it first"
    again = Desk()
    again.trader.state.__init__()  # type: ignore[misc]
    again.trader.restore(desk.events)
    assert again.trader.state.kill is KillLevel.CANCEL_ALL
    assert desk.do(c.ResetKill) == ""
    assert desk.do(c.ResetKill) == "nothing to reset"
    assert desk.do(c.ResumeBot, bot_id="maker") == ""


def test_a_command_given_twice_is_carried_out_once(desk: Desk) -> None:
    command = c.PauseBot(command_id="same", bot_id="maker")
    desk.trader.process(command, desk.now_ns)
    desk.trader.process(command, desk.now_ns)
    desk.collect()
    assert len(desk.seen(e.HelmChanged)) == 1


def test_an_old_picture_is_refused(desk: Desk) -> None:
    spec = desk.live[0].spec
    refused = desk.do(c.PlaceOrder, bot_id="manual", spec=spec, age_ms=501)
    assert refused == "the picture was 501 ms old (limit 500 ms)"


def test_a_move_waits_for_the_cancel_and_places_what_is_left(desk: Desk) -> None:
    desk.place(BUY, 10, 599_900)
    mine = desk.live[-1]
    desk.accept(mine)
    desk.requests.clear()
    assert desk.do(c.MoveOrder, client_order_id=mine.client_order_id, price_ticks=599_950) == ""
    assert desk.submits() == []
    desk.fill(mine, lots=4)
    desk.canceled(mine)
    moved = desk.submits()[0].spec
    assert (moved.price_ticks, moved.qty_lots) == (599_950, 6)
    assert desk.trader.state.moves == {}


def test_a_bots_order_is_moved_only_by_who_holds_the_helm(desk: Desk) -> None:
    order = desk.live[0].client_order_id
    assert "take the helm" in desk.do(c.MoveOrder, client_order_id=order, price_ticks=599_950)
    assert desk.do(c.CancelOrder, client_order_id=order) == ""
    assert "not working" in desk.do(c.CancelOrder, client_order_id="q0")


def test_the_stop_loss_closes_the_position_and_pauses_the_bot(desk: Desk) -> None:
    desk.fill(next(order for order in desk.live if order.spec.side is BUY))
    desk.book(569_000, 569_002)
    desk.pass_ms(250)
    started = desk.seen(e.FlattenStarted)
    assert [event.reason for event in started] == ["stop_loss at -5.16 %"]  # type: ignore[attr-defined]
    assert helm(desk) is Helm.PAUSED


def test_the_take_profit_closes_the_position_and_the_bot_goes_on(desk: Desk) -> None:
    desk.fill(next(order for order in desk.live if order.spec.side is BUY))
    desk.book(661_000, 661_002)
    desk.pass_ms(250)
    assert desk.seen(e.FlattenStarted)[0].reason.startswith("take_profit at 10.1")  # type: ignore[attr-defined]
    assert helm(desk) is Helm.AUTO


def test_a_daily_loss_stops_entries_and_flattens() -> None:
    """1 BTC bought at 60,000 with 100,000 of capital: a fall to 34,999 is a loss of 25 %."""
    wide = RiskLimits(
        position_max_pct=Decimal(100),
        order_notional_max_pct=Decimal(100),
        stop_loss_pct=Decimal(90),
    )
    desk = Desk(limits=wide, bots=[a_grid()])
    desk.book(600_000, 600_002)
    desk.place(BUY, 1000, 600_002)
    desk.fill(desk.live[-1])
    desk.book(350_100, 350_102)
    desk.pass_ms(61_000)
    assert desk.trader.state.tripped is None
    desk.book(349_900, 349_902)
    desk.pass_ms(250)
    tripped = desk.seen(e.RiskTripped)[0]
    assert (tripped.limit, tripped.limit_value) == ("daily_loss", "25 %")  # type: ignore[attr-defined]
    assert helm(desk) is Helm.PAUSED
    assert desk.place(BUY, 10, 349_900).startswith("daily_loss: limit 25 %")
    closing = desk.submits()[-1].spec
    assert (closing.side, closing.purpose, closing.qty_lots) == (SELL, Purpose.FLATTEN, 1000)
    assert desk.do(c.ResumeBot, bot_id="maker") == "daily_loss was reached: reset it first"
    assert desk.do(c.ResetKill) == ""
    desk.pass_ms(1000)
    assert len(desk.seen(e.RiskTripped)) == 1, "counting starts anew from the present equity"


def test_the_state_is_the_fold_of_its_events(desk: Desk) -> None:
    desk.fill(desk.live[0])
    desk.place(SELL, 3, 600_001)
    desk.do(c.TakeHelm, bot_id="maker")
    desk.do(c.Flatten)
    desk.pass_ms(20_000)
    rebuilt = Desk(bots=[]).trader
    rebuilt.state.__init__()  # type: ignore[misc]
    rebuilt.restore(desk.events)
    live, again = vars(desk.trader.state), vars(rebuilt.state)
    assert live.keys() == again.keys()
    for name in live:
        assert live[name] == again[name], name


def test_orders_of_a_rejected_intent_are_final(desk: Desk) -> None:
    desk.place(BUY, 10, 599_000)
    order = desk.live[-1]
    desk.expired(order, "post-only would take")
    found = desk.trader.state.find_order(order.client_order_id)
    assert found is not None
    assert found.status is OrderStatus.EXPIRED
