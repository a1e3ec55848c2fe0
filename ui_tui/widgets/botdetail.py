"""Parameters, helm and money of the selected bot."""

from __future__ import annotations

from app.views.cells import Line
from app.views.desk import Desk
from app.views.detail import detail_lines
from ui_tui.widgets.scrolled import ScrolledPane


class BotDetailPane(ScrolledPane):
    key = "detail"

    def title(self, desk: Desk) -> str:
        return f"bot {desk.bot_id}" if desk.bot_id else "bot"

    def lines(self, desk: Desk, now_ns: int, width: int) -> list[Line]:
        return detail_lines(desk.snapshot, desk.bot_id, width, self.look.glyphs)
