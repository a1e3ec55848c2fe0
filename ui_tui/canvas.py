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
SHORT = 4
"""Steps that are cheaper one by one than counted."""
UNKNOWN = -1
"""Where the cursor stands before anything was said."""


class Pen(NamedTuple):
    """A style as parts of an SGR sequence, each "" for the terminal's own."""

    marks: str = ""
    fg: str = ""
    bg: str = ""


class Piece(NamedTuple):
    """Text in one style; `sgr` as in `ESC[...m`."""

    text: str
    sgr: str = ""


class Glyph(NamedTuple):
    """One column: its character with the marks over it, and the pen it is drawn in; "" is the
    second column of a wide one. Equal ones are one object (`_Glyphs`): rows are compared by
    addresses first."""

    char: str
    pen: Pen


PLAIN = Pen()
NOTHING = Glyph("nothing", PLAIN)
"""What is not known: no text has such a character."""
_ENDS = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "7": "27", "9": "29"}
_SHOW_ON_BLANKS = frozenset({"4", "7", "9", "21", "53"})


class Canvas:
    def __init__(self) -> None:
        self._size = (0, 0)
        self._rows: list[list[Glyph]] = []
        self._runs: dict[Pen, list[tuple[int, int, list[str]]]] = {}
        """Of the frame in the making: row, first column, a string for each column."""

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
            self._rows = [[NOTHING] * width for _ in range(height)]
        self._runs = {}
        for row, first, pieces in spans:
            if 0 <= row < height and first < width:  # Else laid out for a size that is past.
                self._span(row, first, pieces)
        return self._bytes()

    def _bytes(self) -> str:
        """Pen by pen, always the pen next that is told in the fewest bytes: setting a style costs
        more than jumping."""
        out: list[str] = []
        pen = PLAIN
        row, column = UNKNOWN, UNKNOWN
        while self._runs:
            new = min(self._runs, key=lambda other: 0 if other == pen else len(_change(pen, other)))
            if new != pen:
                out.append(_change(pen, new))
                pen = new
            for y, x, chars in self._runs.pop(new):
                text = "".join(chars)
                out += _jump(row, column, y, x), text
                row, column = y, x + len(chars)
                # In the last column a cursor may stand or hang over; and a terminal may think
                # another width of what is not ASCII.
                if column >= self._size[0] or not text.isascii():
                    column = UNKNOWN
        if pen != PLAIN:
            out.append("\x1b[m")
        return "".join(out)

    def _span(self, y: int, first: int, pieces: Iterable[Piece]) -> None:
        new: list[Glyph] = []
        for text, sgr in pieces:
            glyph_of = _glyphs(sgr).__getitem__
            new += map(glyph_of, text if text.isascii() else _columns(text))
        row = self._rows[y]
        del new[len(row) - first :]
        end = first + len(new)
        old = row[first:end]
        if old == new:
            return
        row[first:end] = new
        differs = [at for at, both in enumerate(zip(old, new, strict=True)) if both[0] != both[1]]
        self._send(y, first, new, differs)

    def _send(self, y: int, first: int, row: list[Glyph], differs: list[int]) -> None:
        """Note the columns `differs` as runs of one pen, with those between that are cheaper to
        draw than to pass."""
        done = 0
        run: list[str] = []
        now: Pen | None = None
        for column in differs:
            if column < done:
                continue  # The second half of a wide character.
            start = column
            while start and not row[start].char:
                start -= 1
            end = column + 1
            while end < len(row) and not row[end].char:
                end += 1
            glyph = row[start]
            pen = now if now and _serves(now, glyph) else glyph.pen
            is_joined = pen == now and (
                start == done
                or (start - done <= GAP_MAX and all(_serves(pen, one) for one in row[done:start]))
            )
            if not is_joined:
                run, now = [], pen
                self._runs.setdefault(pen, []).append((y, first + start, run))
                done = start
            run += [one.char for one in row[done:end]]
            done = end


def _serves(now: Pen, glyph: Glyph) -> bool:
    """Does a column look right in the pen `now`?"""
    char, pen = glyph
    if pen == now:
        return True
    return (
        char == " "
        and now.bg == pen.bg
        and not pen.marks
        and _SHOW_ON_BLANKS.isdisjoint(now.marks.split(";"))
    )


@lru_cache(maxsize=65_536)
def _jump(row: int, column: int, y: int, x: int) -> str:
    """The shortest way of the cursor to (y, x); where it stands may be UNKNOWN."""
    ways = [f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H"]
    if row != UNKNOWN:
        ways.append(_vertical(y - row) + _horizontal(column, x))
    return min(ways, key=len)


def _vertical(down: int) -> str:
    """A vertical tab is a line feed that stays in its column, also where the system turns line
    feeds into new lines."""
    if down >= 0:
        return "\x0b" * down if down <= SHORT else f"\x1b[{down}B"
    return "\x1b[A" if down == -1 else f"\x1b[{-down}A"


def _horizontal(column: int, x: int) -> str:
    if column == x:
        return ""
    if not x:
        return "\r"
    there = f"\x1b[{x + 1}G"
    if column == UNKNOWN:
        return there
    if x > column:
        return min("\x1b[C" if x == column + 1 else f"\x1b[{x - column}C", there, key=len)
    back = column - x
    return "\b" * back if back <= SHORT else min(f"\x1b[{back}D", there, key=len)


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


class _Glyphs(dict[str, Glyph]):
    """The glyphs of one style by their characters, made when they are first drawn."""

    def __init__(self, sgr: str) -> None:
        super().__init__()
        self._pen, self._blank = _pens(sgr)

    def __missing__(self, char: str) -> Glyph:
        made = Glyph(char, self._blank if char == " " else self._pen)
        glyph = self[char] = _ONE.setdefault(made, made)
        return glyph


_ONE: dict[Glyph, Glyph] = {}
"""Styles that look alike share their glyphs."""


@lru_cache(maxsize=1024)
def _glyphs(sgr: str) -> _Glyphs:
    return _Glyphs(sgr)


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
