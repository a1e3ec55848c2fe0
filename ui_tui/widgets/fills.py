"""The latest fills, newest first."""

from __future__ import annotations

from textual.geometry import Size

from app.views.columns import FILLS
from app.views.desk import Desk
from app.views.lists import table_lines
from app.views.rows import fill_rows
from ui_tui.pane import Pane, Picture


class FillsPane(Pane):
    key = "fills"
    pace_ms = 250

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        rows = fill_rows(desk.snapshot) if desk.snapshot is not None else []
        first = desk.scrolled(self.key, len(rows), size.height - 1)
        lines = table_lines(
            FILLS, rows, *size, self.look.glyphs, first=first, empty=" no fills yet"
        )
        total = sum(bot.fills for bot in desk.snapshot.bots) if desk.snapshot is not None else 0
        return Picture("fills", lines, note=f"{max(total, len(rows))} in all")
