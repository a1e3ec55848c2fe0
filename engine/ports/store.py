"""What the trader needs of durable storage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Protocol

from engine.domain.events import AnyEvent


class Journal(Protocol):
    """An append-only, hash-chained list of events."""

    def append(self, events: Sequence[AnyEvent]) -> Future[int]:
        """Write `events` in one transaction. The future gives the last sequence number once they
        are durable (fdatasync), or the error that stopped the journal. Never reorders."""

    def replay(self) -> Iterator[AnyEvent]:
        """Every event from the first, in order, each checked against the hash chain."""
