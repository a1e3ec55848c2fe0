"""Views, sizes, focus: one pane at a time or all of them, and nothing overlaps."""

from decimal import Decimal

import msgspec
import pytest
from textual.events import Paste

from app.views.cells import text_width
from tests.support.builders import linear
from tests.support.session import a_snapshot
from tests.tui.harness import NARROW, WIDE, at_terminal
from ui_tui.widgets.bots import BotsPane
from ui_tui.widgets.chart import ChartPane
from ui_tui.widgets.log import LogPane

VIEWS = {
    "1": ["ladder", "bots", "orders", "tape", "risk", "log"],
    "2": ["bots", "risk", "log"],
    "3": ["chart", "ladder", "tape"],
    "4": ["orders", "fills", "algos"],
    "5": ["log"],
    "6": ["positions", "account", "equity"],
    "7": ["limits"],
    "8": ["incidents", "log"],
    "9": ["runs"],
    "0": ["settings", "keys"],
}
EVERYTHING = ["chart", "ladder", "tape", "fills", "bots", "positions", "orders", "risk", "log"]


async def test_home_is_the_bots_on_a_small_terminal() -> None:
    async with at_terminal(NARROW) as person:
        assert person.app.main.pane_key == "bots"
        assert [pane.key for pane in person.app.main.panes] == VIEWS["2"]


async def test_home_is_everything_on_a_large_terminal() -> None:
    async with at_terminal(WIDE) as person:
        assert person.app.main.pane_key == "bots"
        assert [pane.key for pane in person.app.main.panes] == EVERYTHING


async def test_digits_switch_views() -> None:
    async with at_terminal(NARROW) as person:
        for digit, keys in VIEWS.items():
            await person.press(digit)
            assert [pane.key for pane in person.app.main.panes] == keys
            for pane in person.app.main.panes:
                assert pane.text().strip(), pane.key


@pytest.mark.parametrize("size", [NARROW, (120, 30), (159, 60), WIDE, (200, 50)])
async def test_every_line_is_as_wide_as_the_terminal(size: tuple[int, int]) -> None:
    async with at_terminal(size) as person:
        for digit in VIEWS:
            await person.press(digit)
            lines = person.screen().splitlines()
            assert len(lines) == size[1]
            assert {text_width(line) for line in lines} == {size[0]}
            assert "PAPER" in lines[0]
            assert "F12F12 KILL" in lines[-1]


async def test_below_80x24_only_the_necessary_is_shown() -> None:
    async with at_terminal((60, 18)) as person:
        screen = person.screen()
        assert "too small (60x18, needs 80x24): F12 works" in screen
        assert "PAPER" in screen
        assert "+84.10" in screen
        assert "BTCUSDT grid +0.025" in screen
        await person.press("p", "b")
        assert person.session.commands == []
        await person.press("f12", "f12")
        assert len(person.session.commands) == 1


async def test_a_terminal_that_grows_shows_its_panes() -> None:
    async with at_terminal((60, 18)) as person:
        await person.pilot.resize_terminal(*WIDE)
        await person.wait(300)
        assert "too small" not in person.screen()
        assert "grid" in person.pane(BotsPane)


async def test_tab_goes_round() -> None:
    async with at_terminal(NARROW) as person:
        seen = [person.app.main.pane_key]
        for _ in range(3):
            await person.press("tab")
            seen.append(person.app.main.pane_key)
        assert seen == ["bots", "risk", "log", "bots"]
        await person.press("shift+tab")
        assert person.app.main.pane_key == "log"


async def test_one_pane_can_have_the_whole_view() -> None:
    async with at_terminal(WIDE) as person:
        person.app.main.focus_pane("log")
        await person.press("z")
        assert [pane.key for pane in person.app.main.panes] == ["log"]
        assert person.app.main.panes[0].size.height > 35
        assert "[SAFE]" in person.header()
        await person.press("z")
        assert len(person.app.main.panes) == len(EVERYTHING)
        await person.press("z", "escape")
        assert len(person.app.main.panes) == len(EVERYTHING)


async def test_the_log_scrolls() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("5", "down")
        assert "ledger started" in person.pane(LogPane)
        assert len(person.pane(LogPane).splitlines()) >= 5


async def test_ascii_terminals_get_ascii_only() -> None:
    async with at_terminal(WIDE, ascii_only=True) as person:
        for digit in VIEWS:
            await person.press(digit)
            assert person.screen().isascii(), digit


async def test_nothing_is_painted_when_nothing_changed() -> None:
    async with at_terminal(WIDE) as person:
        painted = sum(pane.paint(pane._lines) for pane in person.app.main.panes)
        assert painted == 0


async def test_a_broken_pane_leaves_the_rest_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("oops [b]")

    async with at_terminal(WIDE) as person:
        monkeypatch.setattr(ChartPane, "draw", fail)
        await person.wait(1_100)
        assert "this pane failed: ZeroDivisionError: oops [b]" in person.pane(ChartPane)
        await person.press("f12", "f12")
        assert len(person.session.commands) == 1


async def test_waiting_for_the_first_picture() -> None:
    async with at_terminal(NARROW) as person:
        person.app.desk.snapshot = None
        person.app.desk._pictures.clear()
        person.app.paint(at_once=True)
        await person.pilot.pause()
        assert "waiting for the engine" in person.header()
        person.session.publish(a_snapshot())


async def test_a_resize_keeps_the_dialog_and_its_field() -> None:
    """It hung over the edge, and what was typed after the resize went nowhere."""
    async with at_terminal(WIDE) as person:
        await person.press("t", "tab", "tab")
        for size in ((100, 30), NARROW, (79, 23), (40, 10), (200, 60), NARROW):
            await person.pilot.resize_terminal(*size)
            await person.wait(300)
            is_too_small = size < NARROW
            assert ("order ticket" not in person.screen()) == is_too_small
            assert ("too small" in person.screen()) == is_too_small
            if is_too_small:
                assert f"({size[0]}x{size[1]}" in person.screen()
                await person.type("9")  # Not into what cannot be seen.
                person.app.post_message(Paste("99"))
                continue
            box = person.app.main.dialog
            assert box is not None
            assert person.app.main.region.contains_region(box.region)
            await person.press("backspace")
            await person.type("7")
            assert "qty     0.007" in person.screen()
        await person.press("escape")
        assert person.app.main.dialog is None


async def test_no_dialog_opens_where_it_cannot_be_seen() -> None:
    async with at_terminal((60, 18)) as person:
        for key in ("t", "ctrl+p", "f1", "Q"):
            await person.press(key)
            assert person.app.main.dialog is None


async def test_the_size_of_an_order_key_is_in_sight_on_any_terminal() -> None:
    """With five decimals the ladder's title lost all of its note at 80x24, the size first."""
    fine = msgspec.structs.replace(linear(), lot=Decimal("0.00001"), tick=Decimal("0.01"))
    async with at_terminal(NARROW, a_snapshot(instruments=[fine])) as person:
        await person.press("1")
        title = person.screen().splitlines()[2]
        assert "size 0.05000" in title
        assert title.startswith("── ladder BTCUSDT ──")
