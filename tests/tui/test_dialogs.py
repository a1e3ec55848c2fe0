"""Dialogs: palette, help, ticket, detail, reset. Safety keys work in all of them."""

import pytest
from textual.events import Key

from app.service.session import Standing
from app.views.leaving import OUTLIVES
from engine.domain import commands as c
from engine.domain.algo import Bracket
from engine.domain.commands import KillLevel
from engine.domain.order import Side, TimeInForce
from tests.support.session import MID, a_snapshot
from tests.tui.harness import NARROW, WIDE, at_terminal
from tests.unit.views.test_algo_lines import an_algo

SIZES = pytest.mark.parametrize("size", [NARROW, WIDE])


@SIZES
async def test_safety_keys_work_in_every_dialog(size: tuple[int, int]) -> None:
    async with at_terminal(size) as person:
        for opener in ("ctrl+p", "question_mark", "t", "enter"):
            await person.press(opener, gap_ms=1_300)
            assert person.app.main.dialog is not None
            await person.press("f12", "f12", "f6")
            kinds = [type(command) for command in person.session.commands]
            assert kinds == [c.Kill, c.PauseBot], opener
            await person.press("escape")
            assert person.app.main.dialog is None
            person.session.commands.clear()


async def test_the_palette_finds_and_runs() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("ctrl+p")
        await person.type("cancel working")
        await person.press("enter")
        assert person.session.commands == [
            c.CancelAll(command_id="cmd1", by="tui", instrument_id="test.BTCUSDT")
        ]
        assert person.app.main.dialog is None


async def test_the_palette_asks_twice_for_wide_actions() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("ctrl+p")
        await person.type("flatten every")
        await person.press("enter")
        assert person.session.commands == []
        assert "Enter again: pause 2 bots" in person.screen()
        await person.press("enter")
        assert person.session.commands == [c.Flatten(command_id="cmd1", by="tui")]


async def test_the_palette_says_why_not() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("ctrl+p")
        await person.type("limit buy")
        await person.press("enter")
        assert person.session.commands == []
        assert person.app.main.dialog is not None
        assert "SAFE" in person.screen()


async def test_the_crash_button_is_in_the_palette() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("ctrl+p")
        await person.type("crash")
        await person.press("enter")
        assert person.session.crashes == 1


async def test_a_recording_has_no_crash_button() -> None:
    async with at_terminal(NARROW, a_snapshot(world="usdm_btcusdt.gz x1")) as person:
        await person.press("ctrl+p")
        await person.type("crash")
        await person.press("enter")
        assert person.session.crashes == 0
        assert "only a generated market" in person.screen()


@SIZES
async def test_help_shows_the_keys_of_the_pane(size: tuple[int, int]) -> None:
    async with at_terminal(size) as person:
        await person.press("f1")
        assert "take over position and orders" in person.screen()
        await person.press("pagedown", "pagedown", "pagedown", "down")
        assert "command palette" in person.screen() or "view 5: log" in person.screen()


async def test_the_ticket_shows_what_it_sends_before_it_does() -> None:
    async with at_terminal(WIDE) as person:
        await person.arm()
        await person.press("t")
        await person.press("tab", "tab", "tab", "tab")
        await person.type("post")
        await person.press("enter")
        assert person.session.commands == []
        assert "Enter again: BUY 0.005 BTC limit @" in person.screen()
        await person.press("enter")
        (order,) = person.session.commands
        assert isinstance(order, c.PlaceOrder)
        assert (order.spec.side, order.spec.tif) == (Side.BUY, TimeInForce.POST_ONLY)
        assert abs(order.spec.price_ticks - MID) < 10
        assert person.app.main.dialog is None


@pytest.mark.parametrize("first_ms", [33, 160, 250, 500, 660])
async def test_enter_held_down_sends_no_ticket(first_ms: int) -> None:
    async with at_terminal(WIDE) as person:
        await person.arm()
        await person.press("t")
        await person.hold("enter", first_ms)
        assert "Enter again" in person.screen()
        await person.wait(1_500)
        assert person.session.commands == []
        await person.press("enter")
        assert len(person.session.commands) == 1


async def test_enter_held_down_sets_no_parameters() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("2", "e")
        await person.type("0")
        await person.hold("enter", 500)
        await person.wait(1_500)
        assert person.session.commands == []
        await person.press("enter")
        assert [type(command) for command in person.session.commands] == [c.EditParams]


async def test_a_held_s_does_not_stop_the_engine() -> None:
    async with at_terminal(WIDE, leaving=OUTLIVES) as person:
        person.session.company = Standing("tui@a", ("tui@a",), "tui@a")
        await person.look()
        await person.press("Q")
        assert "S twice" in person.screen()
        await person.hold("s", 500)
        await person.wait(1_500)
        assert not person.session.is_stopping
        await person.send("s")
        assert person.session.is_stopping


async def test_a_changed_field_takes_the_confirmation_back() -> None:
    async with at_terminal(WIDE) as person:
        await person.arm()
        await person.press("t", "enter")
        await person.press("tab", "tab")
        await person.press("backspace")
        await person.type("7")
        await person.press("enter")
        assert person.session.commands == []
        assert "BUY 0.007 BTC" in person.screen()


async def test_the_ticket_names_the_wrong_field() -> None:
    async with at_terminal(NARROW) as person:
        await person.arm()
        await person.press("t", "tab", "tab")
        await person.type("55")
        await person.press("enter")
        assert "qty: 0.00555: must be a multiple of the lot 0.001" in person.screen()
        assert person.session.commands == []
        assert person.app.focused is not None
        assert person.app.focused.id == "field-qty"


async def test_the_ticket_is_safe_until_armed() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("t", "enter", "enter")
        assert person.session.commands == []
        assert "SAFE" in person.screen()


async def test_letters_in_a_field_are_only_letters() -> None:
    async with at_terminal(NARROW) as person:
        await person.arm()
        await person.press("ctrl+p")
        await person.type("bshlxQQTTKK12345")
        await person.wait(200)
        assert person.session.commands == []
        assert person.app.desk.gestures.is_armed
        assert not person.app._exit


async def test_only_the_typed_word_resets_the_kill_switch() -> None:
    killed = a_snapshot(kill=KillLevel.CANCEL_ALL, kill_reason="kill switch")
    async with at_terminal(NARROW, killed) as person:
        await person.press("ctrl+p")
        await person.type("reset")
        await person.press("enter")
        assert "kill switch" in person.screen()
        await person.type("yes")
        await person.press("enter")
        assert person.session.commands == []
        await person.press("backspace", "backspace", "backspace")
        await person.type("RESUME")
        await person.press("enter")
        assert person.session.commands == [c.ResetKill(command_id="cmd1", by="tui")]
        assert person.app.main.dialog is None


async def test_detail_shows_parameters() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("enter")
        assert "levels" in person.screen()
        assert "AUTO by start" in person.screen()


async def test_a_dialog_leaves_the_pane_as_it_was() -> None:
    async with at_terminal(WIDE) as person:
        person.app.main.focus_pane("orders")
        await person.press("ctrl+p", "escape")
        assert person.app.main.pane_key == "orders"


async def test_the_market_stays_alive_behind_a_dialog() -> None:
    async with at_terminal(WIDE) as person:
        await person.press("ctrl+p")
        person.session.publish(equity=a_snapshot().equity + 1234)
        await person.wait(300)
        assert "101,318.10" in person.header()


async def test_the_ticket_takes_an_order_type_with_its_words() -> None:
    async with at_terminal(NARROW) as person:
        await person.arm()
        await person.press("t", "tab", *["backspace"] * 5)
        await person.type("bracket")
        assert "stop=P [target=P" in person.screen()
        await person.press("tab", "tab", "tab")
        await person.press("enter")
        assert "this type needs stop=P" in person.screen()
        await person.type("stop=59000 target=61000")
        await person.press("enter")
        assert "Enter again: bracket buy 0.005 @" in person.screen()
        assert person.session.commands == []
        await person.press("enter")
        (command,) = person.session.commands
        assert isinstance(command, c.PlaceAlgo)
        assert isinstance(command.spec, Bracket)
        assert (command.spec.stop_ticks, command.spec.target_ticks) == (590_000, 610_000)


async def test_algos_stand_below_the_orders() -> None:
    async with at_terminal(WIDE) as person:
        person.session.publish(algos=[an_algo()])
        await person.wait(400)
        assert "a3 manual if-touched; in the engine: " in person.screen()


async def test_letters_that_come_with_the_key_that_opens_reach_the_field() -> None:
    """On a slow line keys come together; the field is not there yet."""
    async with at_terminal(NARROW) as person:
        for key in ("ctrl+p", "r", "e", "s", "e", "t", "enter"):
            person.app.post_message(Key(key, key if len(key) == 1 else None))
        await person.look()
        assert "find    reset" in person.screen()
        assert "reset the kill switch" in person.screen()
        assert person.app.main.dialog is not None, "nobody has seen what Enter would run"
        assert not person.session.commands


async def test_keys_that_come_at_once_keep_their_order() -> None:
    """Enter overtook the letters before it: the palette ran what was found by fewer of them."""
    async with at_terminal(WIDE) as person:
        await person.press("ctrl+p")
        for key in (*"view 5", "enter"):
            person.app.post_message(Key(key, key if len(key) == 1 else "\r"))
        await person.wait(300)
        assert person.app.main.dialog is None
        assert person.app.main.pane_key == "log"


async def test_a_field_and_the_next_one_get_what_was_typed_into_them() -> None:
    async with at_terminal(WIDE) as person:
        await person.arm()
        await person.press("t")
        keys = ["tab", "tab", "backspace", "7", "tab", "tab", *"post", "enter"]
        for key in keys:
            person.app.post_message(Key(key, key if len(key) == 1 else None))
        await person.wait(300)
        assert "Enter again: BUY 0.007 BTC limit" in person.screen()
        assert "post" in person.screen()
