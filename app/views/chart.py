"""Candles as text: bars in, lines of half-cell box drawing out, with axis, last price and volume.

Each candle is one column. A cell holds two half cells, so the price resolution is twice the
height. Rising bodies are solid and falling ones shaded, so that colour is not the only
difference.
"""

from __future__ import annotations

import datetime as dt
import textwrap
from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from app.views import format as fmt
from app.views.cells import Cell, Line, merge
from app.views.glyphs import ASCII, Glyphs
from app.views.studies import SETS, Study
from engine.domain.instrument import Instrument
from engine.domain.snapshots import BarRow

ZOOMS = (1, 2, 3, 4)
"""Columns a bar, body included."""
_PAD_SHARE = 12
"""Free room above and below the bars: 1/12 of their range."""

_WICKS = {(0, 0): " ", (1, 0): "╵", (0, 1): "╷", (1, 1): "│"}
_SOLID = {(2, 0): "▀", (0, 2): "▄", (2, 2): "█", (1, 2): "▄", (2, 1): "▀"}
"""Shapes by what upper and lower half cell hold: 0 nothing, 1 wick, 2 body."""


class Scale(msgspec.Struct, frozen=True):
    """Which ticks the rows of a chart stand for, in half cells."""

    low: int
    high: int
    rows: int

    def half_of(self, ticks: int) -> int:
        """Half cell from the top, 0 to 2 x rows - 1, cut off at the edges."""
        halves = self.rows * 2
        span = max(1, self.high - self.low)
        at = (self.high - ticks) * halves // span
        return max(0, min(halves - 1, at))

    def row_of(self, ticks: int) -> int | None:
        return self.half_of(ticks) // 2 if self.low <= ticks <= self.high else None

    def ticks_at(self, row: int) -> int:
        """The price in the middle of a row."""
        span = self.high - self.low
        return self.high - (span * (2 * row + 1)) // (2 * self.rows)

    def holds(self, low: int, high: int) -> bool:
        """True while `low..high` fits and does not leave most of the rows empty."""
        return self.low <= low and high <= self.high and (high - low) * 3 >= (self.high - self.low)


class ChartView:
    """View state of one chart: where it is scrolled to, how wide its bars are, and its scale.

    The scale has hysteresis: it changes when the bars leave it, not with each tick.
    """

    def __init__(self) -> None:
        self.back = 0
        """Bars between the right edge and the newest one; 0 follows the market."""
        self.zoom = 1
        """Index into `ZOOMS`."""
        self.studies = 1
        """Index into `studies.SETS`."""
        self._scale: Scale | None = None

    def scroll(self, bars: int, available: int) -> None:
        self.back = max(0, min(max(0, available - 1), self.back + bars))

    def change_zoom(self, step: int) -> None:
        self.zoom = max(0, min(len(ZOOMS) - 1, self.zoom + step))

    def live(self) -> None:
        self.back = 0

    def next_studies(self) -> None:
        self.studies = (self.studies + 1) % len(SETS)

    def window(self, count: int, columns: int) -> slice:
        """Which of `count` bars are in sight."""
        end = max(0, count - self.back)
        return slice(max(0, end - columns // ZOOMS[self.zoom]), end)

    def scale(self, bars: Sequence[BarRow], rows: int) -> Scale:
        low = min(bar.low for bar in bars)
        high = max(bar.high for bar in bars)
        if self._scale is None or self._scale.rows != rows or not self._scale.holds(low, high):
            pad = max(1, (high - low) // _PAD_SHARE)
            self._scale = Scale(low - pad, high + pad, rows)
        return self._scale


class Mark(msgspec.Struct, frozen=True):
    """A price worth a line and a label on the axis: own order, average entry."""

    ticks: int
    tone: str
    glyph: str
    is_line: bool = False
    """Drawn across the chart as well."""


class Dot(msgspec.Struct, frozen=True):
    """A fill: when, at which price, which side."""

    ts_ns: int
    ticks: int
    side: int
    is_own: bool = True
    """Of the person's own book, or of a bot whose helm they hold."""


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn besides the candles."""

    last_ticks: int
    marks: Sequence[Mark] = ()
    dots: Sequence[Dot] = ()
    studies: Sequence[Study] = ()
    """Each with a value for every bar, visible or not."""
    bar_s: int = 0
    """Length of a bar; 0 where it does not matter."""


def chart_lines(
    view: ChartView,
    bars: Sequence[BarRow],
    instrument: Instrument,
    drawing: Drawing,
    width: int,
    height: int,
    glyphs: Glyphs,
) -> list[Line]:
    """The whole pane: candles, price axis at the right, volume and times below."""
    axis_width = len(fmt.price(max(drawing.last_ticks, 1), instrument)) + 2
    columns, rows = width - axis_width, height - 3
    window = view.window(len(bars), columns)
    shown = bars[window]
    if not shown or columns < 4 or rows < 3:
        return []
    scale = view.scale(shown, rows)
    step = ZOOMS[view.zoom]
    grid = _candle_grid(shown, scale, columns, step, glyphs)
    for study in drawing.studies:
        draw_values(
            grid, study.values[window], scale, step, getattr(glyphs, study.glyph), study.tone
        )
    for mark in drawing.marks:
        row = scale.row_of(mark.ticks) if mark.is_line else None
        if row is not None:
            _draw_line(grid[row], glyphs.rule, mark.tone)
    last_row = scale.row_of(drawing.last_ticks)
    if last_row is not None:
        _draw_line(grid[last_row], glyphs.dot, "faint")
    draw_dots(grid, drawing, shown, scale, step, glyphs)
    _say_unknown(grid, window, shown, step)
    labels = _axis(scale, instrument, drawing.last_ticks, drawing.marks, axis_width, glyphs)
    lines = [merge(grid[row]) + labels[row] for row in range(rows)]
    lines += _volume_lines(shown, columns, axis_width, step, instrument, glyphs)
    lines.append(_time_line(shown, columns, axis_width, step, drawing.bar_s))
    return lines


def _candle_grid(
    bars: Sequence[BarRow], scale: Scale, columns: int, step: int, glyphs: Glyphs
) -> list[list[Cell]]:
    """Rows of one-character cells; the newest bar stands at the right edge."""
    blank = Cell(" ", "text")
    grid = [[blank] * columns for _ in range(scale.rows)]
    for place, bar in enumerate(reversed(bars)):
        column = columns - 1 - place * step
        if column < 0:
            break
        _draw_candle(grid, column, bar, scale, glyphs)
    return grid


def _draw_candle(
    grid: list[list[Cell]], column: int, bar: BarRow, scale: Scale, glyphs: Glyphs
) -> None:
    rises = bar.close >= bar.open
    tone = "up" if rises else "down"
    wick_top, wick_end = scale.half_of(bar.high), scale.half_of(bar.low)
    body_top = scale.half_of(max(bar.open, bar.close))
    body_end = scale.half_of(min(bar.open, bar.close))
    for row in range(wick_top // 2, wick_end // 2 + 1):
        upper, lower = (
            2 if body_top <= half <= body_end else 1 if wick_top <= half <= wick_end else 0
            for half in (2 * row, 2 * row + 1)
        )
        grid[row][column] = Cell(_shape(upper, lower, rises, glyphs), tone)


def _shape(upper: int, lower: int, rises: bool, glyphs: Glyphs) -> str:
    """Rising bodies are solid and falling ones shaded."""
    if glyphs is ASCII:
        body = glyphs.block if rises else glyphs.shade
        return body if 2 in (upper, lower) else glyphs.wall
    if 2 not in (upper, lower):
        return _WICKS[upper, lower]
    return _SOLID[upper, lower] if rises else glyphs.shade


def _draw_line(row: list[Cell], glyph: str, tone: str) -> None:
    """Every second cell of a row, behind what is there."""
    for column, cell in enumerate(row):
        if cell.text == " " and column % 2 == 0:
            row[column] = Cell(glyph, tone)


def draw_values(
    grid: list[list[Cell]],
    values: Sequence[float | None],
    scale: Scale,
    step: int,
    glyph: str,
    tone: str,
) -> None:
    """An indicator, behind the candles; the columns between two bars are joined up."""
    columns = len(grid[0])
    later: float | None = None
    for place, value in enumerate(reversed(values)):
        column = columns - 1 - place * step
        for between in range(step if later is not None and place else 1):
            at = column + between
            if value is None or not 0 <= at < columns:
                break
            share = between / step
            ticks = value + (later - value) * share if later is not None else value
            row = scale.row_of(round(ticks))
            if row is not None and grid[row][at].text == " ":
                grid[row][at] = Cell(glyph, tone)
        later = value


def draw_dots(
    grid: list[list[Cell]],
    drawing: Drawing,
    bars: Sequence[BarRow],
    scale: Scale,
    step: int,
    glyphs: Glyphs,
) -> None:
    """Fills. A person's stand at their price; those of bots below (bought) or above (sold) the
    candle they fell into, one arrow for all of a kind, or they would hide the market."""
    starts = [bar.start_ns for bar in bars]
    columns = len(grid[0])
    end_ns = starts[-1] + drawing.bar_s * 1_000_000_000 if drawing.bar_s else None
    for dot in drawing.dots:
        at = bisect_right(starts, dot.ts_ns) - 1
        if at < 0 or (end_ns is not None and dot.ts_ns >= end_ns):
            continue
        column = columns - 1 - (len(bars) - 1 - at) * step
        row = scale.row_of(dot.ticks) if dot.is_own else _beside(bars[at], dot.side, scale)
        if column >= 0 and row is not None:
            tone = "fill_buy" if dot.side > 0 else "fill_sell"
            glyph = glyphs.up if dot.side > 0 else glyphs.down
            grid[row][column] = Cell(glyph, tone if dot.is_own else "dim")


def _beside(bar: BarRow, side: int, scale: Scale) -> int | None:
    """The row below the candle's low, or above its high; None where the chart ends there."""
    row = scale.half_of(bar.low if side > 0 else bar.high) // 2 + (1 if side > 0 else -1)
    return row if 0 <= row < scale.rows else None


def _say_unknown(grid: list[list[Cell]], window: slice, bars: Sequence[BarRow], step: int) -> None:
    """Where the chart is empty because nothing earlier is known, it says so."""
    free = len(grid[0]) - len(bars) * step - 2
    if window.start > 0 or free < 10:
        return
    words = f"nothing known before {stamp(bars[0].start_ns)}"
    middle = len(grid) // 2
    for row, piece in zip(grid[middle:], textwrap.wrap(words, free), strict=False):
        for at, char in enumerate(piece):
            row[at + 1] = Cell(char, "faint")  # Over lines: between their dots nobody could read.


def closes_in(bar: BarRow, now_ns: int, bar_s: int) -> str:
    """Market time until the forming bar closes: `closes in 42s`; "" for bars of seconds."""
    left_s = bar_s - (now_ns - bar.start_ns) // 1_000_000_000
    if bar_s < 60 or not 0 < left_s <= bar_s:
        return ""
    return f"closes in {fmt.ago(left_s * 1000)}"


def stamp(ts_ns: int) -> str:
    """Date and minute, UTC: `08-08 12:03`."""
    return f"{dt.datetime.fromtimestamp(ts_ns // 1_000_000_000, dt.UTC):%m-%d %H:%M}"


def _axis(
    scale: Scale,
    instrument: Instrument,
    last_ticks: int,
    marks: Sequence[Mark],
    width: int,
    glyphs: Glyphs,
) -> list[Line]:
    """Price labels every few rows; the last price and marked prices always."""
    lines: list[Line] = []
    marked = {row: mark for mark in marks if (row := scale.row_of(mark.ticks)) is not None}
    last_row = scale.row_of(last_ticks)
    for row in range(scale.rows):
        if row == last_row:
            text = fmt.price(last_ticks, instrument)
            lines.append((Cell(glyphs.pointer_back, "last"), Cell(text.rjust(width - 1), "last")))
        elif row in marked:
            mark = marked[row]
            text = fmt.price(mark.ticks, instrument)
            lines.append((Cell(mark.glyph, mark.tone), Cell(text.rjust(width - 1), mark.tone)))
        elif row % 4 == 1:
            text = fmt.price(scale.ticks_at(row), instrument)
            lines.append((Cell(glyphs.wall, "faint"), Cell(text.rjust(width - 1), "dim")))
        else:
            lines.append((Cell(glyphs.wall, "faint"), Cell(" " * (width - 1), "dim")))
    return lines


def _volume_lines(
    bars: Sequence[BarRow],
    columns: int,
    axis_width: int,
    step: int,
    instrument: Instrument,
    glyphs: Glyphs,
) -> list[Line]:
    """Two rows of volume columns, in eighths."""
    most = max((bar.volume for bar in bars), default=0) or 1
    upper = [Cell(" ", "text")] * columns
    lower = [Cell(" ", "text")] * columns
    for place, bar in enumerate(reversed(bars)):
        column = columns - 1 - place * step
        if column < 0:
            break
        tone = "up_dim" if bar.close >= bar.open else "down_dim"
        eighths = -(-bar.volume * 16 // most)
        if eighths > 8:
            upper[column] = Cell(glyphs.steps[min(7, eighths - 9)], tone)
        if eighths > 0:
            lower[column] = Cell(glyphs.steps[min(7, eighths - 1)], tone)
    label = fmt.compact(instrument.qty(most))
    head = (Cell(glyphs.wall, "faint"), Cell(label.rjust(axis_width - 1), "faint"))
    foot = (Cell(glyphs.wall, "faint"), Cell("vol".rjust(axis_width - 1), "faint"))
    return [merge(upper) + head, merge(lower) + foot]


def _time_line(
    bars: Sequence[BarRow], columns: int, axis_width: int, step: int, bar_s: int
) -> Line:
    """Times under every sixteenth column or so, counted from the newest bar; dates under bars of
    an hour and more."""
    text = [" "] * (columns + axis_width)
    every = max(1, 16 // step)
    for place, bar in enumerate(reversed(bars)):
        column = columns - 1 - place * step
        label = stamp(bar.start_ns) if bar_s >= 3600 else fmt.clock(bar.start_ns)
        start = column - len(label) + 1
        if place % every == 0 and start >= 0:
            text[start : column + 1] = label
    return (Cell("".join(text), "faint"),)
