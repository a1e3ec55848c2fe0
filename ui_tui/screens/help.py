"""The keys of the focused pane and of everywhere, generated from the action table."""

from __future__ import annotations

from app.views.cells import Line
from app.views.effects import Effect
from app.views.palette import help_lines
from ui_tui.screens.dialog import Dialog

_STEPS = {"up": -1, "down": 1, "k": -1, "j": 1, "pageup": -10, "pagedown": 10, "space": 10}


class HelpDialog(Dialog):
    title = "keys"
    columns = 100
    hint = "arrows scroll, Esc closes. F keys work here too"
    first = 0

    def rows(self) -> int:
        return len(help_lines(self.pane_key, self.desk.keymap, self.columns))

    def lines(self, width: int, now_ns: int) -> list[Line]:
        return help_lines(self.pane_key, self.desk.keymap, width)[self.first :]

    def on_key_name(self, key: str, now_ns: int) -> list[Effect] | None:
        step = _STEPS.get(key)
        if step is not None:
            room = max(0, self.rows() - self.size.height + 4)
            self.first = max(0, min(room, self.first + step))
        return []
