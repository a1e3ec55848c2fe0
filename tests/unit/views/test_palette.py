"""Palette, help and footer come from the action table."""

from app.views.actions import ACTIONS, contexts_of
from app.views.cells import line_width
from app.views.keymap import load_keymap
from app.views.palette import footer_line, help_lines, palette_line, search
from app.views.viewstate import ViewState
from tests.support.session import BTC, a_snapshot

VIEW = ViewState(snapshot=a_snapshot(), instrument_id=BTC, bot_id="grid", qty_lots=5)
KEYMAP = load_keymap()


def text_of(lines: list[tuple[object, ...]]) -> str:
    return "\n".join("".join(cell.text for cell in line) for line in lines)  # type: ignore[attr-defined]


def test_everything_can_be_found() -> None:
    assert search("") == list(ACTIONS.values())
    for action in ACTIONS.values():
        assert action in search(action.id.replace("_", " "))


def test_the_best_match_comes_first() -> None:
    assert search("kill")[0].id == "kill"
    assert search("flatten all")[0].id == "flatten_all"
    assert search("reset")[0].id == "reset_kill"
    assert search("no such thing") == []


def test_help_lists_every_key_of_the_pane_and_of_everywhere() -> None:
    for pane in ("ladder", "bots", "orders", "chart", "log"):
        shown = text_of(help_lines(pane, KEYMAP, 100))  # type: ignore[arg-type]
        for action in ACTIONS.values():
            if set(action.contexts) & set(contexts_of(pane)):
                assert action.text[:50] in shown, (pane, action.id)


def test_lines_keep_their_width() -> None:
    for width in (76, 100):
        for action in ACTIONS.values():
            for chosen in (True, False):
                assert line_width(palette_line(action, VIEW, KEYMAP, width, chosen)) == width


def test_the_footer_always_has_the_safety_keys() -> None:
    for pane in ("", "ladder", "bots", "orders", "chart", "log"):
        for width in (80, 120, 160):
            line = footer_line(pane, VIEW, KEYMAP, width)
            shown = "".join(cell.text for cell in line)
            assert len(shown) <= width
            for words in ("F12F12 KILL", "F8F8 flat", "F9 cancel", "F1 keys"):
                assert words in shown
    assert "b buy" in "".join(c.text for c in footer_line("ladder", VIEW, KEYMAP, 80))
    assert "TT take" in "".join(c.text for c in footer_line("bots", VIEW, KEYMAP, 80))
