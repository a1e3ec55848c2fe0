"""The first frame: where the panes of the home screen will stand, and what is going on.

It is drawn before the engine has answered and before any toolkit is loaded, so nothing here knows
a figure, a market or a mode. `tests/tui/test_curtain.py` holds the places to those of the layout in
ui_tui/app.tcss: what comes after the curtain must not move.
"""

from __future__ import annotations

from typing import NamedTuple

from app.views.cells import Cell, Line, fit_line, merge
from app.views.glyphs import Glyphs

MIN_WIDTH, MIN_HEIGHT = 80, 24
"""Of a terminal that has room for panes."""
WIDE_WIDTH, WIDE_HEIGHT = 160, 40
"""From here on all panes stand side by side."""
HEADER_ROWS = 2


class Frame(NamedTuple):
    """A pane: its title bar is row `y`; a wall follows down column `x` unless that is 0."""

    title: str
    x: int
    y: int
    width: int
    height: int


def is_wide(width: int, height: int) -> bool:
    return width >= WIDE_WIDTH and height >= WIDE_HEIGHT


def home_frames(width: int, height: int) -> list[Frame]:
    """The panes of the screen that a face begins with; none where there is no room for any."""
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return []
    return _wide(width, height) if is_wide(width, height) else _narrow(width, height)


def _wide(width: int, height: int) -> list[Frame]:
    log, risk, middle = height - 10, height - 12, height - 21
    top = middle - HEADER_ROWS
    ladder, prints = width - 97, width - 40
    tape = top // 2
    positions, orders = width - 92, width - 44
    return [
        Frame("chart", 0, HEADER_ROWS, ladder, top),
        Frame("ladder", ladder, HEADER_ROWS, 57, top),
        Frame("tape", prints, HEADER_ROWS, 40, tape),
        Frame("fills", prints, HEADER_ROWS + tape, 40, top - tape),
        Frame("bots", 0, middle, positions, 9),
        Frame("positions", positions, middle, 48, 9),
        Frame("orders", orders, middle, 44, 9),
        Frame("risk", 0, risk, width, 2),
        Frame("log", 0, log, width, 8),
    ]


def _narrow(width: int, height: int) -> list[Frame]:
    log, risk = height - 6, height - 15
    return [
        Frame("bots", 0, HEADER_ROWS, width, risk - HEADER_ROWS),
        Frame("risk", 0, risk, width, 9),
        Frame("log", 0, log, width, 5),
    ]


def curtain_lines(words: str, width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """`height` lines of `width` columns: `words` at the top, frames without content below."""
    head = fit_line((Cell(" PILOTHOUSE ", "title_focus"), Cell(f"  {words}")), width)
    rows = [[Cell(" ", "text")] * width for _ in range(height)]
    for frame in home_frames(width, height):
        _draw(rows, frame, glyphs)
    return [head, *(merge(row) for row in rows[1:])]


def _draw(rows: list[list[Cell]], frame: Frame, glyphs: Glyphs) -> None:
    """Title bar and wall, as `ui_tui.pane` draws them."""
    corner = glyphs.corner if frame.x else glyphs.rule
    title = f" {frame.title} "
    bar = [Cell(char, "rule") for char in corner + glyphs.rule]
    bar += [Cell(char, "title") for char in title]
    bar += [Cell(glyphs.rule, "rule")] * (frame.width - len(bar))
    rows[frame.y][frame.x : frame.x + frame.width] = bar
    if frame.x:
        for row in rows[frame.y + 1 : frame.y + frame.height]:
            row[frame.x] = Cell(glyphs.wall, "rule")
