"""Rows and columns put together: the lines of every list-like pane."""

from __future__ import annotations

from collections.abc import Sequence

from app.views import columns as tables
from app.views import format as fmt
from app.views.cells import Cell, Line, fit
from app.views.glyphs import Glyphs
from app.views.rows import LOG_TONES, LimitRow, position_rows
from engine.domain.snapshots import EngineSnapshot, LogRow


def table_lines(
    table: tables.Table,
    rows: Sequence[object],
    width: int,
    height: int,
    glyphs: Glyphs,
    *,
    first: int = 0,
    empty: str = "",
) -> list[Line]:
    """A head and as many rows as fit, from row `first` on; `empty` is said when there is none."""
    chosen = tables.choose(table, width)
    lines = [tables.head_line(chosen)]
    if not rows and empty:
        lines.append((Cell(fit(empty, width), "faint"),))
    for row in rows[first : first + height - 1]:
        overlay = "select" if getattr(row, "is_selected", False) else ""
        lines.append(tables.row_line(chosen, row, glyphs, overlay))
    return lines[:height]


def first_row(count: int, selected: int, height: int) -> int:
    """Which row a list of `count` starts with so that `selected` is among `height` rows."""
    if count <= height or selected < 0:
        return 0
    return max(0, min(count - height, selected - height // 2))


def log_line(row: LogRow, width: int) -> Line:
    source_width = 8 if width < 120 else 12
    tone = LOG_TONES.get(row.level, "text")
    text_width = width - source_width - 11
    return (
        Cell(f"{fmt.clock(row.ts_ns)} ", "dim"),
        Cell(f"{fit(row.source, source_width)}  ", "source"),
        Cell(fit(row.text, max(0, text_width)).rstrip(), tone),
    )


def log_lines(rows: Sequence[LogRow], width: int, height: int, first: int = 0) -> list[Line]:
    return [log_line(row, width) for row in rows[first : first + height]]


def risk_line(rows: Sequence[LimitRow], width: int, glyphs: Glyphs) -> Line:
    """All limits in one line, as many as fit."""
    cells: list[Cell] = []
    used = 0
    for row in rows:
        gauge = fmt.bar(row.used, row.limit, 6 if width < 120 else 8, glyphs)
        pieces = (
            Cell(f"{row.name} ", "dim"),
            Cell(gauge, row.tone),
            Cell(f" {row.words}   ", "text" if row.tone == "gauge" else row.tone),
        )
        size = sum(len(piece.text) for piece in pieces)
        if used + size > width + 3:
            break
        cells += pieces
        used += size
    return tuple(cells)


def holding_lines(snapshot: EngineSnapshot) -> list[Line]:
    """Open positions in the fewest words, for screens too small for anything else."""
    lines: list[Line] = []
    for row in position_rows(snapshot):
        if row.lots and row.instrument is not None:
            held = fmt.signed_qty(row.lots, row.instrument)
            worth = fmt.signed_money(row.unrealised, row.settle)
            lines.append((Cell(f" {row.symbol} {row.owner[0]} {held}  {worth}", "text"),))
    return lines or [(Cell(" no open position", "dim"),)]
