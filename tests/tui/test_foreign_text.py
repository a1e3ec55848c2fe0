"""Names and texts from outside are drawn literally, whatever is in them."""

from tests.support.builders import linear
from tests.support.session import a_bot, a_fill, a_log, a_market, a_snapshot
from tests.tui.harness import NARROW, WIDE, at_terminal
from ui_tui.widgets.bots import BotsPane
from ui_tui.widgets.log import LogPane

EVIL = "[b]x[/b] [@click=app.quit()]y[/]"
ESCAPES = "a\x1b[31mred\x1b]0;owned\x07\x9b2Jb\r\nnext"


async def test_markup_is_shown_not_obeyed() -> None:
    snapshot = a_snapshot(
        bots=[a_bot("[b]x[/b]", last_action=EVIL, error="")],
        log=[a_log(1, EVIL, source="[u]who[/]")],
        profile="[blink]p[/]",
        world=EVIL,
        kill_reason=EVIL,
        halted="[bold]halted[/]",
    )
    async with at_terminal(WIDE, snapshot) as person:
        assert "[b]x[/b]" in person.pane(BotsPane)
        assert EVIL in person.pane(LogPane)
        assert "[u]who[/]" in person.pane(LogPane)
        assert "[bold]halted[/]" in person.header()
        await person.press("ctrl+p")
        await person.press("escape", "enter")
        assert EVIL in person.screen()


async def test_escapes_never_reach_the_terminal() -> None:
    """The border cleans foreign text; the widgets do not rely on it."""
    snapshot = a_snapshot(
        bots=[a_bot(ESCAPES, last_action=ESCAPES, params={ESCAPES: ESCAPES})],
        log=[a_log(1, ESCAPES)],
        fills=[a_fill(1, 1, 600_000, bot_id=ESCAPES)],
        profile=ESCAPES,
        world=ESCAPES,
        halted=ESCAPES,
    )
    for size in (NARROW, WIDE):
        async with at_terminal(size, snapshot) as person:
            for digit in "12345":
                await person.press(digit)
                screen = person.screen()
                assert not {"\x1b", "\x07", "\x9b", "\r"} & set(screen)
                assert len(screen.splitlines()) == size[1]


async def test_a_failure_text_is_literal_too() -> None:
    async with at_terminal(NARROW) as person:
        person.session.fails(f"boom {EVIL}")
        await person.wait(300)
        assert f"boom {EVIL}" in person.header()


async def test_wide_characters_keep_the_columns() -> None:
    snapshot = a_snapshot(
        bots=[a_bot("格子机器人", last_action="买入 0.005"), a_bot("tr\u0301\u0302end")],
        instruments=[linear()],
        markets=[a_market()],
    )
    async with at_terminal(WIDE, snapshot) as person:
        heads = [line.rstrip() for line in person.pane(BotsPane).splitlines()]
        assert "AUTO" in heads[2]
        assert "AUTO" in heads[3]
