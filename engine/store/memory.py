"""Journals for backtests: in memory, the same order, the same chain, no waiting; or none at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any, ClassVar

from engine.domain.events import AnyEvent
from engine.store.codec import GENESIS, chain, encode


class MemoryJournal:
    """Implements `ports.store.Journal`. Events are encoded and hashed only when asked for."""

    def __init__(self) -> None:
        self._events: list[AnyEvent] = []
        self._hashed = 0
        self._hash = GENESIS

    @property
    def last_seq(self) -> int:
        return len(self._events)

    def append(self, events: Sequence[AnyEvent]) -> Future[int]:
        """Keep `events`; the future is resolved already."""
        self._events.extend(events)
        return _Resolved(len(self._events))

    def replay(self) -> Iterator[AnyEvent]:
        return iter(self._events)

    def digest(self) -> str:
        """Hash of the newest event, as a ledger with the same events would have it."""
        for seq in range(self._hashed + 1, len(self._events) + 1):
            self._hash = chain(self._hash, seq, encode(self._events[seq - 1]))
        self._hashed = len(self._events)
        return self._hash.hex()


class NoJournal:
    """Implements `ports.store.Journal` where nothing will ever be read back: it only counts, so
    that a run of any length takes no more memory than a short one."""

    def __init__(self) -> None:
        self.last_seq = 0

    def append(self, events: Sequence[AnyEvent]) -> Future[int]:
        self.last_seq += len(events)
        return _Resolved(self.last_seq)

    def replay(self) -> Iterator[AnyEvent]:
        raise NotImplementedError("nothing was kept")


class _Resolved(Future[int]):
    """A future that was done from the beginning.

    An ordinary one makes a lock and a condition for itself; half a million of those is what a
    backtest would spend most of its journal's time on. What is the same for all of ours (done, no
    error, nobody waiting) is kept once, here, under the names the base class reads.
    """

    _condition = threading.Condition()
    _state = "FINISHED"
    _exception = None
    _waiters: ClassVar[list[Any]] = []  # type: ignore[misc]

    def __init__(self, value: int) -> None:
        self._result = value
