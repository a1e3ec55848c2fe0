"""The event log, newest first: what was done, refused and why."""

from __future__ import annotations

from textual.geometry import Size

from app.views.desk import Desk
from app.views.lists import log_lines
from app.views.rows import log_rows
from ui_tui.pane import Pane, Picture


class LogPane(Pane):
    key = "log"
    pace_ms = 250

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        rows = log_rows(desk.snapshot, desk.own_log) if desk.snapshot is not None else []
        first = desk.scrolled(self.key, len(rows), size.height)
        note = f"line {first + 1} of {len(rows)}" if first else ""
        return Picture("log", log_lines(rows, size.width, size.height, first), note=note)
