"""A line of values as filled columns in eighths: the equity curve."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from app.views import format as fmt
from app.views.cells import Cell, Line, merge
from app.views.glyphs import Glyphs


def curve_lines(
    points: Sequence[tuple[int, Decimal]],
    base: Decimal,
    asset: str,
    width: int,
    height: int,
    glyphs: Glyphs,
) -> list[Line]:
    """Equity over time, newest at the right; columns above `base` look like profit."""
    ends = [value for _, value in points]
    axis = max((len(fmt.money(f(ends), asset)) for f in (min, max) if ends), default=0) + 2
    columns, rows = width - axis, height - 1
    if len(points) < 2 or columns < 8 or rows < 2:
        return [(Cell(" the curve begins with the second mark", "faint"),)]
    values = _sample([value for _, value in points], columns)
    low, high = min(*values, base), max(*values, base)
    span = (high - low) or Decimal(1)
    grid = [[Cell(" ", "text")] * columns for _ in range(rows)]
    for at, value in enumerate(values):
        eighths = max(1, int((value - low) * (rows * 8) / span))
        tone = "up" if value >= base else "down"
        for row in range(rows):
            fill = eighths - (rows - 1 - row) * 8
            if fill > 0:
                grid[row][columns - len(values) + at] = Cell(glyphs.steps[min(8, fill) - 1], tone)
    labels = [""] * rows
    labels[0], labels[-1] = fmt.money(high, asset), fmt.money(low, asset)
    lines = [
        (*merge(cells), Cell(glyphs.wall, "faint"), Cell(label.rjust(axis - 1), "dim"))
        for cells, label in zip(grid, labels, strict=True)
    ]
    first, last = fmt.clock(points[0][0]), fmt.clock(points[-1][0])
    lines.append((Cell(f"{first}{last.rjust(columns - len(first))}", "faint"),))
    return lines


def _sample(values: list[Decimal], most: int) -> list[Decimal]:
    """At most `most` values, evenly picked, first and last among them."""
    if len(values) <= most:
        return values
    return [values[at * (len(values) - 1) // (most - 1)] for at in range(most)]
