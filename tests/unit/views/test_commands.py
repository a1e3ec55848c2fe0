"""What each gesture sends: side, price, size, book, and the picture it was made on."""

import msgspec
import pytest

from app.views.actions import ACTIONS, Risk
from app.views.commands import BUILDERS, Sender, build
from app.views.viewstate import ViewState
from engine.domain import commands as c
from engine.domain.events import Helm
from engine.domain.order import OrderType, Purpose, Side, TimeInForce
from tests.support.session import (
    BTC,
    MID,
    FakeSession,
    a_bot,
    a_market,
    a_position,
    a_snapshot,
    a_stop,
    a_working_order,
)


def a_view(**changes: object) -> ViewState:
    fields: dict[str, object] = {
        "snapshot": a_snapshot(),
        "instrument_id": BTC,
        "bot_id": "grid",
        "pane": "ladder",
        "cursor_ticks": MID - 20,
        "is_cursor_painted": True,
        "qty_lots": 5,
        "picture_age_ms": 80,
    }
    return ViewState(**{**fields, **changes})  # type: ignore[arg-type]


def sent(action_id: str, view: ViewState | None = None) -> list[c.AnyCommand]:
    return build(action_id, view or a_view(), Sender(FakeSession().new_command_id))


def one_order(action_id: str, view: ViewState | None = None) -> c.PlaceOrder:
    (command,) = sent(action_id, view)
    assert isinstance(command, c.PlaceOrder)
    return command


def test_wide_commands_name_their_scope() -> None:
    kill = c.Kill(command_id="cmd1", by="tui")
    assert sent("kill") == [kill]
    assert sent("flatten_symbol") == [c.Flatten(command_id="cmd1", by="tui", instrument_id=BTC)]
    assert sent("flatten_all") == [c.Flatten(command_id="cmd1", by="tui")]
    (cancel,) = sent("cancel_symbol")
    assert isinstance(cancel, c.CancelAll)
    assert (cancel.instrument_id, cancel.with_protective) == (BTC, False)
    (cancel_all,) = sent("cancel_all")
    assert isinstance(cancel_all, c.CancelAll)
    assert (cancel_all.instrument_id, cancel_all.with_protective) == ("", True)
    assert sent("pause_all") == [c.PauseBot(command_id="cmd1", by="tui")]


@pytest.mark.parametrize(
    ("action_id", "kind"),
    [
        ("bot_pause", c.PauseBot),
        ("bot_resume", c.ResumeBot),
        ("bot_take", c.TakeHelm),
        ("bot_return", c.GiveHelm),
        ("bot_stop", c.StopBot),
    ],
)
def test_helm_commands_go_to_the_selected_bot(action_id: str, kind: type[c.Command]) -> None:
    (command,) = sent(action_id)
    assert type(command) is kind
    assert command.bot_id == "grid"  # type: ignore[union-attr]


def test_a_limit_order_has_the_cursor_price_and_what_was_painted() -> None:
    order = one_order("buy_limit")
    assert (order.spec.side, order.spec.price_ticks, order.spec.qty_lots) == (Side.BUY, MID - 20, 5)
    assert order.painted_ticks == MID + 1
    assert order.age_ms == 80
    assert order.bot_id == "manual"
    assert one_order("sell_limit").painted_ticks == MID


def test_joining_is_post_only_at_the_painted_touch() -> None:
    bid, ask = one_order("buy_join").spec, one_order("sell_join").spec
    assert (bid.price_ticks, bid.tif) == (MID, TimeInForce.POST_ONLY)
    assert (ask.price_ticks, ask.side) == (MID + 1, Side.SELL)


def test_market_orders_are_capped() -> None:
    buy, sell = one_order("buy_market").spec, one_order("sell_market").spec
    assert (buy.type, buy.tif) == (OrderType.LIMIT, TimeInForce.IOC)
    assert buy.price_ticks == MID + 1 + (MID + 1) * 50 // 10_000
    assert sell.price_ticks == MID - MID * 50 // 10_000


def held_by_hand(lots: int, **changes: object) -> ViewState:
    return a_view(snapshot=a_snapshot(positions=[a_position("manual", lots)]), **changes)


def test_protective_orders_cover_the_position() -> None:
    stop = one_order("stop_at_cursor", held_by_hand(7)).spec
    assert (stop.type, stop.trigger_ticks, stop.price_ticks) == (OrderType.STOP, MID - 20, 0)
    assert (stop.side, stop.qty_lots, stop.reduce_only) == (Side.SELL, 7, True)
    assert stop.purpose is Purpose.PROTECTIVE
    target = one_order("target_at_cursor", held_by_hand(-7)).spec
    assert (target.type, target.price_ticks) == (OrderType.LIMIT, MID - 20)
    assert (target.side, target.reduce_only) == (Side.BUY, True)


@pytest.mark.parametrize(("held", "closed"), [(8, 4), (7, 4), (1, 1), (-6, 3)])
def test_close_half_rounds_up_and_only_reduces(held: int, closed: int) -> None:
    spec = one_order("close_half", held_by_hand(held)).spec
    assert (spec.qty_lots, spec.reduce_only, spec.tif) == (closed, True, TimeInForce.IOC)
    assert spec.side is (Side.SELL if held > 0 else Side.BUY)


def test_close_half_works_without_a_book() -> None:
    view = held_by_hand(8)
    assert view.snapshot is not None
    blind = msgspec.structs.replace(view.snapshot, markets=[a_market(bids=[], asks=[])])
    spec = one_order("close_half", msgspec.structs.replace(view, snapshot=blind)).spec
    assert (spec.type, spec.price_ticks) == (OrderType.MARKET, 0)


def test_orders_go_to_the_bot_whose_helm_was_taken() -> None:
    bots = [a_bot("grid", helm=Helm.MANUAL)]
    assert one_order("buy_limit", a_view(snapshot=a_snapshot(bots=bots))).bot_id == "grid"
    elsewhere = [a_bot("grid", helm=Helm.MANUAL, instrument_id="test.OTHER")]
    assert one_order("buy_limit", a_view(snapshot=a_snapshot(bots=elsewhere))).bot_id == "manual"


def test_cancel_takes_every_order_of_the_row() -> None:
    commands = sent("order_cancel", a_view(cursor_orders=("b1", "s2", "gone")))
    assert [command.client_order_id for command in commands] == ["b1", "s2"]  # type: ignore[union-attr]
    (selected,) = sent("order_cancel", a_view(pane="orders", order_id="s1"))
    assert selected.client_order_id == "s1"  # type: ignore[union-attr]


def test_a_move_is_one_command() -> None:
    (move,) = sent("order_move", a_view(grabbed_id="b1", cursor_ticks=MID - 7))
    assert move == c.MoveOrder(
        command_id="cmd1", by="tui", client_order_id="b1", price_ticks=MID - 7
    )


def test_moving_a_guard_needs_no_arming() -> None:
    guard = a_snapshot(
        orders=[a_stop("g", Side.SELL, MID - 90), a_working_order("b1", Side.BUY, 1)]
    )
    move = ACTIONS["order_move"]
    assert move.becomes is not None
    assert move.becomes(a_view(snapshot=guard, grabbed_id="g")) == "order_move_guard"
    assert move.becomes(a_view(snapshot=guard, grabbed_id="b1")) == ""
    assert ACTIONS["order_move_guard"].risk is Risk.REDUCE


def test_what_increases_risk_is_marked_so() -> None:
    """Every builder that places an order without reduce-only belongs to an armed action."""
    view = held_by_hand(8, cursor_orders=("b1",), grabbed_id="b1")
    for action_id in BUILDERS:
        for command in sent(action_id, view):
            if isinstance(command, c.PlaceOrder) and not command.spec.reduce_only:
                assert ACTIONS[action_id].risk is Risk.INCREASE, action_id
