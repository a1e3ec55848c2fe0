"""Stored backtests: the list, and the selected one."""

from __future__ import annotations

from textual.geometry import Size

from app.views.cells import Cell, Line
from app.views.cursors import selected
from app.views.desk import Desk
from app.views.lists import first_row, table_lines
from app.views.runsview import RUNS, ShownRun, run_lines
from ui_tui.pane import Pane, Picture
from ui_tui.widgets.scrolled import ScrolledPane

_NONE = " no backtests yet: `pilothouse backtest run` keeps each result"


class RunsPane(Pane):
    key = "runs"
    pace_ms = 500
    phase_ms = 50

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        answer = desk.shelved.get("runs")
        if answer.error:
            return Picture("backtests", [(Cell(f" {answer.error}", "alert_text"),)])
        chosen = selected(desk, self.key)
        rows = [ShownRun(row, row.run_id == chosen) for row in desk.shelved.rows("runs")]
        at = next((at for at, row in enumerate(rows) if row.is_selected), 0)
        first = first_row(len(rows), at, size.height - 1)
        empty = " reading the results" if answer.is_pending else _NONE
        lines = table_lines(RUNS, rows, *size, self.look.glyphs, first=first, empty=empty)
        return Picture(f"backtests {len(rows)}", lines)


class RunPane(ScrolledPane):
    key = "run"

    def title(self, desk: Desk) -> str:
        return f"backtest {selected(desk, 'runs')[:12]}".rstrip()

    def lines(self, desk: Desk, now_ns: int, width: int) -> list[Line]:
        chosen = selected(desk, "runs")
        if not chosen:
            return []
        return run_lines(desk.shelved.get("run", chosen), width, self.look.glyphs)
