"""The bell: at fills and alerts, at most once a second, never at what was there before."""

from __future__ import annotations

from engine.domain.snapshots import EngineSnapshot

QUIET_NS = 1_000_000_000


class Bell:
    def __init__(self) -> None:
        self.is_muted = False
        self._heard_seq = -1
        """The newest fill or alert known; -1 before the first picture."""
        self._is_due = False
        self._is_skipping = False
        """A replay was on its way when last looked at: what it went past is old."""
        self._rung_ns: int | None = None

    def hear(self, snapshot: EngineSnapshot) -> None:
        fills = (fill.seq for fill in snapshot.fills[-1:])
        alerts = (row.seq for row in snapshot.log if row.level == "alert")
        newest = max((*fills, *alerts), default=0)
        if self._heard_seq >= 0 and newest > self._heard_seq and not self._is_skipping:
            self._is_due = True
        self._is_skipping = snapshot.replay is not None and snapshot.replay.is_seeking
        # An engine that began anew counts anew.
        self._heard_seq = newest

    def rings(self, now_ns: int) -> bool:
        """Whether to ring now; what is due while it must be quiet rings afterwards."""
        if self.is_muted:
            self._is_due = False
        if not self._is_due:
            return False
        if self._rung_ns is not None and now_ns - self._rung_ns < QUIET_NS:
            return False
        self._is_due, self._rung_ns = False, now_ns
        return True
