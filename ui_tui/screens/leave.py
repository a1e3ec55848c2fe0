"""Leaving an engine that outlives this screen: shall the bots go on?"""

from __future__ import annotations

from app.views.cells import Cell, Line, fit
from app.views.effects import Effect, Leave, StopEngine
from app.views.leaving import leaving_lines
from ui_tui.screens.dialog import Dialog


class LeaveDialog(Dialog):
    title = "leave"
    columns = 70
    hint = "Enter leaves, S twice stops the engine, Esc stays"

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._is_asked = False

    def rows(self) -> int:
        return len(leaving_lines(self.desk.snapshot))

    def lines(self, width: int, now_ns: int) -> list[Line]:
        return [
            (Cell(fit(f" {words}", width), tone),)
            for words, tone in leaving_lines(self.desk.snapshot)
        ]

    def on_key_name(self, key: str, now_ns: int) -> list[Effect] | None:
        if key == "enter":
            return [Leave()]
        if key in ("s", "S"):
            if self._is_asked:
                return self.press_again(now_ns)
            self._is_asked = True
            self.again.ask(now_ns)
            self.words = Cell("S again stops the engine: orders and positions stay", "alert")
        return []

    def confirmed(self, now_ns: int) -> list[Effect]:
        return [StopEngine()]
