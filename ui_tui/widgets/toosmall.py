"""What is shown when the terminal is too small for anything else."""

from __future__ import annotations

from app.views import format as fmt
from app.views.cells import Cell, Line
from app.views.desk import Desk
from app.views.header import failure_words
from app.views.lists import holding_lines
from ui_tui.pane import Lines

MIN_WIDTH, MIN_HEIGHT = 80, 24


class TooSmall(Lines):
    def show(self, desk: Desk, now_ns: int) -> None:
        width, height = self.size
        words = f" too small ({width}x{height}, needs {MIN_WIDTH}x{MIN_HEIGHT}): F12 works "
        lines: list[Line] = [(Cell(words, "alert"),)]
        banner = desk.banner(now_ns)
        if banner is not None:
            lines.append((Cell(f" {banner.text}", banner.tone),))
        snapshot = desk.snapshot
        if desk.failure:
            lines.append((Cell(f" {failure_words(desk.failure)}", "alert"),))
        elif snapshot is not None:
            sign = fmt.sign(snapshot.day_pnl, snapshot.settle)
            money = fmt.signed_money(snapshot.day_pnl, snapshot.settle)
            lines.append(
                (
                    Cell(f" {snapshot.mode.value.upper()} ", f"mode_{snapshot.mode.value}"),
                    Cell(" day ", "dim"),
                    Cell(f"{money} {snapshot.settle}", fmt.tone_of(sign)),
                )
            )
            lines += holding_lines(snapshot)
        self.paint(lines[:height])
