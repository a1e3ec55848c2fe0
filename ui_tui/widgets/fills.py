"""The latest fills, newest first."""

from __future__ import annotations

from textual.geometry import Size

from app.views.columns import FILLS
from app.views.cursors import selected
from app.views.desk import Desk
from app.views.lists import first_row, table_lines
from app.views.rows import fill_rows
from ui_tui.pane import Pane, Picture


class FillsPane(Pane):
    key = "fills"
    pace_ms = 250

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        chosen = selected(desk, self.key) if self.has_focus else ""
        rows = fill_rows(desk.snapshot, chosen) if desk.snapshot is not None else []
        at = next((at for at, row in enumerate(rows) if row.is_selected), 0)
        first = first_row(len(rows), at, size.height - 1)
        lines = table_lines(
            FILLS, rows, *size, self.look.glyphs, first=first, empty=" no fills yet"
        )
        total = sum(bot.fills for bot in desk.snapshot.bots) if desk.snapshot is not None else 0
        return Picture("fills", lines, note=f"{max(total, len(rows))} in all")
