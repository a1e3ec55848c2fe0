"""Keys of the real app: what the engine receives, and what is shown."""

import msgspec
import pytest

from app.views import rules
from app.views.cursors import OWN
from engine.domain import commands as c
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.order import Side, TimeInForce
from engine.domain.snapshots import ReceiptSnapshot
from tests.support.session import BTC, MID, a_bot, a_position, a_snapshot, a_working_order
from tests.tui.harness import NARROW, WIDE, at_terminal
from tests.unit.views.test_algo_lines import an_algo
from ui_tui.widgets.ladder import LadderPane

SIZES = pytest.mark.parametrize("size", [NARROW, WIDE])


@SIZES
async def test_kill_takes_two_taps_and_says_what_it_does(size: tuple[int, int]) -> None:
    async with at_terminal(size) as person:
        await person.press("f12")
        assert person.session.commands == []
        expected = "F12 again: pause 2 bots, cancel 6 orders, block new orders"
        assert expected in person.last_line()
        await person.press("f12")
        assert person.session.commands == [c.Kill(command_id="cmd1", by="tui")]
        person.session.publish(kill=KillLevel.CANCEL_ALL)
        await person.wait(300)
        assert "KILL: CANCEL ALL" in person.header()


async def test_the_second_tap_must_come_in_time() -> None:
    async with at_terminal() as person:
        await person.press("f12")
        await person.wait(1_300)
        assert "again" not in person.last_line()
        await person.press("f12")
        assert person.session.commands == []
        assert "F12 again" in person.last_line()


HELM_AND_SAFETY: list[tuple[list[str], dict[str, object]]] = [
    (["f8", "f8"], {"type": "Flatten", "instrument_id": BTC}),
    (["shift+f8", "shift+f8"], {"type": "Flatten", "instrument_id": "", "bot_id": ""}),
    (["f9"], {"type": "CancelAll", "instrument_id": BTC, "with_protective": False}),
    (["shift+f9", "shift+f9"], {"type": "CancelAll", "instrument_id": "", "with_protective": True}),
    (["f6"], {"type": "PauseBot", "bot_id": ""}),
    (["p"], {"type": "PauseBot", "bot_id": "grid"}),
    (["T", "T"], {"type": "TakeHelm", "bot_id": "grid"}),
    (["K", "K"], {"type": "StopBot", "bot_id": "grid"}),
    (["down", "p"], {"type": "PauseBot", "bot_id": "trend"}),
]


@SIZES
async def test_helm_and_safety_keys(size: tuple[int, int]) -> None:
    async with at_terminal(size) as person:
        for keys, expected in HELM_AND_SAFETY:
            person.session.commands.clear()
            await person.wait(1_300)
            await person.press(*keys)
            (command,) = person.session.commands
            shown = msgspec.to_builtins(command)
            assert {name: shown[name] for name in expected} == expected, keys


async def test_giving_the_helm_back_needs_arming() -> None:
    snapshot = a_snapshot(bots=[a_bot("grid", helm=Helm.MANUAL)])
    async with at_terminal(snapshot=snapshot) as person:
        await person.press("G", "G")
        assert person.session.commands == []
        await person.arm()
        await person.wait(1_000)
        await person.press("G", "G")
        assert person.session.commands == [c.GiveHelm(command_id="cmd1", by="tui", bot_id="grid")]


async def test_order_keys_are_safe_until_armed() -> None:
    async with at_terminal() as person:
        person.app.main.focus_pane("ladder")
        await person.press("b")
        assert person.session.commands == []
        assert "SAFE" in person.last_line()
        assert "[SAFE]" in person.header()
        await person.arm()
        assert "[ARMED 1:00]" in person.header() or "[ARMED 0:59]" in person.header()
        await person.wait(1_000)
        await person.press("b")
        (order,) = person.session.commands
        assert isinstance(order, c.PlaceOrder)
        assert order.spec.side is Side.BUY


@SIZES
async def test_the_ladder_trades_at_its_cursor(size: tuple[int, int]) -> None:
    async with at_terminal(size) as person:
        await person.press("1")
        person.app.main.focus_pane("ladder")
        await person.arm()
        cursor = person.app.desk.ladder.cursor_ticks
        group = person.app.desk.ladder.group
        await person.press("down", "down", "j", "b", gap_ms=1_100)
        (order,) = person.session.commands
        assert isinstance(order, c.PlaceOrder)
        assert order.spec.price_ticks == cursor - 3 * group
        assert (order.bot_id, order.painted_ticks) == ("manual", MID + 1)
        assert 0 <= order.age_ms <= 500


async def test_join_and_market_keys() -> None:
    async with at_terminal() as person:
        person.app.main.focus_pane("ladder")
        await person.arm()
        await person.press("h", "l", gap_ms=1_100)
        bid, ask = (one for one in person.session.commands if isinstance(one, c.PlaceOrder))
        assert (bid.spec.price_ticks, bid.spec.tif) == (MID, TimeInForce.POST_ONLY)
        assert (ask.spec.price_ticks, ask.spec.side) == (MID + 1, Side.SELL)
        await person.wait(1_100)
        await person.press("f2")
        assert len(person.session.commands) == 2
        assert "F2 again: buy" in person.last_line()
        await person.press("f2")
        assert len(person.session.commands) == 3


async def test_stop_and_target_protect_without_arming() -> None:
    snapshot = a_snapshot(positions=[a_position("manual", 7)])
    async with at_terminal(snapshot=snapshot) as person:
        person.app.main.focus_pane("ladder")
        await person.press(*["down"] * 3, "o", *["up"] * 6, "i")
        stop, target = (one for one in person.session.commands if isinstance(one, c.PlaceOrder))
        assert stop.spec.reduce_only
        assert target.spec.reduce_only
        assert stop.spec.trigger_ticks < MID < target.spec.price_ticks


async def test_cancel_and_move_at_the_cursor() -> None:
    orders = [a_working_order("mine", Side.BUY, MID - 20, bot_id="manual", placed_by="human")]
    async with at_terminal(snapshot=a_snapshot(orders=orders)) as person:
        await person.press("n", "m")
        assert "grabbed" in person.last_line()
        assert "move here" in person.pane(LadderPane)
        await person.press("up", "up", "enter")
        assert person.session.commands == []
        assert "SAFE" in person.last_line()
        await person.arm()
        await person.press("enter", gap_ms=1_100)
        (move,) = person.session.commands
        assert isinstance(move, c.MoveOrder)
        assert move.price_ticks == person.app.desk.ladder.cursor_ticks
        await person.press("n", "x")
        assert person.session.commands[1] == c.CancelOrder(
            command_id="cmd2", by="tui", client_order_id="mine"
        )


async def test_a_selected_order_can_be_cancelled() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("4", "down", "x")
        (cancel,) = person.session.commands
        assert isinstance(cancel, c.CancelOrder)
        assert cancel.client_order_id == "s2"


async def test_pasted_text_never_trades() -> None:
    from textual.events import Paste

    async with at_terminal() as person:
        person.app.main.focus_pane("ladder")
        await person.arm()
        person.app.post_message(Paste("bshlbshl"))
        await person.pilot.pause()
        assert person.session.commands == []
        assert not person.app.desk.gestures.is_armed


async def test_keys_typed_by_a_terminal_without_brackets_disarm() -> None:
    async with at_terminal() as person:
        person.app.main.focus_pane("ladder")
        await person.arm()
        await person.wait(2_000)
        await person.pilot.press(*"ckjckjckjckjbshl")
        await person.wait(200)
        assert person.session.commands == []
        assert "[SAFE]" in person.header()


async def test_a_refused_order_is_red_at_the_ladder_and_in_the_log() -> None:
    async with at_terminal() as person:
        person.app.main.focus_pane("ladder")
        await person.arm()
        person.session.refuses("collar: limit 5 %, order 9 % away")
        await person.press("b", gap_ms=1_100)
        await person.wait(300)
        assert "REFUSED BUY" in person.pane(LadderPane)
        assert "collar" in person.last_line()
        assert person.screen().count("collar: limit") >= 2


async def test_a_stale_market_turns_the_ladder_off() -> None:
    async with at_terminal() as person:
        person.app.main.focus_pane("ladder")
        await person.arm()
        person.clock.pass_ms(3_200)
        await person.look()
        await person.look()
        assert "STALE 3.2s" in person.pane(LadderPane)
        assert "STALE 3.2s" in person.header()
        assert "[SAFE]" in person.header()
        await person.pilot.press("b")
        assert person.session.commands == []


async def test_an_ended_recording_is_said_plainly() -> None:
    async with at_terminal(snapshot=a_snapshot(has_ended=True)) as person:
        await person.wait(5_000)
        assert "the recording has ended" in person.header()
        assert "STALE" not in person.screen()


async def test_a_dead_engine_is_loud_and_loses_no_wish() -> None:
    async with at_terminal() as person:
        person.session.fails("ledger.db: disk is full")
        await person.wait(300)
        assert "ENGINE STOPPED: ledger.db: disk is full" in person.header()
        await person.press("f6")
        assert person.session.commands == []
        assert "the engine has stopped" in person.last_line()


async def test_a_silent_engine_may_hear_what_takes_risk_off() -> None:
    """A line that hangs for some seconds must not hold a cancel back; a resume, it must."""
    async with at_terminal() as person:
        person.session.fails("engine silent for 4 s")
        await person.wait(300)
        assert "NO ANSWER: engine silent for 4 s" in person.header()
        await person.press("f6")
        assert [type(command) for command in person.session.commands] == [c.PauseBot]
        rule = person.app.desk.view("bots", 0)
        assert rules.has_token(rule) == "no answer: engine silent for 4 s"


async def test_no_picture_yet_and_kill_works() -> None:
    async with at_terminal() as person:
        person.session._snapshot = None
        assert person.app.desk.press("f12", "", 1, 1) is not None


async def test_others_receipts_stay_quiet() -> None:
    async with at_terminal() as person:
        person.session.publish(
            receipts=[ReceiptSnapshot(command_id="x", name="Kill", refused="no")]
        )
        await person.wait(300)
        assert "REFUSED" not in person.screen()


async def test_leaving_takes_two_taps_and_says_what_goes_on() -> None:
    async with at_terminal() as person:
        await person.press("Q")
        assert "Q again: leave, the demo engine stops with it" in person.last_line()
        assert person.app.is_running
        await person.press("Q")
        assert not person.app.is_running or person.app._exit


async def test_ctrl_c_and_ctrl_q_do_not_leave() -> None:
    async with at_terminal() as person:
        await person.press("ctrl+q", "ctrl+c")
        assert not person.app._exit
        assert "Q Q leaves" in person.last_line()


async def test_an_algo_is_ended_from_its_list() -> None:
    """Its first key leaves a guarded position guarded, the other asks and takes the guards, too."""
    algos = [an_algo(algo_id="a3"), an_algo(algo_id="a4")]
    async with at_terminal(WIDE, a_snapshot(algos=algos)) as person:
        await person.press("4", "tab", "tab")
        assert person.app.main.pane_key == "algos"
        assert "▸a3" in person.screen()
        await person.press("down", "x")
        await person.press("X")
        assert "X again" in person.last_line()
        assert "its stop and target as well" in person.last_line()
        await person.press("X")
        mild, whole = person.session.commands
        assert isinstance(mild, c.CancelAlgo)
        assert isinstance(whole, c.CancelAlgo)
        assert (mild.algo_id, mild.with_protective) == ("a4", False)
        assert (whole.algo_id, whole.with_protective) == ("a4", True)


async def test_there_is_no_algo_to_end() -> None:
    async with at_terminal(WIDE) as person:
        await person.press("4", "tab", "tab", "x")
        assert "no algo selected" in person.last_line()
        assert person.session.commands == []


async def test_a_key_is_seen_where_it_was_pressed_before_all_else_is_painted() -> None:
    async with at_terminal(WIDE) as person:
        app = person.app
        app.main.focus_pane("bots")
        await person.look()
        panes = {pane.key: pane for pane in app.main.panes}
        orders = panes["orders"].text()
        app.desk.bot_id, app.desk.whose = "trend", OWN
        app.echo()
        assert "▸trend" in panes["bots"].text()
        assert panes["orders"].text() == orders
        await person.pilot.pause()
        assert f"{OWN} only" in panes["orders"].text()
