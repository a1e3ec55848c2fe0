"""How our SQLite files are opened, locked, migrated and checked.

The settings are those that survive power cuts on cheap cards (reference: reliability 3.2). SQLite
before 3.51.3 can corrupt a WAL that two connections reset at once, so exactly one connection per
file writes and checkpoints; all others are opened read-only and never touch the WAL.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from engine.domain.errors import LedgerError, shorten
from engine.store import migrations

OLDEST_SQLITE = (3, 37, 0)
"""The first with STRICT tables."""

BUSY_TIMEOUT_MS = 5000
JOURNAL_SIZE_LIMIT = 16 * 1024 * 1024


class Schema(NamedTuple):
    """One of our kinds of file."""

    word: str
    application_id: int
    """Written into the file's header, so that a foreign database is never migrated."""
    synchronous: str
    steps: Sequence[migrations.Step]


LEDGER = Schema("ledger", int.from_bytes(b"PHlg"), "FULL", migrations.LEDGER)
MARKET = Schema("market file", int.from_bytes(b"PHmk"), "NORMAL", migrations.MARKET)
RESULTS = Schema("results file", int.from_bytes(b"PHbt"), "FULL", migrations.RESULTS)


# -- opening ---------------------------------------------------------------------------------


@contextmanager
def translated(schema: Schema, path: Path) -> Iterator[None]:
    """SQLite's and the system's errors as one LedgerError line that names the file."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"{schema.word} {path}: {shorten(str(error), 200)}") from error


def create(path: Path, schema: Schema, meta: Mapping[str, str]) -> None:
    """Make a new file with every step applied and `meta` in its meta table.

    It appears under its name only when it is complete. So a file that is there and empty is never
    a new one that was interrupted: it has lost its content, and `open_writer` refuses it.
    """
    part = path.with_name(path.name + ".new")
    part.unlink(missing_ok=True)
    create_private(part)
    with closing(sqlite3.connect(part, isolation_level=None)) as connection:
        # A crash leaves nothing but the unfinished file, which is made anew.
        connection.execute("PRAGMA journal_mode = MEMORY").fetchall()
        migrate(connection, schema, 0)
        if meta:
            with transaction(connection):
                write_meta(connection, meta)
    os.replace(part, path)
    sync_folder(path.parent)


Connect = Callable[[Path], sqlite3.Connection]
"""Opens the one connection that writes a file. Another one puts another disk under the store: the
simulation's, whose power can be cut between two writes."""


def connect_writer(path: Path) -> sqlite3.Connection:
    """A plain connection to `path`, which exists, for its owner alone."""
    path.chmod(0o600)
    # isolation_level None: no transaction is opened behind our back.
    return sqlite3.connect(
        path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000, check_same_thread=False
    )


def open_writer(
    path: Path, schema: Schema, connect: Connect = connect_writer
) -> sqlite3.Connection:
    """The one connection that writes `path`, which exists, brought up to date.

    It may be handed to another thread, but only one at a time may use it. Raises sqlite3.Error
    and OSError (see `translated`), and LedgerError for a file that is not ours or too new.
    """
    connection = connect(path)
    try:
        # First, while nothing has been written: a foreign file must stay as it is.
        version = schema_version(connection, path, schema)
        _configure(connection)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute(f"PRAGMA synchronous = {schema.synchronous}")
        connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_SIZE_LIMIT}").fetchall()
        migrate(connection, schema, version)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot change `path`, nor checkpoint or remove its WAL."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_MS / 1000,
        check_same_thread=False,
    )
    _configure(connection)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _configure(connection: sqlite3.Connection) -> None:
    for pragma in (
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "temp_store = MEMORY",
        "mmap_size = 0",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def create_private(path: Path) -> None:
    """Make an empty file that only its owner may read; its -wal and -shm will inherit that.

    A folder that has to be made is private as well; one that exists belongs to somebody else.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise LedgerError(
            f"SQLite {sqlite3.sqlite_version} is too old: use a Python with SQLite 3.37 or newer"
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def sync_folder(folder: Path) -> None:
    """Make created, renamed and removed names in `folder` durable."""
    if sys.platform == "win32":
        return  # Windows has no such call; NTFS journals its names.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- schema ----------------------------------------------------------------------------------


def schema_version(connection: sqlite3.Connection, path: Path, schema: Schema) -> int:
    """Steps applied to the file; LedgerError if it is foreign, empty or too new."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if owner != schema.application_id or version < 1:
        raise LedgerError(
            f"{path} is not a Pilothouse {schema.word}, or has lost its content: move it away, "
            "or restore the latest backup"
        )
    if version > len(schema.steps):
        raise LedgerError(
            f"{schema.word} {path} was written by a newer Pilothouse (schema {version}, this one "
            f"knows {len(schema.steps)}): update the program"
        )
    return version


def migrate(connection: sqlite3.Connection, schema: Schema, version: int) -> None:
    """Apply the steps after `version`, each in a transaction of its own."""
    for number, statements in enumerate(schema.steps[version:], version + 1):
        with transaction(connection):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {schema.application_id}")
            connection.execute(f"PRAGMA user_version = {number}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything inside or nothing. IMMEDIATE: a conflict shows at the start, not half-way."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors (disk full, I/O).
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


# -- checking --------------------------------------------------------------------------------


def check_pages(connection: sqlite3.Connection, *, is_full: bool) -> str:
    """What is wrong with the file's structure, "" if nothing. The full check reads every index
    against its table and takes several times as long."""
    pragma = "integrity_check" if is_full else "quick_check"
    problems = [str(row[0]) for row in connection.execute(f"PRAGMA {pragma}(3)")]
    if problems != ["ok"]:
        return "; ".join(problems)
    orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    return "" if orphan is None else f"a row of {orphan[0]} refers to nothing"


# -- single values ---------------------------------------------------------------------------


def read_meta(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM meta"))


def write_meta(connection: sqlite3.Connection, values: Mapping[str, str]) -> None:
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


def read_once(path: Path, query: str, *parameters: object) -> list[tuple[object, ...]]:
    """The rows of one query on a read-only connection of its own."""
    with closing(open_reader(path)) as connection:
        return connection.execute(query, parameters).fetchall()
