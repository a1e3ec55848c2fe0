"""What lies over the main screen: a titled box that takes the letters, never the safety keys.

Dialogs are not Textual screens: the market behind them stays alive.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Horizontal
from textual.events import Event, Key, Mount
from textual.widget import Widget
from textual.widgets import Input

from app.views.cells import Cell, Line, fit
from app.views.desk import Desk
from app.views.effects import Effect, Wake
from app.views.gestures import HELD_NS, Again, Verdict
from ui_tui.look import Look
from ui_tui.pane import Lines, NeedsPaint

_NEXT = {"tab": 1, "down": 1, "shift+tab": -1, "up": -1}

_TAKE_S = 0.25
"""A field that has gone meanwhile takes no key; nobody waits longer for it."""
_EDITS = {
    key: binding.action
    for binding in Input.BINDINGS
    if isinstance(binding, Binding) and binding.action != "submit"
    for key in binding.key.split(",")
}


class Body(Lines):
    """A drawn part of a dialog."""

    ground = "raised"


class Field(Input):
    """A one-line text field; what is typed is never interpreted."""

    def __init__(self, value: str = "", *, id: str | None = None) -> None:
        super().__init__(value, id=id, compact=True, select_on_focus=False)
        self.cursor_blink = False
        self._has_handled = asyncio.Event()

    def watch_value(self, value: str) -> None:
        """At once, not by a message: the next key may be the one that confirms."""
        for ancestor in self.ancestors:
            if isinstance(ancestor, Dialog) and self.is_mounted:
                ancestor.typed()
                ancestor.post_message(NeedsPaint())

    async def on_key(self, event: Key) -> None:
        """Editing keys here, too: through the app's bindings they come behind later letters."""
        action = _EDITS.get(event.key)
        if action is not None:
            event.prevent_default()
            event.stop()
            await self.run_action(action)

    async def on_event(self, event: Event) -> None:
        await super().on_event(event)
        self._has_handled.set()

    async def take(self, send: Awaitable[None]) -> None:
        """Let `send` deliver a key, and wait until it is in the field: those that came with it
        must not overtake it."""
        self._has_handled.clear()
        await send
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._has_handled.wait(), _TAKE_S)


class Dialog(Container):
    """Subclasses say their size, their fields, their lines and what their keys do."""

    title: str = ""
    columns: ClassVar[int] = 72
    hint: ClassVar[str] = "Esc closes"
    label_columns: ClassVar[int] = 9

    def __init__(self, desk: Desk, look: Look, came_from: Widget | None) -> None:
        super().__init__(classes="dialog")
        self.desk = desk
        self.look = look
        self.came_from = came_from
        """The pane to go back to."""
        self.words: Cell | None = None
        """Shown in the last line in place of the hint."""
        self._early: str | None = ""
        """What was typed before there was a field to take it; None once there is."""
        self._field: Field | None = None
        """The one that had the focus last."""
        self.again = Again()
        """Judges the second press of a key that confirms."""

    @property
    def pane_key(self) -> str:
        return getattr(self.came_from, "key", "")

    # -- for subclasses ------------------------------------------------------------------------

    def fields(self) -> dict[str, str]:
        """The text fields from the top: name and first value."""
        return {}

    def hints(self) -> dict[str, str]:
        """What each field takes, shown beside it."""
        return {}

    def rows(self) -> int:
        """How many lines `lines` needs."""
        return 1

    def lines(self, width: int, now_ns: int) -> list[Line]:
        """What stands below the fields."""
        return []

    def on_key_name(self, key: str, now_ns: int) -> list[Effect] | None:
        """Handle a key that the dialog knows; None leaves it to the focused field."""
        return None

    def typed(self) -> None:
        """A text field has changed."""

    def confirmed(self, now_ns: int) -> list[Effect]:
        """What was asked has been confirmed by a second press."""
        return []

    # -- confirming ----------------------------------------------------------------------------

    def press_again(self, now_ns: int) -> list[Effect]:
        """The key that confirms was pressed once more: at once, in a moment, or never."""
        verdict = self.again.press(now_ns)
        if verdict is Verdict.HELD:
            return [Wake(HELD_NS)]
        return self.confirmed(now_ns) if verdict is Verdict.FIRE else []

    def tick(self, now_ns: int) -> list[Effect]:
        """Let time pass."""
        return self.confirmed(now_ns) if self.again.is_due(now_ns) else []

    # -- fields --------------------------------------------------------------------------------

    def keep_focus(self) -> None:
        """A click beside the dialog takes the focus away; what is typed is still for its field."""
        fields = list(self.query(Field))
        if fields and self.screen.focused not in fields:
            self.screen.set_focus(self._field if self._field in fields else fields[0])

    def on_descendant_focus(self) -> None:
        if isinstance(self.screen.focused, Field):
            self._field = self.screen.focused

    def value(self, name: str) -> str:
        return self.query_one(f"#field-{name}", Field).value

    def turn(self, key: str) -> bool:
        """Move between fields if `key` says so."""
        fields = list(self.query(Field))
        step = _NEXT.get(key)
        if step is None or len(fields) < 2:
            return False
        focused = self.screen.focused
        at = fields.index(focused) if focused in fields else 0
        self.screen.set_focus(fields[(at + step) % len(fields)])  # Now, not by a message.
        return True

    def takes_early(self, event: Key) -> bool:
        """Keep what is typed ahead of the first field: on a slow line keys come together. Keys that
        do something wait for a person who has seen the dialog."""
        if self._early is None or not self.fields() or event.key == "escape":
            return False
        self._early += event.character if event.is_printable and event.character else ""
        return True

    # -- life ----------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Body(self.look, classes="title")
        for name, value in self.fields().items():
            yield Horizontal(
                Body(self.look, id=f"label-{name}", classes="label"),
                Field(value, id=f"field-{name}"),
                Body(self.look, id=f"hint-{name}", classes="beside"),
                classes="field" if self.hints() else "field -alone",
            )
        yield Body(self.look, classes="body")
        yield Body(self.look, classes="hint")

    def on_mount(self, event: Mount) -> None:
        fields = self.query(Field)
        self.screen.set_focus(fields.first() if fields else None)
        early, self._early = self._early, None
        if fields and early:
            fields.first().insert_text_at_cursor(early)
        self.place()

    def place(self) -> None:
        """In the middle of the screen, as tall as needed; header and footer stay in sight."""
        room = self.screen.size
        width = min(self.columns, room.width - 2)
        height = min(self.rows() + len(self.fields()) + 4, room.height - 3)
        self.styles.width, self.styles.height = width, height
        for label in self.query(".label"):
            label.styles.width = self.label_columns
        self.styles.offset = ((room.width - width) // 2, max(2, (room.height - height) // 2))

    def show(self, now_ns: int) -> None:
        """Paint title, labels, body and the last line."""
        if len(self.query(Body)) < 3 + 2 * len(self.fields()):  # Not composed yet.
            return
        self._paint(".title", [(Cell(f" {self.title}", "title_focus"),)])
        for name in self.fields():
            self._paint(f"#label-{name}", [(Cell(f" {name}", "dim"),)])
            self._paint(f"#hint-{name}", [(Cell(f" {self.hints().get(name, '')}", "faint"),)])
        body = self.query_one(".body", Body)
        body.paint(self.lines(body.size.width, now_ns)[: body.size.height])
        last = self.words or Cell(self.hint, "note")
        self._paint(".hint", [(Cell(f" {last.text}", last.tone),)])

    def _paint(self, selector: str, lines: list[Line]) -> None:
        body = self.query_one(selector, Body)
        width = body.size.width
        body.paint(
            [tuple(Cell(fit(cell.text, width), cell.tone) for cell in line) for line in lines]
        )
