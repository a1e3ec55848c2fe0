"""Everything about the selected bot."""

from __future__ import annotations

from app.views.cells import Line
from app.views.detail import detail_lines
from ui_tui.screens.reader import Reader


class DetailDialog(Reader):
    title = "bot"
    columns = 76

    def rows(self) -> int:
        return len(self.text(self.columns))

    def text(self, width: int) -> list[Line]:
        self.title = f"bot {self.desk.bot_id}"
        return detail_lines(self.desk.snapshot, self.desk.bot_id, width, self.look.glyphs)
