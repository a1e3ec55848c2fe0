"""The time line of a replay, above the footer. Takes the focus: its keys steer time."""

from __future__ import annotations

from app.views.desk import Desk
from app.views.replaybar import replay_line
from ui_tui.pane import Pane


class ReplayBar(Pane):
    key = "replay"
    ground = "raised"

    def show(self, desk: Desk, now_ns: int, *, at_once: bool = False) -> None:
        snapshot = desk.snapshot
        is_replay = snapshot is not None and snapshot.replay is not None
        if self.display != is_replay:
            self.display = is_replay
        if snapshot is not None and is_replay:
            self.paint([replay_line(snapshot, self.size.width, self.look.glyphs)])
