"""What lies over the main screen: a titled box that takes the letters, never the safety keys.

Dialogs are not Textual screens: the market behind them stays alive.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container
from textual.events import Mount
from textual.widget import Widget
from textual.widgets import Input

from app.views.cells import Cell, Line, fit
from app.views.desk import Desk
from app.views.effects import Effect
from ui_tui.look import Look
from ui_tui.pane import Lines


class Body(Lines):
    """The drawn part of a dialog."""

    ground = "raised"


class Field(Input, inherit_bindings=True):
    """A one-line text field that never interprets what is typed."""

    def __init__(self, value: str = "", *, id: str | None = None) -> None:
        super().__init__(value, id=id, compact=True, select_on_focus=False)
        self.cursor_blink = False


class Dialog(Container):
    """Subclasses say their size, their body's lines and what Enter does."""

    title: ClassVar[str] = ""
    columns: ClassVar[int] = 72
    hint: ClassVar[str] = "Esc closes"

    def __init__(self, desk: Desk, look: Look, came_from: Widget | None) -> None:
        super().__init__(classes="dialog")
        self.desk = desk
        self.look = look
        self.came_from = came_from
        """The pane to go back to."""
        self.words: Cell | None = None
        """Shown in the last line in place of the hint."""

    @property
    def pane_key(self) -> str:
        return getattr(self.came_from, "key", "")

    # -- for subclasses ------------------------------------------------------------------------

    def fields(self) -> list[Field]:
        """The text fields, from the top."""
        return []

    def lines(self, width: int, now_ns: int) -> list[Line]:
        """What stands below the fields."""
        return []

    def rows(self) -> int:
        """How many lines `lines` needs."""
        return 1

    def on_key_name(self, key: str, now_ns: int) -> list[Effect] | None:
        """Handle a key that the dialog knows; None leaves it to the focused field."""
        return None

    # -- life ----------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Body(self.look, classes="title")
        yield from self.fields()
        yield Body(self.look, classes="body")
        yield Body(self.look, classes="hint")

    def on_mount(self, event: Mount) -> None:
        self._place()
        first = self.query(Field).first(Field) if self.query(Field) else None
        if first is not None:
            first.focus()
        else:
            self.screen.set_focus(None)

    def _place(self) -> None:
        """In the middle of the screen, as tall as needed, above header and footer never."""
        screen = self.screen.size
        width = min(self.columns, screen.width - 2)
        height = min(self.rows() + len(self.query(Field)) + 4, screen.height - 4)
        self.styles.width, self.styles.height = width, height
        self.styles.offset = ((screen.width - width) // 2, max(2, (screen.height - height) // 2))

    def show(self, now_ns: int) -> None:
        """Paint title, body and the last line."""
        title, body, hint = self.query(Body)
        assert isinstance(title, Body) and isinstance(body, Body) and isinstance(hint, Body)
        title.paint([(Cell(fit(f" {self.title}", title.size.width), "title_focus"),)])
        body.paint(self.lines(body.size.width, now_ns)[: body.size.height])
        last = self.words or Cell(self.hint, "note")
        hint.paint([(Cell(fit(f" {last.text}", hint.size.width), last.tone),)])
