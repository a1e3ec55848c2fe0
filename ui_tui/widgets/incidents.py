"""Where we and the venue differ."""

from __future__ import annotations

from app.views import cursors
from app.views.cells import Line
from app.views.desk import Desk
from app.views.doubts import doubt_lines
from ui_tui.widgets.scrolled import ScrolledPane


class IncidentsPane(ScrolledPane):
    key = "incidents"

    def lines(self, desk: Desk, now_ns: int, width: int) -> list[Line]:
        return doubt_lines(desk.snapshot, width, cursors.selected(desk, self.key))
