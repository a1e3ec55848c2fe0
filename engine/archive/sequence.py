"""The venue's update ids: which depth diffs count, and where one is missing."""

from __future__ import annotations

from collections import deque

from engine.archive import recording as rec
from engine.wire.binance import DepthDiff

RECENT_DIFFS = 512
"""Diffs remembered for a snapshot that is answered late; at 10 ms a diff this is 5 s."""


class BookSequence:
    """Follows the update ids of depth diffs and snapshots; says which diffs count."""

    def __init__(self, counts: rec.Counts, futures: bool) -> None:
        self.last_id = -1
        self._counts = counts
        self._futures = futures
        self._snapshot_id = -1
        self._joined = False
        self._recent: deque[DepthDiff] = deque(maxlen=RECENT_DIFFS)

    def follow(self, diff: DepthDiff) -> int:
        """Flags of a diff that was just received."""
        base_id = self.last_id
        if self._snapshot_id >= 0 and not self._joined:
            if self._is_stale(diff):
                self._counts.stale += 1
                return rec.STALE
            self._joined = True
            base_id = self._snapshot_id
        elif diff.last_id <= base_id:
            self._counts.repeated += 1
            return rec.REPEATED
        self._recent.append(diff)
        self.last_id = diff.last_id
        flags = 0
        if self._snapshot_id < 0:
            flags |= rec.EARLY
            self._counts.early += 1
        if 0 <= base_id < diff.follows_id:
            flags |= rec.GAP
            self._counts.gaps += 1
        return flags

    def restart(self, snapshot_id: int) -> list[tuple[DepthDiff, int]]:
        """A snapshot was received: the diffs, with flags, to be applied on top of it again."""
        self._snapshot_id = snapshot_id
        self._counts.snapshots += 1
        newer = [diff for diff in self._recent if not self._is_stale(diff)]
        self._joined = bool(newer)
        if not newer:
            self.last_id = snapshot_id
            return []
        flags = [rec.AGAIN] * len(newer)
        if newer[0].follows_id > snapshot_id:
            flags[0] |= rec.GAP
            self._counts.gaps += 1
        self._counts.again += len(newer)
        return list(zip(newer, flags, strict=True))

    def _is_stale(self, diff: DepthDiff) -> bool:
        # Binance's own rule differs by one between futures and spot.
        if self._futures:
            return diff.last_id < self._snapshot_id
        return diff.last_id <= self._snapshot_id
