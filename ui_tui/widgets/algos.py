"""Working algos with their legs."""

from __future__ import annotations

from textual.geometry import Size

from app.views.algoview import algo_lines
from app.views.cursors import selected
from app.views.desk import Desk
from app.views.lists import first_row
from ui_tui.pane import Pane, Picture


class AlgosPane(Pane):
    key = "algos"
    pace_ms = 500
    phase_ms = 150

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        chosen = selected(desk, self.key)
        lines, at = algo_lines(desk.snapshot, chosen, size.width, self.look.glyphs)
        first = first_row(len(lines), at, size.height)
        count = len(desk.snapshot.algos) if desk.snapshot is not None else 0
        return Picture(f"algos {count}", lines[first:])
