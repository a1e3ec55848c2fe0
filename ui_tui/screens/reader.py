"""Dialogs that are read and scrolled: a story, a backtest, the manual."""

from __future__ import annotations

from app.views.cells import Cell, Line, fit
from app.views.cursors import selected
from app.views.effects import Effect
from app.views.manual import page_lines
from app.views.runsview import run_lines
from app.views.shelf import Page
from app.views.storyview import story_lines
from ui_tui.screens.dialog import Dialog

STEPS = {"up": -1, "down": 1, "k": -1, "j": 1, "pageup": -10, "pagedown": 10, "space": 10}


class Reader(Dialog):
    """Subclasses write `text`: all of it, for a width."""

    columns = 100
    hint = "arrows scroll, Esc closes"
    first = 0

    def text(self, width: int) -> list[Line]:
        raise NotImplementedError

    def rows(self) -> int:
        return 60

    def lines(self, width: int, now_ns: int) -> list[Line]:
        lines = self.text(width)
        room = self.query_one(".body").size.height
        self.first = max(0, min(self.first, len(lines) - room))
        return lines[self.first :]

    def on_key_name(self, key: str, now_ns: int) -> list[Effect] | None:
        self.first = max(0, self.first + STEPS.get(key, 0))
        return []


class StoryDialog(Reader):
    title = "why"

    def rows(self) -> int:
        return 20

    def text(self, width: int) -> list[Line]:
        self.title = f"why {self.desk.story_id}"
        return story_lines(self.desk.shelved.get("story", self.desk.story_id), width)


class RunDialog(Reader):
    title = "backtest"

    def text(self, width: int) -> list[Line]:
        chosen = selected(self.desk, "runs")
        return run_lines(self.desk.shelved.get("run", chosen), width, self.look.glyphs)


class ManualDialog(Reader):
    title = "manual"
    hint = "left, right: pages   arrows scroll   Esc closes"
    page = 0

    def text(self, width: int) -> list[Line]:
        pages: list[Page] = list(self.desk.shelved.rows("pages"))
        if not pages:
            words = self.desk.shelved.get("pages").error or "reading the manual"
            return [(Cell(fit(f" {words}", width), "faint"),)]
        self.page %= len(pages)
        page = pages[self.page]
        self.title = f"manual {self.page + 1} of {len(pages)}: {page.title}"
        return page_lines(page.text, width)

    def on_key_name(self, key: str, now_ns: int) -> list[Effect] | None:
        turn = {"left": -1, "right": 1, "h": -1, "l": 1}.get(key, 0)
        if turn:
            self.page += turn
            self.first = 0
        return super().on_key_name(key, now_ns)
