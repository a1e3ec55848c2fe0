"""The screens beside the main desk, driven by keys: stories, backtests, log filters, tour."""

from __future__ import annotations

from app.views.shelf import Answer
from engine.domain import commands as c
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.order import Side
from tests.support.session import MID, a_bot, a_working_order
from tests.support.shelf import FakeShelf
from tests.tui.harness import NARROW, WIDE, Person, at_terminal
from ui_tui.pane import Picture
from ui_tui.widgets.log import LogPane


def shelf_of(person: Person) -> FakeShelf:
    shelf = person.app.shelf
    assert isinstance(shelf, FakeShelf)
    return shelf


async def read(person: Person) -> None:
    """Let the readers beside the screen answer."""
    await person.app.workers.wait_for_complete()
    await person.look()


async def test_why_tells_the_story_of_the_selected_fill() -> None:
    async with at_terminal(WIDE) as person:
        await person.press("4", "tab", "down", "w")
        await read(person)
        assert shelf_of(person).asked == [("story", "q13")]
        assert "0.005 filled @ 60011.5 as maker" in person.screen()
        await person.press("escape")
        assert "as maker, fee" not in person.screen()


async def test_backtests_are_listed_and_the_selected_one_is_open_beside_them() -> None:
    async with at_terminal(WIDE) as person:
        await person.press("9")
        await read(person)
        assert "▸grid" in person.screen()
        assert "+412.50 USDT" in person.screen()
        await person.press("down")
        await read(person)
        assert "▸trend" in person.screen()
        assert shelf_of(person).asked[-1] == ("run", "0f1e2d3c4b5a6978")


async def test_on_a_small_terminal_a_backtest_opens_over_the_list() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("9")
        await read(person)
        await person.press("enter")
        await read(person)
        assert person.app.main.dialog is not None
        assert "412.50" in person.screen()


async def test_an_answer_that_fails_is_a_line_on_the_screen() -> None:
    async with at_terminal(WIDE) as person:
        await person.press("9")
        await read(person)
        person.app.desk.fetched("runs", "", Answer(error="results: the file is damaged"))
        person.app.paint(at_once=True)
        assert "the file is damaged" in person.screen()


async def test_the_log_is_filtered_while_typing() -> None:
    async with at_terminal(WIDE) as person:
        await person.press("5", "f")
        await person.type("refused")
        await person.press("enter")
        shown = person.pane(LogPane)
        assert "refused buy 9.000" in shown
        assert "ledger started" not in shown
        assert 'with "refused"' in shown
        await person.press("backspace")
        assert "ledger started" in person.pane(LogPane)


async def test_settings_say_where_each_value_comes_from() -> None:
    async with at_terminal(WIDE) as person:
        await person.press("0")
        await read(person)
        assert "settings.toml:3" in person.screen()
        assert "flatten_symbol" in person.screen()


async def test_the_manual_turns_pages() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("f5")
        await read(person)
        assert "manual 1 of 2: First minutes" in person.screen()
        await person.press("right")
        assert "manual 2 of 2: Limits" in person.screen()


async def test_a_kill_level_from_the_risk_screen_needs_two_taps() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("7", "R")
        assert "R again: cancel 6 entry orders, pause 2 bots" in person.last_line()
        await person.press("R")
        (kill,) = person.session.commands
        assert isinstance(kill, c.Kill)
        assert kill.level is KillLevel.REDUCE_ONLY


async def test_the_tour_from_first_to_last_step() -> None:
    async with at_terminal(NARROW) as person:
        person.app.desk.toggle_tour()
        await person.look()
        assert "TOUR  1 of 5: place an order" in person.screen()
        await person.press("1")
        await person.arm()
        await person.press("down", "b")
        (placed,) = person.session.commands
        assert isinstance(placed, c.PlaceOrder)
        mine = a_working_order("mine", Side.BUY, MID - 20, bot_id="manual", placed_by="human")
        person.session.publish(orders=[mine])
        await person.look()
        assert "TOUR  2 of 5: move it" in person.screen()
        await person.press("n", "m", "down", "enter")
        assert isinstance(person.session.commands[-1], c.MoveOrder)
        assert "TOUR  3 of 5: cancel it" in person.screen()
        await person.press("n", "x")
        assert "TOUR  4 of 5: take over a bot" in person.screen()
        await person.press("2", "T", "T")
        person.session.publish(bots=[a_bot("grid", helm=Helm.MANUAL), a_bot("trend")])
        await person.look()
        assert "TOUR  5 of 5: kill" in person.screen()
        await person.press("f12", "f12")
        person.session.publish(kill=KillLevel.CANCEL_ALL)
        await person.look()
        assert "typed word" in person.screen()
        person.session.publish(kill=KillLevel.NONE)
        await person.look()
        assert "p p lets a paused one go on" in person.screen()
        person.session.publish(bots=[a_bot("grid"), a_bot("trend")])
        await person.look()
        assert "TOUR" not in person.screen()


async def test_the_tour_leaves_every_bot_in_sight_and_a_ladder_that_stands_still() -> None:
    async with at_terminal(NARROW) as person:
        fine = person.app.desk.ladder.group
        person.app.desk.toggle_tour()
        person.session.publish(bots=[a_bot("grid"), a_bot("trend"), a_bot("third")])
        await person.look()
        await person.look()
        for name in ("grid", "trend", "third"):
            assert name in person.screen().split("── risk")[0]
        assert person.app.desk.ladder.group > fine


async def test_a_key_of_another_pane_says_where_it_works() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("b")
        assert "b is no key of this pane, but of: ladder; 1 goes to the ladder" in (
            person.last_line()
        )
        await person.press("f")
        assert "f is no key of this pane, but of: log" in person.last_line()
        assert not person.session.commands


async def test_help_shows_whole_texts_and_the_keys_of_its_own_pane() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("1", "f1")
        screen = person.screen()
        assert "protective stop for the position at the cursor's" in screen
        assert "…" not in screen.split("keys", 1)[1].split("arrows scroll")[0]
        await person.press("pagedown", "pagedown")
        why = next(line for line in person.screen().splitlines() if "why: the story" in line)
        assert "Enter" not in why, "Enter in the ladder moves the grabbed order"


async def test_the_footer_says_that_resuming_takes_two_taps() -> None:
    async with at_terminal(NARROW) as person:
        person.session.publish(bots=[a_bot("grid", helm=Helm.PAUSED)])
        await person.look()
        person.app.paint(at_once=True)
        assert "pp resume" in person.last_line()


async def test_the_tour_is_refused_on_a_recording() -> None:
    async with at_terminal(NARROW) as person:
        person.session.publish(world="usdm_btcusdt_20240808.gz x1")
        await person.look()
        await person.press("ctrl+p")
        await person.type("tour")
        await person.press("enter")
        assert "needs a generated market" in person.screen()
        assert person.app.desk.tour is None


async def test_what_hangs_on_the_market_turns_grey_with_its_age() -> None:
    async with at_terminal(WIDE) as person:
        await person.press("6")
        person.session.publish(feed_age_ms=7_300)
        await person.look()
        person.app.paint(at_once=True)
        positions = next(pane for pane in person.app.main.panes if pane.key == "positions")
        assert "STALE 7.3s" in positions.text()
        assert {cell.tone for line in positions._lines[1:] for cell in line[1:]} == {"stale"}
        person.session.fails("engine gone; 4 s ago, reconnecting")
        person.clock.pass_ms(4_000)
        await person.look()
        assert "STALE 11.3s" in positions.text(), "it grows though no picture comes"


async def test_the_mouse_looks_and_never_trades() -> None:
    async with at_terminal(WIDE) as person:
        await person.press("3")
        await person.arm()
        ladder = person.app.desk.ladder
        pane = next(pane for pane in person.app.main.panes if pane.key == "ladder")
        await person.pilot.click(pane, offset=(20, 5))
        await person.look()
        assert ladder.row_of(ladder.cursor_ticks) == 3, "title, head, then rows 0, 1, 2, 3"
        top = ladder.price_at(0)
        pane.on_mouse_scroll_up()
        await person.look()
        assert ladder.price_at(0) == top + 3 * ladder.group
        assert ladder.is_locked
        await person.press("5")
        log = next(pane for pane in person.app.main.panes if pane.key == "log")
        log.on_mouse_scroll_down()
        await person.look()
        assert not person.app.desk.log.is_following
        assert person.session.commands == []


async def test_a_click_beside_a_dialog_leaves_the_keys_with_its_field() -> None:
    """What was typed after it went nowhere."""
    async with at_terminal(WIDE) as person:
        await person.press("t", "tab", "tab")
        pane = next(pane for pane in person.app.main.panes if pane.key == "bots")
        await person.pilot.click(pane, offset=(2, 5))
        await person.press("backspace")
        await person.type("7")
        assert "qty     0.007" in person.screen()


async def test_a_note_too_long_for_its_title_is_cut_not_dropped() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("1")
        pane = person.app.main.panes[0]
        picture = Picture("ladder 1000PEPEUSDT", [], note="row 0.0010  size 100,000  lock")
        for width in (31, 40, 48):
            bar = "".join(cell.text for cell in pane._title_bar(picture, width, wall=False))
            assert len(bar) == width
            assert not bar.endswith(" "), "filled to its end with its rule"
        assert "row 0.0010" in bar
