"""The ledger: the journal that survives kill -9 and power cuts, and says so when it is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from types import TracebackType

import msgspec

from engine.core.clock import NS_PER_SECOND, Clock
from engine.core.ids import new_salt
from engine.core.tasks import OnFailure
from engine.domain.errors import LedgerError
from engine.domain.events import AnyEvent
from engine.store import backup, chain, codec, database
from engine.store.database import LEDGER, Schema
from engine.store.filelock import FileLock, lock_beside
from engine.store.writer import GroupWriter

FULL_CHECK_INTERVAL_NS = 7 * 24 * 3600 * NS_PER_SECOND


class LedgerJournal:
    """Implements `ports.store.Journal` on a SQLite file. Get one from `open_ledger`.

    `append`, `replay` and `close` may be called from any thread. `salt` goes into every client
    order id of this ledger; it was drawn once, when the file was made.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        lock: FileLock,
        head: chain.Head,
        on_failure: OnFailure,
    ) -> None:
        self.path = path
        self.salt = int(database.read_meta(connection)["salt"])
        self._connection = connection
        self._lock = lock
        self._is_closed = False
        self._writer = GroupWriter(connection, path, head, on_failure)

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest durable event, 0 while there is none."""
        return self._writer.head.seq

    def digest(self) -> str:
        """Hash of the newest durable event: equal for ledgers with the same events."""
        return self._writer.head.hash.hex()

    def append(self, events: Sequence[AnyEvent]) -> Future[int]:
        """Queue `events` for one transaction; the future gives the last sequence number once they
        are durable. Appends are never reordered, and cannot be cancelled.

        Callbacks of the future run in the writer's thread. If the disk fails, the future gets a
        LedgerError, `on_failure` is called, and every later call raises LedgerError.
        """
        return self._writer.append(
            [(codec.columns(event), codec.encode(event)) for event in events]
        )

    def replay(self) -> Iterator[AnyEvent]:
        """Every durable event from the first, each checked against the hash chain and against
        the columns that queries rely on. LedgerError names the first one that is wrong."""
        with (
            database.translated(LEDGER, self.path),
            closing(database.open_reader(self.path)) as connection,
        ):
            yield from read_events(connection, self.path)

    def close(self) -> None:
        """Write what is queued, note the clean stop, fold the WAL into the file, unlock."""
        if self._is_closed:
            return
        self._is_closed = True
        with database.translated(LEDGER, self.path):
            self._writer.close()
            try:
                if self._writer.failure is None:
                    mark = {"clean_stop": _stop_mark(self._writer.head)}
                    with database.transaction(self._connection):
                        database.write_meta(self._connection, mark)
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._connection.close()
                self._lock.release()

    def __enter__(self) -> LedgerJournal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_ledger(
    path: Path, *, clock: Clock, on_failure: OnFailure, schema: Schema = LEDGER
) -> LedgerJournal:
    """Open or create the ledger at `path` for its one engine.

    Everything is checked before anything is written, through a connection that cannot write: a
    damaged ledger and its -wal stay exactly as they were found. Raises LedgerError when another
    engine holds it, when it is damaged, foreign or too new, or cannot be read.
    """
    with database.translated(schema, path):
        lock = lock_beside(path)
        try:
            now_ns = clock.now_ns()
            if not path.exists():
                _create(path, now_ns, schema)
            head, is_full = _check(path, now_ns, schema)
            connection = database.open_writer(path, schema)
            try:
                note_start(connection, now_ns, is_full)
                return LedgerJournal(path, connection, lock, head, on_failure)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            lock.release()
            raise


def _create(path: Path, now_ns: int, schema: Schema) -> None:
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size > 0:
        raise LedgerError(
            f"ledger {path} is missing but its {wal.name} is there: bring the ledger back, or "
            "move that file away to begin anew"
        )
    first = {
        "salt": str(new_salt()),
        "created_ns": str(now_ns),
        "full_check_ns": str(now_ns),
        "clean_stop": _stop_mark(chain.EMPTY),
    }
    database.create(path, schema, first)


def _stop_mark(head: chain.Head) -> str:
    """What a clean stop leaves behind; empty while the ledger is open."""
    return f"{head.seq} {head.hash.hex()}"


def _check(path: Path, now_ns: int, schema: Schema) -> tuple[chain.Head, bool]:
    """As `check`, through a connection that cannot write. Backs up before a migration."""
    with closing(database.open_reader(path)) as connection:
        version = database.schema_version(connection, path, schema)
        found = check(connection, path, now_ns)
    if version < len(schema.steps):
        backup.copy(path, path.with_name(f"{path.name}.v{version}.bak"))
    return found


def check(connection: sqlite3.Connection, path: Path, now_ns: int) -> tuple[chain.Head, bool]:
    """The end of the chain, and whether the check was a full one. LedgerError when damaged."""
    meta = database.read_meta(connection)
    clean_stop = meta["clean_stop"]
    age_ns = now_ns - int(meta["full_check_ns"])
    is_full = not clean_stop or not 0 <= age_ns <= FULL_CHECK_INTERVAL_NS
    problem = database.check_pages(connection, is_full=is_full)
    if problem:
        raise LedgerError(
            f"ledger {path} is damaged ({problem}): keep the file and its -wal, and restore "
            "the latest backup"
        )
    head = chain.verify(connection)
    if clean_stop and clean_stop != _stop_mark(head):
        raise LedgerError(
            f"ledger {path} ends at event {head.seq} but was closed at event "
            f"{clean_stop.split()[0]}: it was changed since; restore the latest backup"
        )
    return head, is_full


def note_start(connection: sqlite3.Connection, now_ns: int, is_full: bool) -> None:
    """Until the next clean stop the file counts as uncleanly stopped."""
    with database.transaction(connection):
        values = {"clean_stop": ""}
        if is_full:
            values["full_check_ns"] = str(now_ns)
        database.write_meta(connection, values)


def read_events(connection: sqlite3.Connection, path: Path) -> Iterator[AnyEvent]:
    """Every event from the first, each checked against the chain and against its columns."""
    for row in chain.checked_rows(connection):
        yield _decoded(row, path)


def _decoded(row: chain.Row, path: Path) -> AnyEvent:
    try:
        event = codec.decode(row.body)
    except (msgspec.DecodeError, ValueError) as error:
        raise LedgerError(
            f"ledger {path}: event {row.seq} ({row.kind}) cannot be read by this version: {error}"
        ) from error
    if codec.columns(event) != row[1:5]:
        raise LedgerError(
            f"ledger {path}: the columns of event {row.seq} ({row.kind}) contradict its body; the "
            "file was changed: restore the latest backup"
        )
    return event
