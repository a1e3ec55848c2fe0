"""The event log, newest first: what was done, refused and why."""

from __future__ import annotations

from textual.geometry import Size

from app.views.cells import Cell
from app.views.desk import Desk
from app.views.lists import log_lines
from ui_tui.pane import Pane, Picture


class LogPane(Pane):
    key = "log"
    pace_ms = 300
    phase_ms = 110

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        everything = desk.log_rows()
        rows = desk.log.shown(everything)
        first = desk.scrolled(self.key, len(rows), size.height)
        words = desk.log.words(everything, self.look.glyphs)
        place = f"line {first + 1} of {len(rows)}" if first else ""
        lines = log_lines(rows, size.width, size.height, first)
        if not rows and words:
            lines = [(Cell(" nothing passes the filter", "faint"),)]
        return Picture(f"log {words}".rstrip(), lines, note=place)
