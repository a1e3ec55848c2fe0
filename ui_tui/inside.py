"""Every private name of Textual that Pilothouse uses, in one place.

Where a driver lacks one, what needs it is left out and the rest works: frames are drawn by Textual
itself, unthrottled, and the window keeps its title. `tests/tui/test_inside.py` fails when a new
Textual has moved them.
"""

from __future__ import annotations

import os
import re
import select
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual._parser import ParseError
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.app import App
from textual.driver import Driver
from textual.events import CursorPosition, Key, Paste, Resize
from textual.filter import ANSIToTruecolor
from textual.geometry import Region, Size
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from app.views.gestures import BURST_KEYS
from ui_tui.canvas import Canvas, Piece

_ENTER = "\x1b[?1049h"
_READ_BYTES = 4096
_LOOK_S = 0.1
PASTE_QUIET_LOOKS = 20
"""A paste of which nothing has come for so many looks has lost its end."""
_REPORT = re.compile(r"\x1b\[\d+;\d+R")
"""Where the cursor stands, as asked for after each frame: no part of a paste."""
RUBBISH_KEYS = 64
"""More messages than that in one read are nobody's fingers."""
PATIENCE_POLLS = 3
"""A resize on its way gets this long to arrive by itself."""
Span = tuple[int, int, Iterable[Piece]]
Drawn = tuple[int, int, Iterable[tuple[str, Style]]]
"""What a widget draws: its row, from which of its columns on, and text in styles."""


class ShortFrames(App[None], inherit_bindings=False):
    """An app whose frames are sent as differences. Base class of the real one.

    Textual's own updates are compared with what the terminal shows. Widgets that draw lines need
    not go through Textual at all while nothing lies over them: `draw` puts rows into the next
    frame, `send_frame` sends it. Textual stays the one that knows the layout: whenever it draws,
    it draws from the same lines.
    """

    def __init__(self) -> None:
        super().__init__()
        if self.driver_class.__name__ == "LinuxDriver":  # Others read other things than keys.
            self.driver_class = _listening(self.driver_class)
        self._canvas = Canvas()
        self._odd_size_polls = 0
        self._is_held = True
        self._spans: list[Span] = []
        self._drawn: set[Widget] = set()
        """Of the next frame."""

    @property
    def is_covered(self) -> bool:
        """Whether something lies over the widgets of the screen."""
        return len(self.screen_stack) != 1

    def stay_on_screen(self, take_over: Callable[[], None]) -> None:
        """The alternate screen is shown already, with a picture on it: `take_over` is called
        instead of entering it, which would clear it."""
        self.driver_class = _staying(self.driver_class, take_over)

    @property
    def is_held(self) -> bool:
        """Whether frames for a real terminal are held back."""
        return self._is_held and is_terminal(self)

    def release_frames(self) -> None:
        """Until this is called nothing is drawn: a screen laid out and still empty is not worth
        being seen."""
        if self._is_held:
            self._is_held = False
            self.screen.refresh()

    def forget_frame(self) -> None:
        """The terminal may show anything now: send the next frame whole."""
        self._canvas.forget()

    def mend_size(self, laid_out: Size) -> None:
        """Lay out again where the last of many quick resizes has got lost on its way: the terminal
        has one size, what is `laid_out` another."""
        if not is_terminal(self) or not self.screen_stack:
            return
        try:
            real = Size(*os.get_terminal_size(self._driver.fileno))  # type: ignore[union-attr]
        except (AttributeError, OSError):
            return  # Keys do not come from a terminal: nothing to compare with.
        if real == self.size == laid_out:
            self._odd_size_polls = 0
            return
        self._odd_size_polls += 1
        if self._odd_size_polls > PATIENCE_POLLS:
            self._odd_size_polls = 0
            self._size = real
            self.forget_frame()
            self.screen._screen_resized(real)
            self.screen.post_message(Resize(real, real))

    def can_draw(self) -> bool:
        return (
            is_terminal(self)
            and self._canvas.knows(self.size)
            and not self.is_covered
            and not self._batch_count
            and all(isinstance(one, ANSIToTruecolor) for one in self.get_line_filters())
        )

    def draw(self, widget: Widget, rows: Iterable[Drawn]) -> bool:
        """Put what `widget` has drawn into the next frame. False when it has to go through
        Textual."""
        left, top, _, height = widget.region
        if not height or not self.can_draw():
            return False
        if widget in self._drawn:  # Within a frame the order of two pictures would be lost.
            self.send_frame()
        self._drawn.add(widget)
        colours = self.console._color_system or ColorSystem.STANDARD
        for row, column, pieces in rows:
            if row < height:
                drawn = [Piece(text, _sgr(style, colours)) for text, style in pieces]
                self._spans.append((top + row, left + column, drawn))
                widget._styles_cache.set_dirty(Region(0, row, 1, 1))
        return True

    def send_frame(self) -> None:
        """Send what was drawn since the last time."""
        spans, self._spans = self._spans, []
        self._drawn.clear()
        frame = self._canvas.frame(self.size, spans) if spans and self.can_draw() else ""
        if frame:
            is_synced = self._sync_available
            write_raw(self, f"{SYNC_START}{frame}{SYNC_END}" if is_synced else frame)

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, ChopsUpdate | LayoutUpdate) and is_terminal(self):
            if self._is_held:
                return
            renderable = Difference(renderable, self._canvas, self.size)
        super()._display(screen, renderable)


class Ear:
    """What a terminal sends, as events. Takes any bytes, and ends what has been left open."""

    def __init__(self) -> None:
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._parser = XTermParser()
        self._held = ""
        """What may be the first half of a mark."""
        self._pasted: list[str] | None = None
        """The paste so far; None outside of one."""
        self._quiet_looks = 0

    def hear(self, data: bytes) -> list[Message]:
        """The events in what was read at once. Characters that came together are marked so: a
        terminal that does not bracket a paste sends it like that, and no finger is as fast. Many
        of them are a paste."""
        text, self._held = self._held + self._decode(data), ""
        heard: list[Message] = []
        while text:
            text = self._paste(text, heard) if self._is_pasting else self._type(text, heard)
        typed = [one for one in heard if _has_char(one)]
        for key in typed:
            key.came_together = len(typed) > 1  # type: ignore[attr-defined]
        return heard

    def wait(self) -> list[Message]:
        """Nothing has come for a moment: what waits for more of it does so no longer."""
        if not self._is_pasting:
            held, self._held = self._held, ""
            return [*self._parsed(held), *self._parser.tick()]
        self._quiet_looks += 1
        has_lost_end = self._quiet_looks >= PASTE_QUIET_LOOKS
        return self.hear(BRACKETED_PASTE_END.encode()) if has_lost_end else []

    @property
    def _is_pasting(self) -> bool:
        return self._pasted is not None

    def _type(self, text: str, heard: list[Message]) -> str:
        """Take in what is typed; returns what follows the beginning of a paste."""
        typed, mark, rest = text.partition(BRACKETED_PASTE_START)
        if mark:
            self._pasted, self._quiet_looks = [], 0
        else:
            typed, self._held = _cut(typed, BRACKETED_PASTE_START, 3)  # ESC and ESC [ are keys.
        events: list[Message] = []
        for is_text, run in groupby(self._parsed(typed), _is_text):
            part = list(run)
            events += _as_paste(part) if is_text and len(part) > BURST_KEYS else part
        if len(events) > RUBBISH_KEYS:
            kept = [one for one in events if isinstance(one, Key | CursorPosition)]
            events = [*(one for one in kept if not _has_char(one)), *_as_paste(kept)]
        heard += events
        return rest

    def _paste(self, text: str, heard: list[Message]) -> str:
        """Take in what is pasted; returns what follows its end."""
        assert self._pasted is not None
        inside, mark, rest = text.partition(BRACKETED_PASTE_END)
        if not mark:
            inside, self._held = _cut(inside, BRACKETED_PASTE_END, 1)
        for report in _REPORT.findall(inside):
            heard += self._parsed(report)
        own = _REPORT.sub("", inside).replace("\0", "")
        self._quiet_looks = 0 if own else self._quiet_looks + 1
        self._pasted.append(own)
        if mark:
            heard.append(Paste("".join(self._pasted)))
            self._pasted = None
        return rest

    def _parsed(self, text: str) -> list[Message]:
        try:
            return list(self._parser.feed(text)) if text else []
        except (ParseError, ArithmeticError, ValueError):  # Rubbish that it takes for a report.
            self._parser = XTermParser()
            return []


def _cut(text: str, mark: str, least: int) -> tuple[str, str]:
    """Without what may be the first half of `mark`, and that half."""
    for length in range(len(mark) - 1, least - 1, -1):
        if text.endswith(mark[:length]):
            return text[:-length], mark[:length]
    return text, ""


def _has_char(message: Message) -> bool:
    return isinstance(message, Key) and message.character is not None


def _is_text(message: Message) -> bool:
    """Could it be a part of a text?"""
    char = message.character if isinstance(message, Key) else None
    return char is not None and (char.isprintable() or char in "\r\n\t")


def _as_paste(messages: list[Message]) -> list[Message]:
    """Their text, as if the terminal had said that it was pasted; nothing where there is none."""
    text = "".join(one.character or "" for one in messages if isinstance(one, Key))
    return [Paste(text)] if text else []


def _listening(kind: type[Driver]) -> type[Driver]:
    """A driver that hears through an `Ear`, and leaves when its terminal has gone."""

    class Listening(kind):  # type: ignore[valid-type,misc]
        def run_input_thread(self) -> None:
            ear = Ear()
            while not self.exit_event.is_set():
                if select.select([self.fileno], [], [], _LOOK_S)[0]:
                    try:
                        data = os.read(self.fileno, _READ_BYTES)
                    except OSError:
                        data = b""
                    if not data:
                        self._app.call_later(self._app.exit)
                        return
                    heard = ear.hear(data)
                else:
                    heard = ear.wait()
                for message in heard:
                    if not isinstance(message, Resize) or self._is_size(message.size):
                        self.process_message(message)

        def _is_size(self, size: Size) -> bool:
            """Rubbish that reads like a report of the size must not lay the screen out."""
            try:
                return size == Size(*os.get_terminal_size(self.fileno))
            except OSError:
                return False

    return Listening


def _staying(kind: type[Driver], take_over: Callable[[], None]) -> type[Driver]:
    """A driver that finds itself on the alternate screen already. Once it has been suspended it
    has to enter it like any other."""

    class Staying(kind):  # type: ignore[valid-type,misc]
        _has_begun = False

        def write(self, data: str) -> None:
            if data == _ENTER and not self._has_begun:
                self._has_begun = True
                take_over()
                return
            super().write(data)

    return Staying


class QuietScreen(Screen[None], inherit_bindings=False):
    """A screen that is not rendered while its app holds frames back."""

    def _compositor_refresh(self) -> None:
        app = self.app
        if isinstance(app, ShortFrames) and app.is_held:
            self._dirty_widgets.clear()
        else:
            super()._compositor_refresh()


class Difference(CompositorUpdate):
    """Stands for an update of Textual's and renders itself as what it changes."""

    def __init__(
        self, update: ChopsUpdate | LayoutUpdate, canvas: Canvas, size: tuple[int, int]
    ) -> None:
        self._update = update
        self._canvas = canvas
        self._size = size

    def render_segments(self, console: Console) -> str:
        colours = console._color_system or ColorSystem.STANDARD
        return self._canvas.frame(self._size, spans_of(self._update, colours))


def spans_of(update: ChopsUpdate | LayoutUpdate, colours: ColorSystem) -> Iterator[Span]:
    """What an update draws: row, first column, pieces."""
    if isinstance(update, LayoutUpdate):
        left, top, _, _ = update.region
        for row, strips in enumerate(update.strips, top):
            x = left
            for strip in strips:
                yield row, x, _pieces(strip, colours)
                x += strip.cell_length
        return
    for row, first, last in update.spans:
        for x, strip in update.chops[row].items():
            if strip is not None and x < last and x + strip.cell_length > first:
                yield row, x, _pieces(strip, colours)


def _pieces(strip: Strip, colours: ColorSystem) -> list[Piece]:
    return [Piece(text, "" if style is None else _sgr(style, colours)) for text, style, _ in strip]


def _sgr(style: Style, colours: ColorSystem) -> str:
    known = style._ansi
    return Strip.render_ansi(style, colours) if known is None else known


def is_terminal(app: App[Any]) -> bool:
    """Whether a real terminal is behind the app, and a driver that we know how to talk to."""
    return not app.is_headless and writer_queue(app) is not None


def writer_queue(app: App[Any]) -> Any | None:
    """The queue of Textual's writer thread; None where this version or driver has none."""
    writer = getattr(getattr(app, "_driver", None), "_writer_thread", None)
    queue = getattr(writer, "_queue", None)
    return queue if hasattr(queue, "qsize") else None


def write_raw(app: App[Any], text: str) -> bool:
    """Send a control sequence of ours to a real terminal; False when there is none."""
    if not is_terminal(app):
        return False
    app._driver.write(text)  # type: ignore[union-attr]  # Checked by writer_queue.
    return True
