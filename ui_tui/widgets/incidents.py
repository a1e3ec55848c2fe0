"""Where we and the venue differ, and what can be decided."""

from __future__ import annotations

from textual.geometry import Size

from app.views.cells import Line
from app.views.cursors import selected
from app.views.desk import Desk
from app.views.doubts import doubt_lines
from app.views.incidentview import incident_lines
from app.views.linkview import link_lines
from ui_tui.pane import Pane, Picture


class IncidentsPane(Pane):
    key = "incidents"
    pace_ms = 300

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        chosen = selected(desk, self.key)
        lines: list[Line] = incident_lines(
            desk.snapshot, chosen, desk.keymap, size.width, self.look.glyphs
        )
        for more in (
            doubt_lines(desk.snapshot, size.width),
            link_lines(desk.snapshot, size.width),
        ):
            lines += [(), *more] if more else []
        count = len(desk.snapshot.incidents) if desk.snapshot is not None else 0
        return Picture(f"incidents {count}", lines[self._first(lines, size.height) :])

    def _first(self, lines: list[Line], height: int) -> int:
        """The selected one with all that can be decided about it is in sight."""
        mark = self.look.glyphs.pointer
        at = next((row for row, line in enumerate(lines) if line and line[0].text[:1] == mark), 0)
        return max(0, min(at, len(lines) - height))
