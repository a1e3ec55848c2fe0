"""Everything about the selected bot."""

from __future__ import annotations

from app.views.cells import Line
from app.views.detail import detail_lines
from app.views.effects import Effect
from ui_tui.screens.dialog import Dialog


class DetailDialog(Dialog):
    title = "bot"
    columns = 76

    def rows(self) -> int:
        return len(self.lines(self.columns, 0))

    def lines(self, width: int, now_ns: int) -> list[Line]:
        self.title = f"bot {self.desk.bot_id}"
        return detail_lines(self.desk.snapshot, self.desk.bot_id, width, self.look.glyphs)

    def on_key_name(self, key: str, now_ns: int) -> list[Effect] | None:
        return []
