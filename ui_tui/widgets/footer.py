"""The last line: what a second tap will do, else what was just said, else the keys."""

from __future__ import annotations

from app.views.cells import Cell, fit
from app.views.desk import Desk
from app.views.palette import footer_line
from ui_tui.pane import Lines


class Footer(Lines):
    ground = "raised"

    pace_ms = 300
    phase_ms = 120

    def show(self, desk: Desk, pane: str, now_ns: int, *, at_once: bool) -> None:
        if not self.is_due(now_ns, at_once):
            return
        width = self.size.width
        banner = desk.banner(now_ns)
        if banner is not None:
            self.paint([(Cell(fit(f" {banner.text}", width), banner.tone),)])
        else:
            view = desk.view(pane, now_ns)
            self.paint([footer_line(pane, view, desk.keymap, width)])
