"""A terminal without a window: takes bytes in, holds cells, and answers what it is asked.

It knows what Pilothouse's terminal and Textual write: moving, erasing, colours, titles, modes. What
it does not know it counts in `unknown`, so that a test can insist on nothing being lost.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from app.views.cells import char_width

_PIECE = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f]+)"
    r"|\x1b\[(?P<params>[\x30-\x3f]*)(?P<between>[\x20-\x2f]*)(?P<final>[\x40-\x7e])"
    r"|\x1b[\]P^_X](?P<words>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b(?P<escape>[\x20-\x2f]*[\x30-\x5a\x5c\x60-\x7e])"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
)

_ATTRIBUTES = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 5: "blink", 7: "reverse", 9: "out"}
_ENDS = {
    22: ("bold", "dim"),
    23: ("italic",),
    24: ("underline",),
    25: ("blink",),
    27: ("reverse",),
    29: ("out",),
}
_SWITCHES = frozenset(
    f"{number}" for number in (25, 1000, 1002, 1003, 1004, 1006, 1015, 1016, 2004, 2026)
)


class Pen(NamedTuple):
    fg: str = ""
    bg: str = ""
    marks: frozenset[str] = frozenset()


class Glyph(NamedTuple):
    """One column. The second column of a wide character holds ""."""

    char: str = " "
    pen: Pen = Pen()

    def seen(self) -> Glyph:
        """As an eye sees it: the colour of a blank's letter does not show."""
        if self.char != " " or self.pen.marks & {"underline", "reverse", "out"}:
            return self
        return Glyph(" ", Pen(bg=self.pen.bg))


class Vt:
    def __init__(
        self, width: int, height: int, *, syncs: bool = True, answers: bool = True
    ) -> None:
        self.width = width
        self.height = height
        self.rows = [[Glyph()] * width for _ in range(height)]
        self.title = ""
        self.is_wrapping = True
        self.unknown: list[str] = []
        self.replies: list[str] = []
        """What it wants to say to the program; the owner sends and clears it."""
        self._syncs = syncs
        self._answers = answers
        self._x = self._y = 0
        self._pen = Pen()
        self._rest = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def feed(self, data: bytes) -> None:
        text = self._rest + self._decode(data)
        at = 0
        while match := _PIECE.match(text, at):
            at = match.end()
            self._take(match)
        self._rest = text[at:]

    def resize(self, width: int, height: int) -> None:
        """Another size, with what a terminal leaves behind: something that is not the picture."""
        self.width, self.height = width, height
        self.rows = [[Glyph("~")] * width for _ in range(height)]
        self._x, self._y = min(self._x, width - 1), min(self._y, height - 1)

    def line(self, row: int) -> str:
        return "".join(glyph.char for glyph in self.rows[row])

    def text(self) -> str:
        return "\n".join(self.line(row).rstrip() for row in range(self.height))

    def seen(self) -> list[list[Glyph]]:
        return [[glyph.seen() for glyph in row] for row in self.rows]

    def _take(self, match: re.Match[str]) -> None:
        if (text := match["text"]) is not None:
            self._write(text)
        elif (final := match["final"]) is not None:
            self._sequence(match["params"], match["between"], final)
        elif (words := match["words"]) is not None:
            self.title = words[2:] if words.startswith("0;") else self.title
        elif (control := match["control"]) is not None:
            self._control(control)
        elif match["escape"] not in ("7", "8", "=", ">", "(B"):
            self.unknown.append(f"ESC {match['escape']}")

    def _write(self, text: str) -> None:
        row = self.rows[self._y]
        for char in text:
            width = char_width(char)
            if self._x + width > self.width:
                if not self.is_wrapping:
                    self._x = self.width - width
                else:
                    self._x, self._y = 0, min(self._y + 1, self.height - 1)
                    row = self.rows[self._y]
            if width == 0:
                continue
            self._part(row, self._x, width)
            row[self._x] = Glyph(char, self._pen)
            if width == 2:
                row[self._x + 1] = Glyph("", self._pen)
            self._x += width

    def _part(self, row: list[Glyph], x: int, width: int) -> None:
        """Half of a wide character cannot stay: the other half becomes a blank."""
        if row[x].char == "" and x:
            row[x - 1] = Glyph(" ", row[x - 1].pen)
        end = x + width
        if end < self.width and row[end].char == "":
            row[end] = Glyph(" ", row[end].pen)

    def _control(self, control: str) -> None:
        if control == "\n":  # As a tty in its usual mode hands it on: carriage return and all.
            self._x, self._y = 0, min(self._y + 1, self.height - 1)
        elif control == "\x0b":
            self._x, self._y = min(self._x, self.width - 1), min(self._y + 1, self.height - 1)
        elif control == "\r":
            self._x = 0
        elif control == "\b":
            self._x = max(0, self._x - 1)
        elif control not in "\x00\x07":
            self.unknown.append(repr(control))

    def _sequence(self, params: str, between: str, final: str) -> None:
        if between or params[:1] in ("?", ">", "<", "="):
            self._mode(params, between, final)
            return
        numbers = [int(part or 0) for part in params.split(";")]
        first = numbers[0]
        if final == "m":
            self._colour(params)
        elif final in "Hf":
            self._y = min(max(first, 1), self.height) - 1
            self._x = min(max(numbers[1] if len(numbers) > 1 else 1, 1), self.width) - 1
        elif final == "G":
            self._x = min(max(first, 1), self.width) - 1
        elif final == "d":
            self._y = min(max(first, 1), self.height) - 1
        elif final in "ABCD":
            self._move(final, max(first, 1))
        elif final == "K" and first in (0, 2):
            self._erase(self._y, 0 if first else self._x)
        elif final == "J" and first in (0, 2, 3):
            self._erase(self._y, self._x)
            for row in range(0 if first else self._y + 1, self.height):
                self._erase(row, 0)
        elif final == "n" and first == 6:
            self._reply(f"\x1b[{self._y + 1};{self._x + 1}R")
        elif final not in "tu":
            self.unknown.append(f"CSI {params}{final}")

    def _move(self, final: str, count: int) -> None:
        step_x, step_y = {"A": (0, -1), "B": (0, 1), "C": (1, 0), "D": (-1, 0)}[final]
        self._x = min(max(self._x + step_x * count, 0), self.width - 1)
        self._y = min(max(self._y + step_y * count, 0), self.height - 1)

    def _erase(self, row: int, first: int) -> None:
        blank = Glyph(" ", Pen(bg=self._pen.bg))
        self.rows[row][first:] = [blank] * (self.width - first)

    def _mode(self, params: str, between: str, final: str) -> None:
        if between == "$" and final == "p":
            known = 2 if params == "?2026" and self._syncs else 0
            self._reply(f"\x1b[{params};{known}$y")
        elif final in "hl" and params == "?7":
            self.is_wrapping = final == "h"
        elif final in "hl" and params == "?1049":
            self.rows = [[Glyph()] * self.width for _ in range(self.height)]
        elif final not in "u" and params.removeprefix("?") not in _SWITCHES:
            self.unknown.append(f"CSI {params}{between}{final}")

    def _reply(self, text: str) -> None:
        if self._answers:
            self.replies.append(text)

    def _colour(self, params: str) -> None:
        parts = [int(part or 0) for part in params.split(";")]
        fg, bg, marks = self._pen
        while parts:
            part = parts.pop(0)
            if part == 0:
                fg, bg, marks = Pen()
            elif part in _ATTRIBUTES:
                marks |= {_ATTRIBUTES[part]}
            elif part in _ENDS:
                marks -= set(_ENDS[part])
            elif part in (38, 48):
                count = 4 if parts[0] == 2 else 2
                colour = ";".join(str(number) for number in parts[:count])
                del parts[:count]
                fg, bg = (colour, bg) if part == 38 else (fg, colour)
            elif part == 39 or 30 <= part <= 37 or 90 <= part <= 97:
                fg = "" if part == 39 else str(part)
            elif part == 49 or 40 <= part <= 47 or 100 <= part <= 107:
                bg = "" if part == 49 else str(part)
            else:
                self.unknown.append(f"SGR {part}")
        self._pen = Pen(fg, bg, marks)
