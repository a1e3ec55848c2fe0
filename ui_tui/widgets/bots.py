"""The bots: name, helm, position, profit, orders, last action. Home."""

from __future__ import annotations

from textual.geometry import Size

from app.views.columns import BOTS
from app.views.desk import Desk
from app.views.lists import first_row, table_lines
from app.views.rows import bot_rows
from ui_tui.pane import Pane, Picture

_EMPTY = " no bots yet; in a shell: pilothouse bots add NAME"


class BotsPane(Pane):
    key = "bots"
    pace_ms = 200
    phase_ms = 130  # With orders and positions: what they say of one fill must agree.

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        rows = bot_rows(desk.snapshot, desk.bot_id) if desk.snapshot is not None else []
        selected = next((at for at, row in enumerate(rows) if row.is_selected), 0)
        first = first_row(len(rows), selected, size.height - 1)
        lines = table_lines(BOTS, rows, *size, self.look.glyphs, first=first, empty=_EMPTY)
        return Picture(f"bots {len(rows)}", lines)
