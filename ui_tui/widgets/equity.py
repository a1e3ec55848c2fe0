"""The equity curve of the session."""

from __future__ import annotations

from textual.geometry import Size

from app.views import format as fmt
from app.views.cells import Cell
from app.views.curve import curve_lines
from app.views.desk import Desk
from ui_tui.pane import Pane, Picture


class EquityPane(Pane):
    key = "equity"
    goes_stale = True
    pace_ms = 1000
    phase_ms = 750

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        snapshot = desk.snapshot
        if snapshot is None:
            return Picture("equity", [(Cell(" waiting for the engine", "faint"),)])
        points = [*snapshot.equity_curve, (snapshot.ts_ns, snapshot.equity)]
        lines = curve_lines(points, snapshot.capital, snapshot.settle, *size, self.look.glyphs)
        note = f"from {fmt.money(snapshot.capital, snapshot.settle)} {snapshot.settle}"
        return Picture("equity", lines, note=note)
