"""The time line of a replay, above the footer. Takes the focus: its keys steer time."""

from __future__ import annotations

from textual.events import Click
from textual.message import Message

from app.views.desk import Desk
from app.views.replaybar import replay_line
from ui_tui.pane import Pane


class Slid(Message):
    """The line was clicked."""

    def __init__(self, column: int, width: int) -> None:
        super().__init__()
        self.column = column
        self.width = width


class ReplayBar(Pane):
    key = "replay"
    ground = "raised"

    def on_click(self, event: Click) -> None:
        self.post_message(Slid(event.x, self.size.width))

    def show(self, desk: Desk, now_ns: int, *, at_once: bool = False) -> None:
        snapshot = desk.snapshot
        is_replay = snapshot is not None and snapshot.replay is not None
        if self.display != is_replay:
            self.display = is_replay
        if snapshot is not None and is_replay:
            self.paint([replay_line(snapshot, self.size.width, self.look.glyphs)])
