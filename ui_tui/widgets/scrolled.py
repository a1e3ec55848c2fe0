"""A pane of lines that only scrolls: what it shows is made by a function of `app.views`."""

from __future__ import annotations

from textual.geometry import Size

from app.views.cells import Line
from app.views.desk import Desk
from ui_tui.pane import Pane, Picture


class ScrolledPane(Pane):
    """Subclasses write `lines` and, if it is not fixed, `title`."""

    pace_ms = 500

    def title(self, desk: Desk) -> str:
        return self.key

    def lines(self, desk: Desk, now_ns: int, width: int) -> list[Line]:
        raise NotImplementedError

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        lines = self.lines(desk, now_ns, size.width)
        first = desk.scrolled(self.key, len(lines), size.height)
        hidden = len(lines) - size.height
        note = f"line {first + 1} of {len(lines)}" if hidden > 0 else ""
        return Picture(self.title(desk), lines[first:], note=note)
