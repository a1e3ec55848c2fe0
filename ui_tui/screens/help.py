"""The keys of the focused pane and of everywhere, generated from the action table."""

from __future__ import annotations

from app.views.cells import Line
from app.views.palette import help_lines
from ui_tui.screens.reader import Reader

_BORDER = 2


class HelpDialog(Reader):
    title = "keys"
    hint = "arrows scroll, Esc closes. F keys work here too"

    def rows(self) -> int:
        return len(self.text(min(self.columns, self.screen.size.width - 2) - _BORDER))

    def text(self, width: int) -> list[Line]:
        return help_lines(self.pane_key, self.desk.keymap, width)
