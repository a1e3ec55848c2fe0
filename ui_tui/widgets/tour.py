"""The tour's present step, above the last line."""

from __future__ import annotations

from app.views.desk import Desk
from ui_tui.pane import Lines


class TourBar(Lines):
    ground = "raised"

    def show(self, desk: Desk) -> None:
        self.display = desk.tour is not None
        if desk.tour is not None:
            self.paint(desk.tour.lines(desk.keymap, self.size.width))
