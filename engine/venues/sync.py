"""The update ids of one order book: which diffs count, which wait, and where one is missing.

Venues differ in words only. A diff tells of every change in (previous id, last id] and gives whole
quantities, so on a book that stands at `last_id` it is old news, or joins, or leaves a hole:

    Binance spot   U, u           previous id = U - 1
    Binance USD-M  U, u, pu       previous id = pu

Pure: no clock, no socket. What is not certain is not joined.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import NamedTuple

from engine.kernels.layout import Rows

WAITING_MAX = 4096
"""Diffs kept for a snapshot that is late: minutes of a busy book. Older ones fall out, and a
snapshot that would need them is refused."""


class Step(enum.Enum):
    APPLY = "apply"
    OLD = "old"
    """The book holds it already."""
    WAITS = "waits"
    """Kept for the snapshot."""
    GAP = "gap"
    """A diff is missing before this one, which is kept: a snapshot is needed."""


class Joined(NamedTuple):
    """What to apply on top of a snapshot, oldest first."""

    diffs: list[Rows]


class _Waiting(NamedTuple):
    previous_id: int
    last_id: int
    rows: Rows


class BookSync:
    """Follows one book on one connection."""

    def __init__(self) -> None:
        self.last_id = -1
        """Where the book stands; -1 while it is not joined."""
        self.is_proven = False
        """A diff of this connection has met the snapshot: it cannot be older than the stream."""
        self._waiting: deque[_Waiting] = deque(maxlen=WAITING_MAX)

    @property
    def is_joined(self) -> bool:
        return self.last_id >= 0

    def restart(self) -> None:
        """A new connection: nothing that came before says anything."""
        self.last_id = -1
        self.is_proven = False
        self._waiting.clear()

    def lose(self) -> None:
        """The book cannot be relied on for another reason than its ids: a snapshot is needed.
        Diffs from now on are kept for it."""
        self.last_id = -1
        self.is_proven = False

    def prove(self) -> None:
        """A second answer of the venue, a while after the snapshot, says the same."""
        self.is_proven = self.is_joined

    def follow(self, previous_id: int, last_id: int, rows: Rows) -> Step:
        """A diff was received. `rows` are copied when they are kept."""
        if previous_id >= last_id or previous_id < 0:
            # No venue says so; nothing can be concluded from it, least of all that it joins.
            self.lose()
            return Step.GAP
        if not self.is_joined:
            self._waiting.append(_Waiting(previous_id, last_id, rows.copy()))
            return Step.WAITS
        if previous_id > self.last_id:
            self.lose()
            self._waiting.append(_Waiting(previous_id, last_id, rows.copy()))
            return Step.GAP
        self.is_proven = True
        if last_id <= self.last_id:
            return Step.OLD
        self.last_id = last_id
        return Step.APPLY

    def join(self, snapshot_id: int) -> Joined | None:
        """A snapshot was received. None when diffs are missing between it and those that wait:
        it is too old, and a newer one is needed."""
        at_id = snapshot_id
        diffs = []
        for diff in self._waiting:
            if diff.previous_id > at_id:
                return None
            if diff.last_id > at_id:
                diffs.append(diff.rows)
                at_id = diff.last_id
        self.is_proven = bool(self._waiting)
        self._waiting.clear()
        self.last_id = at_id
        return Joined(diffs)
