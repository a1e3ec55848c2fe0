"""Lists: log filters, cursors that stay on their row, sentences of limits, the account."""

from decimal import Decimal

import pytest

from app.views import cursors
from app.views.cells import Line
from app.views.glyphs import UNICODE
from app.views.keymap import load_keymap
from app.views.logview import LogView
from app.views.manual import page_lines
from app.views.moneyview import account_lines
from app.views.palette import VIEWS, views_line
from app.views.riskview import risk_lines, sentence
from app.views.runsview import run_lines
from app.views.settingsview import keys_lines, settings_lines
from app.views.shelf import Answer, answer_of
from app.views.storyview import story_lines
from app.views.viewstate import ViewState
from engine.domain.commands import KillLevel
from tests.support.builders import linear
from tests.support.session import BTC, a_fill, a_limit, a_log, a_snapshot, some_log
from tests.support.shelf import FakeShelf
from tests.unit.views.test_desk import AtTheDesk

WIDTH = 78


def text(lines: list[Line]) -> str:
    return "\n".join("".join(cell.text for cell in line).rstrip() for line in lines)


# -- log ---------------------------------------------------------------------------------------


def test_the_log_filters_by_level_source_and_text() -> None:
    rows = some_log()[::-1]
    view = LogView()
    assert view.shown(rows) == rows
    view.next_level()
    assert [row.level for row in view.shown(rows)] == ["warn", "trade"]
    view.next_level()
    assert [row.level for row in view.shown(rows)] == ["warn"]
    view.clear()
    view.next_source(rows)
    assert {row.source for row in view.shown(rows)} == {"engine"}
    view.clear()
    view.text = "FILLED"
    assert [row.text for row in view.shown(rows)] == ["buy 0.005 filled @ 60012.4 fee 0.06 maker"]
    assert "FILLED" in view.words(rows, UNICODE)


def test_a_held_log_stands_still_and_counts_what_is_newer() -> None:
    rows = some_log()[::-1]
    view = LogView()
    view.hold(rows)
    newer = [a_log(19, "later"), *rows]
    assert view.shown(newer) == rows
    assert view.words(newer, UNICODE) == "HELD, 1 newer"
    view.follow()
    assert view.shown(newer) == newer


def test_a_level_of_a_newer_engine_is_never_hidden() -> None:
    view = LogView()
    for _ in range(3):
        view.next_level()
    assert view.shown([a_log(1, "new kind", "catastrophe")])


def test_scrolling_holds_the_log_and_home_follows() -> None:
    person = AtTheDesk()
    person.pane = "log"
    person.press("down")
    assert not person.desk.log.is_following
    person.press("space")
    assert person.desk.log.is_following


# -- cursors -----------------------------------------------------------------------------------


def test_the_cursor_stays_on_its_fill_when_new_ones_arrive() -> None:
    person = AtTheDesk()
    person.pane = "fills"
    person.press("down", "down")
    chosen = cursors.selected(person.desk, "fills")
    assert chosen == "12"
    fills = person.desk.snapshot.fills if person.desk.snapshot else []
    person.session.publish(fills=[*fills, a_fill(15, 1, 600_100)])
    person.look()
    assert cursors.selected(person.desk, "fills") == chosen
    person.press("home")
    assert cursors.selected(person.desk, "fills") == "15"
    person.press("end")
    assert cursors.selected(person.desk, "fills") == "1"


def test_the_orders_pane_can_be_filtered_to_ones_own() -> None:
    person = AtTheDesk()
    person.pane = "orders"
    assert len(cursors.order_ids(person.desk)) == 6
    person.press("v")
    assert person.desk.whose == cursors.OWN
    assert cursors.order_ids(person.desk) == []
    assert cursors.selected(person.desk, "orders") == ""
    person.press("v")
    assert len(cursors.order_ids(person.desk)) == 6, "all are of this symbol"


def test_the_tape_filter_steps_through_the_size_presets() -> None:
    person = AtTheDesk()
    person.pane = "tape"
    person.press("plus", "plus")
    assert person.desk.tape_from[BTC] == 2 * linear().min_lots
    person.press("minus", "minus", "minus")
    assert person.desk.tape_from[BTC] == 0


# -- risk --------------------------------------------------------------------------------------


def test_every_limit_is_a_sentence_with_its_value() -> None:
    assert sentence(a_limit("daily_loss", "0", "25000", "USDT")) == (
        "Loss since 00:00 UTC: at 25.0k USDT entries stop and all is closed."
    )
    assert sentence(a_limit("new_rule", "0", "5", "orders")) == "new rule: at most 5 orders."


def test_the_risk_screen_marks_the_kill_level_in_force() -> None:
    snapshot = a_snapshot(kill=KillLevel.REDUCE_ONLY, kill_reason="by tui")
    shown = text(risk_lines(ViewState(snapshot=snapshot), 0, load_keymap(), WIDTH, UNICODE))
    assert "▸2 RR  reduce only" in shown
    assert "reduce only: by tui" in shown
    assert "typed word" in shown
    assert "SAFE" in shown


def test_a_tripped_limit_says_so() -> None:
    limits = [a_limit("drawdown", "120", "100", "USDT", is_tripped=True)]
    shown = risk_lines(
        ViewState(snapshot=a_snapshot(limits=limits)), 0, load_keymap(), WIDTH, UNICODE
    )
    assert "REACHED" in text(shown)


# -- money -------------------------------------------------------------------------------------


def test_the_account_adds_up_line_by_line() -> None:
    shown = text(account_lines(a_snapshot(), WIDTH))
    figures = {}
    for line in shown.splitlines()[:6]:
        name, _, rest = line.strip().partition("  ")
        figures[name] = Decimal(rest.split()[0].replace(",", ""))
    parts = ("capital", "realised", "unrealised", "fees", "funding")
    assert sum(figures[name] for name in parts) == figures["equity"]


# -- what is read beside the screen ------------------------------------------------------------


def test_answers_pending_failed_and_good() -> None:
    shelf = FakeShelf()
    assert "reading" in text(story_lines(Answer(is_pending=True), WIDTH))
    assert "filled @ 60011.5" in text(story_lines(answer_of(shelf, "story", "q1"), WIDTH))
    missing = answer_of(shelf, "run", "nothing")
    assert "read the list again" in text(run_lines(missing, WIDTH, UNICODE))
    good = text(run_lines(answer_of(shelf, "run", "a1b2c3d4e5f6a7b8"), WIDTH, UNICODE))
    assert "+412.50 USDT" in good
    assert "1 figure not given" in good


def test_a_shelf_that_breaks_is_a_line_and_not_the_end() -> None:
    class Broken(FakeShelf):
        def runs(self, ident: str = "") -> list:  # type: ignore[type-arg]
            raise RuntimeError("disk on fire")

    assert answer_of(Broken(), "runs", "").error == "runs : RuntimeError: disk on fire"


def test_own_settings_stand_out_with_file_and_line() -> None:
    lines = settings_lines(answer_of(FakeShelf(), "settings", ""), WIDTH)
    assert lines[0][1].tone == "strong"
    assert "settings.toml:3" in text(lines[:1])
    assert lines[1][1].tone == "text"


def test_the_key_list_names_every_bound_action() -> None:
    keymap = load_keymap()
    shown = text(keys_lines(keymap, 120))
    for action_id in ("kill", "buy_limit", "log_level", "row_last"):
        assert f" {action_id} " in shown
    assert "resources/keymap.toml" in shown


@pytest.mark.parametrize("width", [40, 78, 120])
def test_manual_pages_keep_to_the_width(width: int) -> None:
    from app.bookshelf import FileShelf

    pages = FileShelf("demo").pages()
    assert pages[0].title == "First minutes"
    for page in pages:
        for line in page_lines(page.text, width):
            assert sum(len(cell.text) for cell in line) <= width, (page.name, line)


@pytest.mark.parametrize("width", [40, 74, 120])
def test_nothing_of_the_manual_is_cut(width: int) -> None:
    """What is to be typed must be readable whole at 80 columns."""
    from app.bookshelf import FileShelf

    for page in FileShelf("demo").pages():
        lines = page_lines(page.text, width)
        shown = " ".join("".join(cell.text for cell in line) for line in lines)
        for raw in page.text.splitlines():
            if raw.startswith("    "):
                for word in raw.split():
                    assert word in shown or len(word) > width - 10, (page.name, word)


def test_a_wide_table_names_each_of_its_cells() -> None:
    page = "| type | rests | after |\n|---|---|---|\n| stop | venue | works on |\n\nEnd."
    shown = ["".join(cell.text for cell in line).rstrip() for line in page_lines(page, 60)]
    assert shown == [" stop", "   rests: venue", "   after: works on", "", " End."]


def test_views_are_named_with_their_keys() -> None:
    line = views_line("risk", load_keymap(), 160)
    shown = "".join(cell.text for cell in line)
    assert " 7 risk " in shown
    assert [cell.text for cell in line if cell.tone.startswith("strong")] == [" risk "]
    assert len(VIEWS) == 10
