"""Who holds what, and what it is worth."""

from __future__ import annotations

from textual.geometry import Size

from app.views.columns import POSITIONS
from app.views.desk import Desk
from app.views.lists import table_lines
from app.views.rows import position_rows
from ui_tui.pane import Pane, Picture


class PositionsPane(Pane):
    key = "positions"
    goes_stale = True
    pace_ms = 200
    phase_ms = 130

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        rows = position_rows(desk.snapshot) if desk.snapshot is not None else []
        first = desk.scrolled(self.key, len(rows), size.height - 1)
        lines = table_lines(
            POSITIONS, rows, *size, self.look.glyphs, first=first, empty=" no positions yet"
        )
        return Picture("positions", lines)
