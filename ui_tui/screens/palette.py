"""The command palette: every action by words, with its key and whether it can run now."""

from __future__ import annotations

from app.views.actions import Action
from app.views.cells import Cell, Line
from app.views.effects import Effect, Less
from app.views.palette import palette_line, search
from ui_tui.screens.dialog import Dialog

_ROWS = 14
_STEPS = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10}


class PaletteDialog(Dialog):
    title = "commands"
    columns = 100
    hint = "type to search, arrows choose, Enter runs, Esc closes"
    chosen = 0

    def fields(self) -> dict[str, str]:
        return {"find": ""}

    def rows(self) -> int:
        return _ROWS

    def _hits(self) -> list[Action]:
        return search(self.value("find"))

    def lines(self, width: int, now_ns: int) -> list[Line]:
        hits = self._hits()
        self.chosen = max(0, min(self.chosen, len(hits) - 1))
        first = max(0, self.chosen - _ROWS + 1)
        view = self.desk.view(self.pane_key, now_ns)
        banner = self.desk.banner(now_ns)
        self.words = banner
        shown = enumerate(hits[first : first + _ROWS], start=first)
        lines = [
            palette_line(action, view, self.desk.keymap, width, at == self.chosen)
            for at, action in shown
        ]
        return lines or [(Cell(" no such command", "faint"),)]

    def on_key_name(self, key: str, now_ns: int) -> list[Effect] | None:
        if key in _STEPS:
            self.chosen += _STEPS[key]
            return []
        if key == "enter":
            hits = self._hits()
            return self._run(hits[self.chosen], now_ns) if hits else []
        return None

    def typed(self) -> None:
        self.chosen = 0

    def _run(self, action: Action, now_ns: int) -> list[Effect]:
        """Run it; stay open while a second Enter is awaited or it was refused."""
        has_run, effects = self.desk.choose(action.id, self.pane_key, now_ns)
        return [Less(), *effects] if has_run else effects
