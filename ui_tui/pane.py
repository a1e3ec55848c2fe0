"""Line-drawn widgets: lines kept per row, and only rows that changed are painted again.

A DataTable repaints and resends itself whole on each change; this costs a tenth of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from app.views import format as fmt
from app.views.cells import Cell, Line, fit, fit_line, line_width, text_width
from app.views.desk import Desk
from ui_tui.inside import Drawn, ShortFrames
from ui_tui.look import Look

EARLY_MS = 30
"""How much sooner than its turn a pane may be drawn."""
_WHEEL_ROWS = 3
_NOTE_MIN = 8
"""Columns below which the note of a title is left out."""
_NOTE_GAP = "  "
"""Between the parts of a note; the last ones go first where there is no room."""


class NeedsPaint(Message):
    """A widget's size or focus has changed: what it shows must be drawn again."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, NeedsPaint)


class Lines(Widget):
    """Shows lines of cells. `paint` compares them with what is on the screen."""

    ground: ClassVar[str] = "ground"
    pace_ms: ClassVar[int] = 0
    """How often it is drawn while nobody presses keys; 0: whenever there is something new."""
    phase_ms: ClassVar[int] = 0
    """When, within its pace: what takes turns does not keep a key waiting all at once."""

    def __init__(self, look: Look, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.look = look
        self._lines: list[Line] = []
        self._width = 0
        self._turn = -1
        """The stretch of `pace_ms` that it was drawn in last, or for, a little before it."""
        self._drawn_ms = 0

    def on_resize(self) -> None:
        self.post_message(NeedsPaint())

    def is_due(self, now_ns: int, at_once: bool) -> bool:
        """Is it time to draw again? Drawing is cheap, bytes on a slow line are not."""
        if not self.pace_ms:
            return True
        now_ms = now_ns // 1_000_000 - self.phase_ms
        turn = now_ms // self.pace_ms
        if not at_once and turn <= self._turn:
            # A poll that is a little early for the next turn takes it: the one behind it would be
            # late by a whole poll.
            turn = (now_ms + EARLY_MS) // self.pace_ms
            if turn <= self._turn or now_ms - self._drawn_ms < self.pace_ms - EARLY_MS:
                return False
        self._turn, self._drawn_ms = turn, now_ms
        return True

    @property
    def is_painted(self) -> bool:
        return bool(self._lines) and self.size.width == self._width

    def paint(self, lines: list[Line]) -> int:
        """Put `lines` on the screen and return how many rows were painted."""
        width = self.size.width
        if width != self._width:
            self._width, self._lines = width, []
        before, count = self._lines, max(len(lines), len(self._lines))
        self._lines = lines + [()] * (count - len(lines))
        changed = [
            row for row in range(count) if row >= len(before) or before[row] != self._lines[row]
        ]
        if not changed:
            return 0
        app = self.app
        assert isinstance(app, ShortFrames), app
        if not app.draw(self, self._differences(before, changed)):
            self.refresh(*(Region(0, row, width, 1) for row in changed))
        return len(changed)

    def _differences(self, before: list[Line], rows: list[int]) -> Iterator[Drawn]:
        """What has to be drawn where a row was `before`: most rows change in one or two cells."""
        for row in rows:
            new = self._lines[row]
            if row < len(before):
                yield row, *self.look.difference(before[row], new, self._width, self.ground)
            else:
                yield row, 0, self.look.pieces(new, self._width, self.ground)

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else ()
        return self.look.strip(line, self.size.width, self.ground)

    def text(self) -> str:
        """What is shown, as plain text; for tests and for copying."""
        return "\n".join("".join(cell.text for cell in line).rstrip() for line in self._lines)


class Wheeled(Message):
    """The wheel was turned over a pane: rows down, or up where negative."""

    def __init__(self, pane: Pane, rows: int) -> None:
        super().__init__()
        self.pane = pane
        self.rows = rows


class Pointed(Message):
    """A row of a pane was clicked, counted from below its title bar."""

    def __init__(self, pane: Pane, row: int) -> None:
        super().__init__()
        self.pane = pane
        self.row = row


class Picture(NamedTuple):
    """What a pane draws: words for its title bar, at the left and right, and its lines."""

    title: str
    lines: list[Line]
    note: str = ""


def _stale(picture: Picture, age_ms: int) -> Picture:
    grey = [tuple(Cell(cell.text, "stale") for cell in line) for line in picture.lines]
    return Picture(picture.title, grey, f"STALE {fmt.age(age_ms)}")


class Pane(Lines, can_focus=True):
    """A titled pane that draws itself from the desk. Subclasses write `draw`."""

    key: ClassVar[str] = ""
    """Its name for key contexts: `ladder`, `bots`, `log` ..."""
    goes_stale: ClassVar[bool] = False
    """What it shows is worth what the market is worth: grey, with its age, once that is stale."""

    def on_focus(self) -> None:
        self.post_message(NeedsPaint())

    def on_mouse_scroll_down(self) -> None:
        self.post_message(Wheeled(self, _WHEEL_ROWS))

    def on_mouse_scroll_up(self) -> None:
        self.post_message(Wheeled(self, -_WHEEL_ROWS))

    def on_click(self, event: Click) -> None:
        if event.y > 0:
            self.post_message(Pointed(self, event.y - 1))

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        """The picture for `size` cells, title bar and wall not counted."""
        raise NotImplementedError

    def show(self, desk: Desk, now_ns: int, *, at_once: bool = False) -> None:
        """Draw again, unless that was done in this stretch of `pace_ms` already."""
        width, height = self.size
        if width < 3 or height < 1 or not self.is_due(now_ns, at_once):
            return
        wall = self.region.x > 0
        inner = Size(width - wall - 1, height - 1)
        picture = self._drawn(desk, now_ns, inner)
        if self.goes_stale and desk.is_stale(now_ns):
            picture = _stale(picture, desk.feed_age_ms(now_ns))
        lines = [self._title_bar(picture, width, wall)]
        edge = Cell(f"{self.look.glyphs.wall} " if wall else " ", "rule")
        lines += [(edge, *line) for line in picture.lines[: inner.height]]
        lines += [(edge,)] * (inner.height - len(lines) + 1)
        self.paint(lines)

    def _drawn(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        try:
            return self.draw(desk, now_ns, size)
        except Exception as error:  # noqa: BLE001
            # One broken pane must not take the screen, and with it the kill switch, away.
            words = f" this pane failed: {type(error).__name__}: {error}"
            return Picture(self.key, [(Cell(words, "alert"),)])

    def _title_bar(self, picture: Picture, width: int, wall: bool) -> Line:
        """`╭─ bots 2 ─────────────── note ─`, brighter while focused."""
        glyphs = self.look.glyphs
        rule = "rule_focus" if self.has_focus else "rule"
        head = (
            Cell((glyphs.corner if wall else glyphs.rule) + glyphs.rule, rule),
            Cell(f" {picture.title} ", "title_focus" if self.has_focus else "title"),
        )
        left = width - line_width(head)
        if left < 0:
            return fit_line(head, width, rule)
        words = picture.note
        while _NOTE_GAP in words and text_width(words) + 3 > left:
            words = words.rpartition(_NOTE_GAP)[0]  # The rest of it, rather than nothing.
        if not words or left < _NOTE_MIN:
            return (*head, Cell(glyphs.rule * left, rule))
        note = f" {words} "
        note = fit(note, min(text_width(note), left - 1))
        room = left - 1 - text_width(note)
        cells = (Cell(glyphs.rule * room, rule), Cell(note, "note"), Cell(glyphs.rule, rule))
        return (*head, *cells)
