"""Parameters, helm and money of the selected bot."""

from __future__ import annotations

from textual.geometry import Size

from app.views.desk import Desk
from app.views.detail import detail_lines
from ui_tui.pane import Pane, Picture


class BotDetailPane(Pane):
    key = "detail"
    pace_ms = 500

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        lines = detail_lines(desk.snapshot, desk.bot_id, size.width, self.look.glyphs)
        first = desk.scrolled(self.key, len(lines), size.height)
        return Picture(f"bot {desk.bot_id}" if desk.bot_id else "bot", lines[first:])
