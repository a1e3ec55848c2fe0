"""Leaving the kill state: only by typing a word, so that no stray key can do it."""

from __future__ import annotations

from app.views.cells import Cell, Line, fit
from app.views.desk import RESET_WORD
from app.views.effects import Effect, Less
from ui_tui.screens.dialog import Dialog


class ResetDialog(Dialog):
    title = "reset the kill switch"
    columns = 70
    hint = f"type {RESET_WORD} and press Enter, or Esc to stay safe"

    def fields(self) -> dict[str, str]:
        return {"word": ""}

    def rows(self) -> int:
        return 4

    def lines(self, width: int, now_ns: int) -> list[Line]:
        snapshot = self.desk.snapshot
        words = []
        if snapshot is not None:
            words = [snapshot.kill_reason, snapshot.halted]
        why = ", ".join(word for word in words if word) or "stopped on purpose"
        return [
            (Cell(fit(f" Why trading stopped: {why}", width), "warn"),),
            (Cell(fit(" Orders that add risk will be accepted again.", width), "text"),),
            (Cell(fit(" Bots stay paused until each is resumed.", width), "text"),),
        ]

    def on_key_name(self, key: str, now_ns: int) -> list[Effect] | None:
        if key != "enter":
            return None
        effects = self.desk.reset_kill(self.value("word"), now_ns)
        notice = self.desk.notice(now_ns)
        if not effects and notice is not None:
            self.words = Cell(notice.words, "alert")
            return []
        return [Less(), *effects]
