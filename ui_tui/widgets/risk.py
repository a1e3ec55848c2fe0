"""Every limit as used / limit: as one line, or as a list where there is room."""

from __future__ import annotations

from textual.geometry import Size

from app.views.columns import LIMITS
from app.views.desk import Desk
from app.views.lists import risk_line, table_lines
from app.views.rows import limit_rows
from ui_tui.pane import Pane, Picture


class RiskPane(Pane):
    key = "risk"
    pace_ms = 500
    phase_ms = 350

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        rows = limit_rows(desk.snapshot.limits) if desk.snapshot is not None else []
        if size.height < 3:
            return Picture("risk", [risk_line(rows, size.width, self.look.glyphs)])
        lines = table_lines(LIMITS, rows, *size, self.look.glyphs, empty=" no limits yet")
        return Picture("risk", lines)
