"""Where there is room: the views and their keys."""

from __future__ import annotations

from app.views.desk import Desk
from app.views.palette import views_line
from ui_tui.pane import Lines


class ViewsBar(Lines):
    ground = "raised"

    pace_ms = 1000

    def show(self, desk: Desk, shown: str, now_ns: int, *, at_once: bool) -> None:
        if self.is_due(now_ns, at_once):
            self.paint([views_line(shown, desk.keymap, self.size.width)])
