"""Frame flow control for slow terminals, and the terminal's title.

After each frame the terminal is asked where its cursor is. Its answer comes back once it has
drawn all that was sent before, so frames are skipped while two answers are outstanding: on a slow
link keys stay quick, and a stalled reader cannot block Textual's writer queue and with it the
event loop. The time to the answer is an honest figure for the lag of the line.
"""

from __future__ import annotations

from typing import Any

from textual.app import App

from ui_tui.inside import write_raw, writer_queue

_ASK = "\x1b[6n"
_IN_FLIGHT_MAX = 2
_QUEUE_MAX = 4
"""Writes waiting in Textual's writer thread; its own limit of 30 blocks the event loop."""
_LOST_NS = 1_000_000_000
"""A terminal that has never answered gets its next frames after this long all the same."""
_REASK_NS = 5_000_000_000
"""One that has answered before may have lost the question: ask again after this long."""
_SILENT_MAX = 3
"""Silences after which it is taken for one that cannot answer, and is not asked any more."""


class FrameFlow:
    """Ask `is_clear` before a frame, tell `painted` after it, `answered` on each reply."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._asked_ns: list[int] = []
        self._silences = 0
        self._has_answered = False
        self.lag_ms: int | None = None
        """From a frame to the terminal's answer; None while unknown."""

    def is_clear(self, now_ns: int) -> bool:
        """May another frame be painted?"""
        queue = writer_queue(self._app)
        if queue is not None and queue.qsize() > _QUEUE_MAX:
            return False
        patience_ns = _REASK_NS if self._has_answered else _LOST_NS
        if self._asked_ns and now_ns - self._asked_ns[0] > patience_ns:
            self._asked_ns.clear()
            self._silences += not self._has_answered
        return len(self._asked_ns) < _IN_FLIGHT_MAX

    def painted(self, now_ns: int) -> None:
        """A frame has been handed over: ask the terminal to say when it is drawn."""
        if self._silences < _SILENT_MAX and write_raw(self._app, _ASK):
            self._asked_ns.append(now_ns)

    def answered(self, now_ns: int) -> None:
        self._silences = 0
        if self._asked_ns:
            self.lag_ms = (now_ns - self._asked_ns.pop(0)) // 1_000_000
            self._has_answered = True


def set_title(app: App[Any], title: str) -> None:
    """The window's title, so that paper and live differ in the task bar too."""
    printable = "".join(char for char in title if char.isprintable())
    write_raw(app, f"\x1b]0;{printable}\x07")
