"""A journal for backtests: in memory, the same order, the same chain, no waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

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


class _Resolved(Future[int]):
    """A future that was done from the beginning.

    An ordinary Future makes a lock and a condition; half a million of them is what a backtest
    would spend most of its journal's time on. So this one skips the constructor and answers for
    itself.
    """

    def __init__(self, value: int) -> None:
        self._value = value

    def result(self, timeout: float | None = None) -> int:
        return self._value

    def exception(self, timeout: float | None = None) -> None:
        return None

    def done(self) -> bool:
        return True

    def cancelled(self) -> bool:
        return False

    def running(self) -> bool:
        return False

    def cancel(self) -> bool:
        return False

    def add_done_callback(self, fn: Callable[[Future[int]], object]) -> None:
        fn(self)
