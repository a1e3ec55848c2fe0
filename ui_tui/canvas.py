"""What the terminal shows, column by column, and the fewest bytes from there to the next picture.

Textual repaints spans of widgets and sets each piece's style anew. Here a frame is compared with
what the terminal already shows: only columns that differ are sent, and only that part of the style
that changes. Blanks of one ground are equal whatever colour a letter there would have.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from rich.cells import get_character_cell_size

GAP_MAX = 3
"""Columns that are sent again rather than jumped over: a jump takes four bytes."""


class Pen(NamedTuple):
    """A style as parts of an SGR sequence, each "" for the terminal's own."""

    marks: str = ""
    fg: str = ""
    bg: str = ""


class Piece(NamedTuple):
    """Text in one style; `sgr` as in `ESC[...m`."""

    text: str
    sgr: str = ""


class Row:
    """One line of the terminal. A char of None is not known; the second column of a wide one
    holds ""."""

    def __init__(self, width: int) -> None:
        self.chars: list[str | None] = [None] * width
        self.pens: list[Pen] = [PLAIN] * width


PLAIN = Pen()
_ENDS = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "7": "27", "9": "29"}
_SHOW_ON_BLANKS = frozenset({"4", "7", "9", "21", "53"})


class Canvas:
    def __init__(self) -> None:
        self._size = (0, 0)
        self._rows: list[Row] = []
        self._at = (-1, -1)
        """The terminal's cursor, row and column; row -1 while nobody knows."""
        self._pen: Pen | None = None
        self._out: list[str] = []

    def forget(self) -> None:
        """The terminal may show anything: what comes next is sent whole."""
        self._size = (0, 0)

    def knows(self, size: tuple[int, int]) -> bool:
        """Whether a picture of this size is on the terminal."""
        return size == self._size

    def frame(
        self, size: tuple[int, int], spans: Iterable[tuple[int, int, Iterable[Piece]]]
    ) -> str:
        """The bytes that put `spans` (row, first column, pieces) on a terminal of `size` columns
        and rows; "" when it shows them already. It ends in the terminal's own style."""
        width, height = size
        if size != self._size:
            self._size = size
            self._rows = [Row(width) for _ in range(height)]
        self._at, self._pen, self._out = (-1, -1), PLAIN, []
        for row, first, pieces in spans:
            if 0 <= row < height:
                self._span(row, first, pieces)
        if self._pen != PLAIN:
            self._out.append("\x1b[m")
        return "".join(self._out)

    def _span(self, y: int, first: int, pieces: Iterable[Piece]) -> None:
        chars: list[str] = []
        pens: list[Pen] = []
        for text, sgr in pieces:
            columns = _columns(text)
            pen, blank = _pens(sgr)
            chars += columns
            if blank is pen or " " not in text:
                pens += [pen] * len(columns)
            else:
                pens += [blank if char == " " else pen for char in columns]
        row = self._rows[y]
        room = len(row.chars) - first
        del chars[room:], pens[room:]
        end = first + len(chars)
        if row.chars[first:end] == chars and row.pens[first:end] == pens:
            return
        old_chars, old_pens = row.chars[first:end], row.pens[first:end]
        row.chars[first:end] = chars
        row.pens[first:end] = pens
        differs = [
            at
            for at, (char, pen) in enumerate(zip(chars, pens, strict=True))
            if char != old_chars[at] or pen != old_pens[at]
        ]
        self._send(y, first, chars, pens, differs)

    def _send(
        self, y: int, first: int, chars: list[str], pens: list[Pen], differs: list[int]
    ) -> None:
        """Draw the columns `differs`, and those between that are cheaper to draw than to pass."""
        done = 0
        for column in differs:
            if column < done:
                continue  # The second half of a wide character.
            start = column
            while start and not chars[start]:
                start -= 1
            if 0 < start - done <= GAP_MAX and self._at == (y, first + done):
                bridge = pens[done:start]
                if all(pen == self._pen for pen in bridge):
                    start = done
            self._go(y, first + start)
            end = column + 1
            while end < len(chars) and not chars[end]:
                end += 1
            for at in range(start, end):
                if chars[at]:
                    self._draw(chars[at], pens[at])
            done = end
            self._at = (y, first + end)

    def _draw(self, char: str, pen: Pen) -> None:
        if pen != self._pen and not self._serves(char, pen):
            self._out.append(_change(self._pen or PLAIN, pen))
            self._pen = pen
        self._out.append(char)

    def _serves(self, char: str, pen: Pen) -> bool:
        """Does a blank look right in the style that is set?"""
        now = self._pen
        return (
            char == " "
            and now is not None
            and now.bg == pen.bg
            and not pen.marks
            and _SHOW_ON_BLANKS.isdisjoint(now.marks.split(";"))
        )

    def _go(self, y: int, x: int) -> None:
        row, column = self._at
        if (row, column) == (y, x):
            return
        if row == y and x > column and column < self._size[0]:
            step = x - column
            self._out.append("\x1b[C" if step == 1 else f"\x1b[{step}C")
        else:
            self._out.append(f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H")


@lru_cache(maxsize=4096)
def _columns(text: str) -> tuple[str, ...]:
    """A string for each column: overlaying marks stay with their letter."""
    if text.isascii():
        return tuple(text)
    columns: list[str] = []
    for char in text:
        width = get_character_cell_size(char)
        if width == 0:
            if columns:
                columns[-1] += char
            continue
        columns.append(char)
        columns += [""] * (width - 1)
    return tuple(columns)


@lru_cache(maxsize=4096)
def _pens(sgr: str) -> tuple[Pen, Pen]:
    """The pen of a style, and the one that its blanks are kept as."""
    marks: list[str] = []
    fg = bg = ""
    codes = sgr.split(";") if sgr else []
    while codes:
        code = codes.pop(0)
        if code in ("38", "48"):
            count = 4 if codes[0] == "2" else 2
            colour = ";".join((code, *codes[:count]))
            del codes[:count]
            fg, bg = (colour, bg) if code == "38" else (fg, colour)
        elif code in _ENDS or code in _SHOW_ON_BLANKS or len(code) == 1:
            marks.append(code)
        elif code in ("39", "49"):
            fg, bg = ("", bg) if code == "39" else (fg, "")
        elif code[0] in "39":
            fg = code
        else:
            bg = code
    pen = Pen(";".join(marks), fg, bg)
    if not _SHOW_ON_BLANKS.isdisjoint(marks):
        return pen, pen
    return pen, Pen("", "", bg)


@lru_cache(maxsize=4096)
def _change(old: Pen, new: Pen) -> str:
    """The shorter of two ways to a pen: from the one that is set, or from none."""
    whole = ";".join(part for part in ("0", *new) if part)
    before, after = set(old.marks.split(";")) - {""}, set(new.marks.split(";")) - {""}
    if {"1", "2"} <= before | after or not before | after <= _ENDS.keys():
        return f"\x1b[{whole}m"
    steps = [_ENDS[mark] for mark in sorted(before - after)] + sorted(after - before)
    if new.fg != old.fg:
        steps.append(new.fg or "39")
    if new.bg != old.bg:
        steps.append(new.bg or "49")
    part = ";".join(steps)
    return f"\x1b[{min(part, whole, key=len)}m"
