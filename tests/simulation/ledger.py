"""The ledger on a simulated disk: the store's own schema, chain, codec, checks and commits; only
the thread is missing, and time passes on the loop instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.core.clock import Clock
from engine.domain.errors import LedgerError
from engine.domain.events import AnyEvent
from engine.store import chain, codec, database, journal
from engine.store.database import LEDGER, Schema
from engine.store.writer import Committer, EventRow
from tests.simulation.disk import Disk, connect

FILE = "ledger.db"
SALT = 12345


@cache
def _blank(schema: Schema, created_ns: int) -> bytes:
    """The bytes of a new ledger, made by the store itself on the machine's own disk."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        first = {
            "salt": str(SALT),
            "created_ns": str(created_ns),
            "full_check_ns": str(created_ns),
            "clean_stop": f"0 {chain.EMPTY.hash.hex()}",
        }
        database.create(path, schema, first)
        return path.read_bytes()


def format_disk(disk: Disk, created_ns: int, schema: Schema = LEDGER) -> None:
    disk.put(FILE, _blank(schema, created_ns))


class SimLedger:
    """Implements `ports.store.Journal`. `commit_s` says how long the disk takes for each commit;
    what is appended meanwhile shares the next one, as with the real writer."""

    def __init__(
        self,
        disk: Disk,
        clock: Clock,
        commit_s: Callable[[], float],
        on_failure: Callable[[LedgerError], None],
        schema: Schema = LEDGER,
    ) -> None:
        """Check and open, as `journal.open_ledger` does. LedgerError when it is damaged."""
        self.path = disk.path(FILE)
        self._commit_s = commit_s
        self._on_failure = on_failure
        self._waiting: list[tuple[Sequence[EventRow], Future[int]]] = []
        self._under_way: list[tuple[Sequence[EventRow], Future[int]]] = []
        self._failure: LedgerError | None = None
        if disk.is_locked:
            raise LedgerError(f"{self.path} is in use by another engine")
        disk.is_locked = True
        now_ns = clock.now_ns()
        with database.translated(schema, self.path):
            connection = database.open_writer(self.path, schema, connect)
            head, is_full = journal.check(connection, self.path, now_ns)
            journal.note_start(connection, now_ns, is_full)
        self.salt = int(database.read_meta(connection)["salt"])
        self._connection = connection
        self._committer = Committer(connection, self.path, head)

    @property
    def last_seq(self) -> int:
        return self._committer.head.seq

    def digest(self) -> str:
        return self._committer.head.hash.hex()

    def append(self, events: Sequence[AnyEvent]) -> Future[int]:
        future: Future[int] = Future()
        future.set_running_or_notify_cancel()
        if self._failure is not None:
            raise LedgerError(str(self._failure)) from self._failure
        rows = [(codec.columns(event), codec.encode(event)) for event in events]
        self._waiting.append((rows, future))
        if not self._under_way:
            self._begin()
        return future

    def undurable(self) -> list[AnyEvent]:
        """What has been appended and is not durable yet."""
        batch = self._under_way + self._waiting
        return [codec.decode(body) for rows, _ in batch for _, body in rows]

    def replay(self) -> Iterator[AnyEvent]:
        with database.translated(LEDGER, self.path):
            yield from journal.read_events(self._connection, self.path)

    def close(self) -> None:
        with database.translated(LEDGER, self.path):
            self._connection.close()

    def _begin(self) -> None:
        self._under_way, self._waiting = self._waiting, []
        asyncio.get_running_loop().call_later(self._commit_s(), self._commit)

    def _commit(self) -> None:
        batch, self._under_way = self._under_way, []
        try:
            ends = self._committer.commit([rows for rows, _ in batch])
            for (_, future), end in zip(batch, ends, strict=True):
                future.set_result(end)
            self._committer.checkpoint_if_due()
        except Exception as error:  # noqa: BLE001 - every cause means: not durable
            self._failure = self._committer.failure(error)
            for _, future in batch + self._waiting:
                if not future.done():
                    future.set_exception(self._failure)
            self._waiting = []
            self._on_failure(self._failure)
            return
        if self._waiting:
            self._begin()


def read_disk(disk: Disk) -> list[AnyEvent]:
    """Every event that a start on this disk would find. The disk is used up by it."""
    path = disk.path(FILE)
    connection = connect(path)
    try:
        return list(journal.read_events(connection, path))
    finally:
        connection.close()
        disk.unmount()
