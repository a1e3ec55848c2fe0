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
    pace_ms = 300
    phase_ms = 200

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        snapshot = desk.snapshot
        chosen = selected(desk, self.key) if self.has_focus else ""
        fills = snapshot.fills if snapshot is not None else []
        behind = next((at for at, fill in enumerate(fills) if str(fill.seq) == chosen), -1)
        at = len(fills) - 1 - behind if behind >= 0 else 0
        first = first_row(len(fills), at, size.height - 1)
        rows = fill_rows(snapshot, chosen, first, size.height) if snapshot is not None else []
        lines = table_lines(FILLS, rows, *size, self.look.glyphs, empty=" no fills yet")
        total = sum(bot.fills for bot in snapshot.bots) if snapshot is not None else 0
        return Picture("fills", lines, note=f"{max(total, len(fills))} in all")
