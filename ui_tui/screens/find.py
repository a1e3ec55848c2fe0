"""The log's text filter."""

from __future__ import annotations

from app.views.effects import Effect, Less
from ui_tui.screens.dialog import Dialog


class FindDialog(Dialog):
    title = "lines of the log that hold"
    columns = 60
    hint = "filters while you type; Enter or Esc keeps it, empty shows all"

    def fields(self) -> dict[str, str]:
        return {"text": self.desk.log.text}

    def rows(self) -> int:
        return 0

    def typed(self) -> None:
        self.desk.log.text = self.value("text").strip()
        self.desk.scroll["log"] = 0

    def on_key_name(self, key: str, now_ns: int) -> list[Effect] | None:
        return [Less()] if key == "enter" else None
