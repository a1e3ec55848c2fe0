"""Every limit as a sentence, arming, and the kill levels."""

from __future__ import annotations

from app.views.cells import Line
from app.views.desk import Desk
from app.views.riskview import risk_lines
from ui_tui.widgets.scrolled import ScrolledPane


class LimitsPane(ScrolledPane):
    key = "limits"

    def lines(self, desk: Desk, now_ns: int, width: int) -> list[Line]:
        armed_s = desk.gestures.armed_s(now_ns)
        return risk_lines(desk.view("", now_ns), armed_s, desk.keymap, width, self.look.glyphs)
