"""The real `pilothouse tui` in a real pseudo terminal, on a scripted engine: what the line does to
it, and what it does to the line. Nothing here asks how long something took."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from app.paths import HOME_VARIABLE
from tests.support.service import ScriptedEngine, command_line, eventually
from tests.support.terminal import Terminal
from tests.support.vt import Glyph, Vt

WIDE = (160, 45)
F6 = "\x1b[17~"


@contextmanager
def a_terminal(
    home: Path, *, answers: bool = True, size: tuple[int, int] = WIDE, **environ: str
) -> Iterator[Terminal]:
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    known = {"TERM": "xterm-256color", "COLORTERM": "truecolor", HOME_VARIABLE: str(home)}
    with Terminal(
        command_line("tui"), size, {**clean, **known, **environ}, answers=answers
    ) as terminal:
        terminal.until(lambda vt: "QQ" in vt.text() or "F12" in vt.text())
        yield terminal


def shows_equity(words: str) -> Callable[[Vt], bool]:
    return lambda vt: words in vt.line(1)


def below_header(vt: Vt) -> list[object]:
    """Without the clocks of the first two lines and the ages of stale panes."""
    rows = [list(row) for row in vt.seen()[2:]]
    for row in rows:
        for match in re.finditer(r"STALE \w+", "".join(glyph.char or " " for glyph in row)):
            row[slice(*match.span())] = [Glyph("?")] * len(match.group())
    return list(rows)


def test_a_reader_that_stops_freezes_nothing(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path) as engine, a_terminal(tmp_path) as terminal:
        terminal.stop_reading()
        for number in range(400):  # More pictures than queue and line hold as frames.
            engine.publish(equity=Decimal(50_000 + number))
            turns = engine.turns
            eventually(lambda turns=turns: engine.turns > turns + 1)
        read = terminal.bytes_read
        terminal.press(F6)  # The event loop lives: the key becomes a command.
        eventually(lambda: engine.carried_out)
        terminal.read_on()
        terminal.until(shows_equity("50,399.00"))  # The newest picture, not those in between.
        assert terminal.bytes_read - read < 200_000
        assert terminal.process.poll() is None


def test_frames_sent_as_differences_are_the_whole_picture(tmp_path: Path) -> None:
    """What many small frames have left on the screen is what one whole frame draws."""
    with ScriptedEngine(tmp_path) as engine, a_terminal(tmp_path) as terminal:
        for number in range(20):
            engine.publish(equity=Decimal(70_000 + number), fees=Decimal(number))
            words = f"{70_000 + number:,}.00"
            terminal.until(shows_equity(words))
        terminal.press("t")
        terminal.until(lambda vt: "order ticket" in vt.text())
        terminal.press("\x1b")
        terminal.until(lambda vt: "order ticket" not in vt.text() and " Q leave" in vt.line(44))
        for number in range(3):  # Whatever the closing has set off is on the screen by then.
            engine.publish(equity=Decimal(71_000 + number))
            terminal.until(shows_equity(f"{71_000 + number:,}.00"))
        before = below_header(terminal.vt)
        terminal.resize(161, 45)
        terminal.until(lambda vt: "~" * 20 not in vt.text())
        terminal.resize(*WIDE)
        terminal.until(lambda vt: below_header(vt) == before)
        assert terminal.vt.unknown == []


def test_resizes_in_a_storm_leave_a_whole_picture(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path) as engine, a_terminal(tmp_path) as terminal:
        for number in range(30):
            terminal.resize(60 + number * 5, 12 + number)
        terminal.resize(*WIDE)
        terminal.until(lambda vt: "F12" in vt.line(44) and "~~" not in vt.text())
        engine.publish(equity=Decimal(60_000))
        terminal.until(shows_equity("60,000.00"))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL, signal.SIGTERM])
def test_the_engine_outlives_a_terminal_that_is_killed(tmp_path: Path, number: int) -> None:
    with ScriptedEngine(tmp_path) as engine, a_terminal(tmp_path) as terminal:
        terminal.process.send_signal(number)
        eventually(lambda: terminal.process.poll() is not None)
        assert engine.is_well()
        assert engine.carried_out == []


def test_a_terminal_that_is_ended_gives_the_screen_back(tmp_path: Path) -> None:
    """SIGTERM left the alternate screen up, the keys raw and the mouse reported."""
    with ScriptedEngine(tmp_path), a_terminal(tmp_path) as terminal:
        assert terminal.is_raw()
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.process.wait(10) == 128 + signal.SIGTERM
        terminal.until(lambda vt: not vt.text().strip())
        assert not terminal.is_raw()


def test_bytes_that_are_no_text_do_not_end_it(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path) as engine, a_terminal(tmp_path) as terminal:
        terminal.send(b"\xe4\xf6\xff\x1b[48;9999;9999;0;0t")
        terminal.press(F6)
        eventually(lambda: engine.carried_out)
        assert terminal.process.poll() is None


def test_a_paste_without_brackets_sends_nothing(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path) as engine, a_terminal(tmp_path) as terminal:
        terminal.press("plums, apples")  # Its first letter is the key that pauses a bot.
        terminal.until(lambda vt: "pasted text ignored" in vt.text())
        terminal.press("plum")
        terminal.until(lambda vt: "press it alone" in vt.text())
        terminal.press(F6)
        eventually(lambda: engine.carried_out)
        assert [getattr(one, "bot_id", None) for one in engine.carried_out] == [""]


@pytest.mark.parametrize(
    "environ",
    [
        {"TERM": "dumb", "COLORTERM": ""},
        {"TERM": "linux", "COLORTERM": ""},
        {"TERM": "xterm-16color", "COLORTERM": ""},
        {"TERM": "tmux-256color", "COLORTERM": ""},
        {"NO_COLOR": "1"},
    ],
    ids=lambda environ: environ.get("TERM", "NO_COLOR"),
)
def test_terminals_of_all_kinds_show_the_picture(tmp_path: Path, environ: dict[str, str]) -> None:
    with (
        ScriptedEngine(tmp_path) as engine,
        a_terminal(tmp_path, size=(80, 24), **environ) as terminal,
    ):
        engine.publish(equity=Decimal(60_000))
        terminal.until(lambda vt: "60,000" in vt.text())
        colours = {glyph.pen.fg for row in terminal.vt.rows for glyph in row}
        is_true = any(colour.startswith("2;") for colour in colours)
        assert is_true == ("NO_COLOR" in environ)  # Textual draws NO_COLOR in shades of grey.
        assert terminal.vt.unknown == []


def test_a_terminal_that_answers_nothing_is_shown_everything(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path) as engine, a_terminal(tmp_path, answers=False) as terminal:
        for number in range(12):
            engine.publish(equity=Decimal(80_000 + number))
            terminal.until(shows_equity(f"{80_000 + number:,}.00"))
