"""The two lines at the top that never scroll away."""

from __future__ import annotations

from app.views.desk import Desk
from app.views.header import header_lines
from ui_tui.pane import Lines


class Header(Lines):
    pace_ms = 300

    def show(self, desk: Desk, now_ns: int, *, at_once: bool, lag_ms: int | None) -> None:
        if self.is_due(now_ns, at_once):
            view = desk.view("", now_ns)
            armed_s = desk.gestures.armed_s(now_ns)
            self.paint(header_lines(view, armed_s, self.size.width, self.look.glyphs, lag_ms))
