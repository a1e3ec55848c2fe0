"""Working orders of every bot and of the person."""

from __future__ import annotations

from textual.geometry import Size

from app.views.algo_lines import algo_lines
from app.views.columns import ORDERS
from app.views.cursors import EVERYBODY
from app.views.desk import Desk
from app.views.lists import first_row, table_lines
from app.views.rows import order_rows
from ui_tui.pane import Pane, Picture


class OrdersPane(Pane):
    key = "orders"
    pace_ms = 200
    phase_ms = 130

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        selected = desk.order_id if self.has_focus else ""
        rows = []
        if desk.snapshot is not None:
            rows = order_rows(desk.snapshot, selected, desk.order_filter())
        at = next((at for at, row in enumerate(rows) if row.is_selected), 0)
        # Algos stand below, in no more than half of the pane.
        algos = algo_lines(desk.snapshot, size.width)[: size.height // 2]
        height = size.height - len(algos)
        first = first_row(len(rows), at, height - 1)
        lines = table_lines(
            ORDERS,
            rows,
            size.width,
            height,
            self.look.glyphs,
            first=first,
            empty=" no working orders",
        )
        lines += [()] * (height - len(lines)) + algos if algos else []
        is_all = desk.whose == EVERYBODY
        return Picture(f"orders {len(rows)}", lines, note="" if is_all else f"{desk.whose} only")
