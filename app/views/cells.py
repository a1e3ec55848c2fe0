"""Text with a tone: what a table or drawing hands to a face. A face maps tones to colours."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple


class Cell(NamedTuple):
    """A piece of one line. `tone` names an entry of the theme's `[tones]`."""

    text: str
    tone: str = "text"


Line = tuple[Cell, ...]

ELLIPSIS = "…"


@lru_cache(maxsize=4096)
def char_width(char: str) -> int:
    """Terminal columns of one character: 0 for marks that overlay, 2 for wide ones, else 1."""
    if " " <= char <= "~":
        return 1
    if unicodedata.category(char) in ("Mn", "Me", "Cc", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def text_width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(char_width, text))


def fit(text: str, width: int, align: str = "<") -> str:
    """`text` in exactly `width` columns: padded, or cut with an ellipsis.

    Overlaying marks and controls are dropped: they would spill into the neighbouring rows.
    """
    if width <= 0:
        return ""
    if not text.isascii():
        text = _settled(text)
    elif not text.isprintable():
        text = "".join(char for char in text if char.isprintable())
    used = text_width(text)
    if used > width:
        text, used = _cut(text, width)
    room = " " * (width - used)
    if align == ">":
        return room + text
    if align == "^":
        left = (width - used) // 2
        return " " * left + text + " " * (width - used - left)
    return text + room


def _settled(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    return "".join(char for char in composed if char_width(char) > 0)


def _cut(text: str, width: int) -> tuple[str, int]:
    kept: list[str] = []
    used = 0
    for char in text:
        step = char_width(char)
        if used + step > width - 1:
            break
        kept.append(char)
        used += step
    return "".join(kept) + ELLIPSIS, used + 1


def line_width(line: Line) -> int:
    return sum(text_width(cell.text) for cell in line)


def fit_line(line: Line, width: int, tone: str = "text") -> Line:
    """`line` in exactly `width` columns; the padding has `tone`."""
    used = line_width(line)
    if used == width:
        return line
    if used < width:
        return (*line, Cell(" " * (width - used), tone))
    kept: list[Cell] = []
    room = width
    for cell in line:
        cell_width = text_width(cell.text)
        if cell_width >= room:
            kept.append(Cell(fit(cell.text, room), cell.tone))
            break
        kept.append(cell)
        room -= cell_width
    return tuple(kept)


def merge(cells: list[Cell]) -> Line:
    """Neighbours of one tone joined, so that a face draws fewer pieces."""
    merged: list[Cell] = []
    for cell in cells:
        if merged and merged[-1].tone == cell.tone:
            merged[-1] = Cell(merged[-1].text + cell.text, cell.tone)
        elif cell.text:
            merged.append(cell)
    return tuple(merged)


def spread(left: Line, right: Line, width: int, tone: str = "text") -> Line:
    """`left` at the left edge and `right` at the right edge; `left` is cut where they meet."""
    room = width - line_width(right)
    if room <= 0:
        return fit_line(right, width, tone)
    return fit_line(left, room, tone) + right
