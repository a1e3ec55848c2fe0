"""The one thread that writes the ledger: it commits everything that has queued up at once.

A commit costs one fdatasync (4 ms on a good disk, far more on a card), whether it carries one row
or a thousand. So whoever comes while a commit is under way shares the next one.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from engine.core.tasks import OnFailure, OwnedThread
from engine.domain.errors import LedgerError, shorten
from engine.store.chain import Head
from engine.store.codec import Columns, chain
from engine.store.database import transaction

_ROWS_PER_COMMIT = 20_000
"""Bounds the memory and the time of one transaction; more than a second of work."""

_CHECKPOINT_ROWS = 4000
_CHECKPOINT_COMMITS = 300
"""A commit rewrites a handful of 4 KiB pages: the WAL stays at about 4 MiB."""

_CLOSE_DEADLINE_S = 60.0

_INSERT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

EventRow = tuple[Columns, bytes]


class _Append(NamedTuple):
    rows: Sequence[EventRow]
    future: Future[int]


class Committer:
    """Writes rows through `connection`, one transaction at a time, and knows where the chain ends.

    Belongs to one thread at a time. Whoever uses it stops after the first error: what the disk
    holds then is a prefix of what was asked for, and contains all that `commit` returned for.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, head: Head) -> None:
        self.connection = connection
        self.head = head
        """The newest durable event."""
        self._path = path
        self._rows_since_checkpoint = 0
        self._commits_since_checkpoint = 0

    def commit(self, appends: Sequence[Sequence[EventRow]]) -> list[int]:
        """Write `appends` in one transaction; the last sequence number of each."""
        seq, last_hash = self.head
        rows = []
        ends = []
        for append in appends:
            for columns, body in append:
                seq += 1
                hash_ = chain(last_hash, seq, body)
                rows.append((seq, *columns, body, last_hash, hash_))
                last_hash = hash_
            ends.append(seq)
        if rows:
            with transaction(self.connection):
                self.connection.executemany(_INSERT, rows)
            self.head = Head(seq, last_hash)
            self._rows_since_checkpoint += len(rows)
            self._commits_since_checkpoint += 1
        return ends

    def checkpoint_if_due(self) -> None:
        """Move the WAL into the file, after the waiting futures have been answered."""
        if (
            self._rows_since_checkpoint < _CHECKPOINT_ROWS
            and self._commits_since_checkpoint < _CHECKPOINT_COMMITS
        ):
            return
        self._rows_since_checkpoint = self._commits_since_checkpoint = 0
        self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def failure(self, error: Exception) -> LedgerError:
        """The line that a person reads when a write has failed."""
        failure = LedgerError(
            f"ledger {self._path}: could not be written ({shorten(str(error))}): nothing after "
            f"event {self.head.seq} was saved; check the disk's space and health, then restart"
        )
        failure.__cause__ = error
        return failure


class GroupWriter:
    """Owns `connection` from the start until `close` has returned.

    After the first error nothing is written any more: the failed append and every later one get
    a LedgerError. What the disk holds then is a prefix of what was asked for, and contains all
    that was acknowledged.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, head: Head, on_failure: OnFailure
    ) -> None:
        self._committer = Committer(connection, path, head)
        self._path = path
        self._queue: SimpleQueue[_Append | None] = SimpleQueue()
        self._gate = threading.Lock()
        """Nothing may queue up behind the end of the queue."""
        self._is_closed = False
        self._failure: LedgerError | None = None
        self._thread = OwnedThread("ledger-writer", self._work, on_failure)
        self._thread.start()

    @property
    def head(self) -> Head:
        """The newest durable event."""
        return self._committer.head

    @property
    def failure(self) -> LedgerError | None:
        return self._failure

    def append(self, rows: Sequence[EventRow]) -> Future[int]:
        """Queue `rows`; see `LedgerJournal.append`."""
        future: Future[int] = Future()
        # From here on it cannot be cancelled: the rows may be on their way to the disk.
        future.set_running_or_notify_cancel()
        with self._gate:
            if self._failure is not None:
                raise LedgerError(str(self._failure)) from self._failure
            if self._is_closed:
                raise LedgerError(f"ledger {self._path} is closed: nothing can be written")
            self._queue.put(_Append(rows, future))
        return future

    def close(self) -> None:
        """Write what is queued and end the thread. The connection is the caller's again.

        TimedOut when the disk does not answer; the connection must then be left alone.
        """
        with self._gate:
            if self._is_closed:
                return
            self._is_closed = True
            # Before it is told: it may be through before the next line runs.
            self._thread.release()
            self._queue.put(None)
        self._thread.stop(_CLOSE_DEADLINE_S)

    # -- the writer's thread -----------------------------------------------------------------

    def _work(self, stopping: threading.Event) -> None:
        is_last = False
        while not is_last:
            batch, is_last = self._collect()
            if self._failure is None:
                try:
                    ends = self._committer.commit([append.rows for append in batch])
                except Exception as error:  # noqa: BLE001 - every cause means: not durable
                    self._break(error)
                else:
                    for append, seq in zip(batch, ends, strict=True):
                        append.future.set_result(seq)
                    self._checkpoint()
                    continue
            for append in batch:
                append.future.set_exception(self._failure)

    def _collect(self) -> tuple[list[_Append], bool]:
        """Everything queued by now, waiting for the first; and whether the queue has ended."""
        batch: list[_Append] = []
        rows = 0
        append = self._queue.get()
        while append is not None:
            batch.append(append)
            rows += len(append.rows)
            if rows >= _ROWS_PER_COMMIT:
                return batch, False
            try:
                append = self._queue.get_nowait()
            except Empty:
                return batch, False
        return batch, True

    def _checkpoint(self) -> None:
        try:
            self._committer.checkpoint_if_due()
        except sqlite3.Error as error:
            self._break(error)

    def _break(self, error: Exception) -> None:
        self._failure = self._committer.failure(error)
        self._thread.report(self._failure)
