"""Copies of a ledger that can be trusted: taken while it runs, synced, and verified by opening."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from engine.core.clock import NS_PER_SECOND
from engine.domain.errors import LedgerError
from engine.store import chain, database
from engine.store.database import LEDGER
from engine.store.filelock import lock_beside

KEEP = 7


def backup(ledger: Path, folder: Path, *, now_ns: int, keep: int = KEEP) -> Path:
    """A verified copy of `ledger` in `folder`, named by its time (UTC); the newest `keep` stay.

    May run beside the engine. LedgerError when the copy cannot be made or does not verify.
    """
    assert keep > 0, keep
    seconds, rest_ns = divmod(now_ns, NS_PER_SECOND)
    stamp = f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%S}.{rest_ns // 1_000_000:03d}Z"
    target = folder / f"{ledger.stem}-{stamp}.db"
    copy(ledger, target)
    # The stamp sorts by time.
    for old in sorted(folder.glob(f"{ledger.stem}-*Z.db"))[:-keep]:
        old.unlink()
    return target


def copy(ledger: Path, target: Path) -> chain.Head:
    """A consistent, durable, verified copy of `ledger` at `target`, and where its chain ends.

    It appears under its name only when it is complete; an older file of that name is replaced.
    """
    part = target.with_name(target.name + ".part")
    with database.translated(LEDGER, ledger):
        part.unlink(missing_ok=True)
        database.create_private(part)
        with (
            closing(database.open_reader(ledger)) as source,
            closing(sqlite3.connect(part, isolation_level=None)) as copied,
        ):
            source.backup(copied)
            # One file that stands alone, without -wal and -shm.
            copied.execute("PRAGMA journal_mode = DELETE").fetchall()
        _sync(part)
        head = verify(part)
        os.replace(part, target)
        database.sync_folder(target.parent)
    return head


def verify(path: Path) -> chain.Head:
    """Open a copy and check it in full: structure and hash chain. LedgerError if it is unsound."""
    with (
        database.translated(LEDGER, path),
        closing(database.open_reader(path)) as connection,
    ):
        database.schema_version(connection, path, LEDGER)
        problem = database.check_pages(connection, is_full=True)
        if problem:
            raise LedgerError(f"backup {path} is damaged ({problem}): choose another")
        return chain.verify(connection)


def restore(source: Path, ledger: Path, *, now_ns: int) -> chain.Head:
    """Put the backup `source` in the place of `ledger`, for which no engine may be running.

    Nothing is deleted: the present file, its -wal and -shm are renamed to `*.aside-<now_ns>`.
    """
    with database.translated(LEDGER, ledger):
        head = verify(source)
        lock = lock_beside(ledger)
        try:
            fresh = ledger.with_name(ledger.name + ".restored")
            copy(source, fresh)
            for suffix in ("-wal", "-shm", ""):
                present = ledger.with_name(ledger.name + suffix)
                if present.exists():
                    present.rename(present.with_name(f"{present.name}.aside-{now_ns}"))
            fresh.rename(ledger)
            database.sync_folder(ledger.parent)
        finally:
            lock.release()
    return head


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
