"""The first frame of `pilothouse tui`: at once, in its place, and gone when it should be."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from app.curtain import painted
from app.paths import HOME_VARIABLE
from app.views.cells import line_width
from app.views.curtain import curtain_lines, home_frames
from app.views.glyphs import ASCII, UNICODE
from app.views.theme import load_theme
from tests.support.service import ROOT, ScriptedEngine, command_line, endpoint_at
from tests.support.terminal import Terminal
from tests.support.vt import Vt
from tests.tui.harness import NARROW, WIDE, at_terminal

SIZES = [NARROW, (120, 30), (159, 60), WIDE, (161, 40), (200, 57)]
WORDS = "attaching to the engine of profile paper ..."


class Watched(Terminal):
    """Keeps what was on the screen after every piece of output."""

    def __init__(self, *arguments: object, **options: object) -> None:
        self.shown: list[str] = []
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def _take(self, data: bytes) -> None:
        super()._take(data)
        self.shown.append(self.vt.text())


def environ_of(home: Path) -> dict[str, str]:
    return {**os.environ, HOME_VARIABLE: str(home), "TERM": "xterm-256color"}


@pytest.mark.parametrize("size", SIZES)
async def test_frames_stand_where_the_panes_will(size: tuple[int, int]) -> None:
    async with at_terminal(size) as person:
        panes = {
            (pane.key, pane.region.x, pane.region.y, pane.region.width, pane.region.height)
            for pane in person.app.main.panes
        }
    assert panes == set(home_frames(*size))


@pytest.mark.parametrize("size", [*SIZES, (60, 18), (12, 3), (1, 1)])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_line_is_as_wide_as_the_terminal(size: tuple[int, int], glyphs: object) -> None:
    lines = curtain_lines(WORDS, *size, glyphs)  # type: ignore[arg-type]
    assert len(lines) == size[1]
    assert {line_width(line) for line in lines} == {size[0]}


@pytest.mark.parametrize(
    ("environ", "colour"),
    [
        ({"COLORTERM": "truecolor"}, "48;2;13;17;23"),
        ({"TERM": "xterm-256color"}, "48;5;16"),
        ({"TERM": "vt100"}, ""),
        ({"COLORTERM": "truecolor", "NO_COLOR": "1"}, ""),
    ],
)
def test_colours_are_those_that_the_terminal_has(environ: dict[str, str], colour: str) -> None:
    lines = curtain_lines(WORDS, *NARROW, UNICODE)
    text = painted(lines, load_theme("colour-blind"), environ)
    assert colour in text
    assert ("48;" in text) is bool(colour)
    vt = Vt(*NARROW)
    vt.feed(text.encode())
    assert not vt.unknown
    assert vt.line(0).startswith(f" PILOTHOUSE   {WORDS}")
    assert "── bots ──" in vt.line(2)


def test_the_first_frame_stays_until_data_replace_it(tmp_path: Path) -> None:
    """No empty screen and no jumping frame between the two."""
    with (
        ScriptedEngine(tmp_path),
        Watched(command_line("tui"), NARROW, environ_of(tmp_path)) as terminal,
    ):
        terminal.until(lambda vt: "equity" in vt.line(1))
        shown = terminal.shown
    # A terminal hands the first frame over in two pieces; it counts from its last title on.
    first = next(at for at, text in enumerate(shown) if "── log" in text)
    assert WORDS in shown[first]
    frames = [text.splitlines() for text in shown[first:]]
    assert len(frames) > 1
    for rows in frames:
        assert "── bots" in rows[2]
        assert "── risk" in rows[9]
        assert "── log" in rows[18]


def test_an_engine_that_refuses_is_told_on_the_shells_screen(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path):
        endpoint_at(tmp_path).token_path.write_text("not the token\n")
        with Watched(command_line("tui"), NARROW, environ_of(tmp_path)) as terminal:
            terminal.until(lambda vt: "token: is not the one of this engine" in vt.text())
            assert terminal.process.wait(10) != 0
            assert "PILOTHOUSE" not in terminal.vt.text()


def test_a_dead_engine_leads_to_the_question(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path):
        socket_path = endpoint_at(tmp_path).door_path
    socket_path.touch()  # As a kill leaves it.
    with Watched(command_line("tui"), NARROW, environ_of(tmp_path)) as terminal:
        terminal.until(lambda vt: "Start one that keeps running?" in vt.text())
        assert "PILOTHOUSE" not in terminal.vt.text()
        terminal.press("n\r")
        assert terminal.process.wait(10) == 3
        assert "n" in terminal.vt.text()  # Typed keys are echoed again.


PROGRAM = f"""
import sys, termios
sys.path.insert(0, {str(ROOT)!r})
from app.curtain import Curtain
before = termios.tcgetattr(0)
try:
    with Curtain("waiting", "mono", ascii_only=False):
        assert not termios.tcgetattr(0)[3] & termios.ECHO
        sys.stdin.readline()
        raise KeyboardInterrupt
except KeyboardInterrupt:
    print("as before:", termios.tcgetattr(0) == before)
"""


def test_the_terminal_is_as_it_was_whatever_happens() -> None:
    with Watched([sys.executable, "-c", PROGRAM], NARROW, dict(os.environ)) as terminal:
        terminal.until(lambda vt: "waiting" in vt.line(0))
        terminal.press("buy everything\r")
        terminal.until(lambda vt: "as before: True" in vt.text())
        assert not any("buy" in text for text in terminal.shown)
