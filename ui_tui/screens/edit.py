"""The parameters of a bot: a field each; what has changed is said before it is sent."""

from __future__ import annotations

from textual.widget import Widget

from app.views.cells import Cell, Line, fit
from app.views.desk import Desk
from app.views.effects import Effect, Less
from app.views.viewstate import find_bot
from ui_tui.look import Look
from ui_tui.screens.dialog import Dialog


class EditDialog(Dialog):
    title = "parameters"
    columns = 78
    label_columns = 22
    hint = "Tab: next field   Enter: look it over   Enter again: set   Esc: drop"

    def __init__(self, desk: Desk, look: Look, came_from: Widget | None) -> None:
        super().__init__(desk, look, came_from)
        bot = find_bot(desk.snapshot, desk.bot_id)
        self._bot_id = desk.bot_id
        self._before = dict(bot.params) if bot is not None else {}
        self._confirmed: dict[str, str] | None = None
        self.title = f"parameters of {self._bot_id}"

    def fields(self) -> dict[str, str]:
        return self._before

    def rows(self) -> int:
        return 2

    def lines(self, width: int, now_ns: int) -> list[Line]:
        words = " The engine checks each value and says which ones need a paused bot."
        return [(), (Cell(fit(words, width), "dim"),)]

    def typed(self) -> None:
        self._confirmed = None
        self.words = None

    def on_key_name(self, key: str, now_ns: int) -> list[Effect] | None:
        if key != "enter":
            return [] if self.turn(key) else None
        changes = self._changes()
        if not changes:
            self.words = Cell("nothing has changed", "warn")
            return []
        if changes == self._confirmed:
            return self.press_again(now_ns)
        self._confirmed = changes
        self.again.ask(now_ns)
        said = ", ".join(f"{name} {self._before[name]} to {to}" for name, to in changes.items())
        self.words = Cell(f"Enter again: {said}", "announce")
        return []

    def confirmed(self, now_ns: int) -> list[Effect]:
        """Sets what the first Enter showed, unless it has been taken back meanwhile."""
        if self._confirmed is None:
            return []
        return [Less(), *self.desk.edit_params(self._bot_id, self._confirmed, now_ns)]

    def _changes(self) -> dict[str, str]:
        typed = {name: self.value(name).strip() for name in self._before}
        return {name: text for name, text in typed.items() if text != self._before[name]}
