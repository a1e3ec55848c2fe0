"""Working algos with their legs."""

from __future__ import annotations

from app.views.algoview import algo_lines
from app.views.cells import Line
from app.views.desk import Desk
from ui_tui.widgets.scrolled import ScrolledPane


class AlgosPane(ScrolledPane):
    key = "algos"

    def lines(self, desk: Desk, now_ns: int, width: int) -> list[Line]:
        return algo_lines(desk.snapshot, width)
