"""The terminal's first frame, painted before the engine has answered and the toolkit is loaded.

Loading the toolkit takes longer than anybody should look at nothing. The curtain goes onto the
alternate screen with plain escape sequences; the face that takes over stays on that screen and
paints over it. Whatever happens before that lifts the curtain again and leaves the terminal as it
was: a question or an error must be seen where the person typed the command.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from app.views.cells import Line
from app.views.curtain import curtain_lines
from app.views.glyphs import ASCII, UNICODE
from app.views.theme import Theme, Tone, load_theme

if sys.platform != "win32":
    import termios

_FD = 2
"""Where the toolkit draws, too."""
_UP = "\x1b[?1049h\x1b[?25l\x1b[H"
_LIFT = "\x1b[m\x1b[?1049l\x1b[?25h"
_COLOUR_STEPS = (0, 95, 135, 175, 215, 255)
"""Of the 6x6x6 cube that terminals with 256 colours have."""


def has_curtain() -> bool:
    """Whether the terminal is one that can show it."""
    if sys.platform == "win32":
        return False
    return os.environ.get("TERM", "") not in ("", "dumb") and os.isatty(0) and os.isatty(_FD)


class Curtain:
    """`with Curtain(...) as curtain:` paints it and keeps typed keys off it. On the way out the
    terminal is as it was, whoever had it meanwhile."""

    def __init__(self, words: str, palette: str, *, ascii_only: bool) -> None:
        self._words = words
        self._theme = load_theme(palette)
        self._glyphs = ASCII if ascii_only else UNICODE
        self._is_up = False
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        self._hush()
        width, height = os.get_terminal_size(_FD)
        lines = curtain_lines(self._words, width, height, self._glyphs)
        self._is_up = True
        self._write(_UP + painted(lines, self._theme, os.environ))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.lift()

    def hand_over(self) -> None:
        """A face has the alternate screen now, and leaves it by itself."""
        self._is_up = False

    def lift(self) -> None:
        """Back to the screen of the shell; nothing where that was done."""
        if self._is_up:
            self._is_up = False
            self._write(_LIFT)
        if sys.platform != "win32" and self._before is not None:
            before, self._before = self._before, None
            with contextlib.suppress(termios.error):  # Hung up.
                termios.tcsetattr(0, termios.TCSANOW, before)

    def _hush(self) -> None:
        """Typed keys are not echoed onto the curtain; Ctrl+C still ends the command."""
        if sys.platform != "win32":
            with contextlib.suppress(termios.error):
                self._before = termios.tcgetattr(0)
                quiet = termios.tcgetattr(0)
                quiet[3] &= ~termios.ECHO
                termios.tcsetattr(0, termios.TCSANOW, quiet)

    def _write(self, text: str) -> None:
        data = text.encode(errors="replace")
        while data:
            data = data[os.write(_FD, data) :]


def painted(lines: list[Line], theme: Theme, environ: Mapping[str, str]) -> str:
    """The lines as they go to a terminal, from its first row on."""
    out = []
    for row, line in enumerate(lines):
        out.append(f"\x1b[{row + 1}H")
        for text, tone in line:
            out.append(f"\x1b[0;{_sgr(theme.tone(tone), theme, environ)}m{text}")
    return "".join(out) + "\x1b[m"


def _sgr(tone: Tone, theme: Theme, environ: Mapping[str, str]) -> str:
    fg = tone.fg or theme.colours["text"]
    bg = tone.bg or theme.colours["ground"]
    colours = _colours(fg, bg, environ)
    return ";".join([*(["1"] if tone.bold else []), *colours]) or "0"


def _colours(fg: str, bg: str, environ: Mapping[str, str]) -> list[str]:
    """As exact as the terminal says it can; none where it says nothing, or wants none."""
    if environ.get("NO_COLOR"):
        return []
    if environ.get("COLORTERM", "") in ("truecolor", "24bit"):
        return [f"38;2;{_rgb(fg)}", f"48;2;{_rgb(bg)}"]
    if "256color" in environ.get("TERM", ""):
        return [f"38;5;{_nearest(fg)}", f"48;5;{_nearest(bg)}"]
    return []


def _rgb(colour: str) -> str:
    return ";".join(str(part) for part in _parts(colour))


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _nearest(colour: str) -> int:
    """In the cube of 256 colours."""
    red, green, blue = (_step(part) for part in _parts(colour))
    return 16 + 36 * red + 6 * green + blue


def _step(part: int) -> int:
    return min(range(6), key=lambda step: abs(_COLOUR_STEPS[step] - part))
