"""Results of backtests, kept in a file of their own: `backtests.db`.

A run is named by the SHA-256 of its document. The same run is kept once, whoever asks for it how
often. Every call opens the file and closes it; writers wait for each other, readers for nobody.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from engine.domain.errors import BadInput, LedgerError
from engine.domain.order import Side
from engine.store import database
from engine.store.database import RESULTS
from engine.store.filelock import FileLock, lock_beside

SHORT_ID = 12
"""Digits of an id that people are shown."""
_ID_MIN = 4
_LOCK_WAIT_S = 20.0
_LOCK_POLL_S = 0.05


class ResultFill(msgspec.Struct, frozen=True, kw_only=True):
    """One fill and what became of the price after it (`engine.research.fills`)."""

    ts_ns: int
    side: Side
    price: Decimal
    qty: Decimal
    fee: Decimal
    maker: bool
    queue_ahead: Decimal
    """Quantity ahead when the order joined its level; -1 for takers."""
    order_id: str
    queue_rank: float | None
    deep_queue: bool
    toxic: bool | None
    volume_resting: Decimal
    markout_1s_bp: float | None
    markout_5s_bp: float | None
    markout_60s_bp: float | None
    queue_left: Decimal | None = None
    """Quantity still ahead when it filled, more than 0 where the price went through its level;
    and what the market traded at its price or beyond while it rested. None for takers."""
    level_volume: Decimal | None = None
    latency_ms: float | None = None
    """How long the order was under way to the venue."""


class EquityPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Profit or loss since the start, of the run and of buying and holding, at one time."""

    ts_ns: int
    profit: Decimal
    hold: Decimal
    mid: Decimal
    position: Decimal


class StoredRun(msgspec.Struct, frozen=True, kw_only=True):
    document: bytes
    """JSON, as `backtest run --json` prints it."""
    fills: Sequence[ResultFill]
    equity: Sequence[EquityPoint]

    @property
    def run_id(self) -> str:
        return hashlib.sha256(self.document).hexdigest()


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    run_id: str
    saved_ns: int
    document: bytes


def save(path: Path, run: StoredRun, now_ns: int) -> str:
    """Keep `run` and return its id. All of it or nothing; LedgerError says why not."""
    with database.translated(RESULTS, path):
        lock = _wait_for_lock(path)
        try:
            if not path.exists():
                database.create(path, RESULTS, {})
            with closing(database.open_writer(path, RESULTS)) as connection:
                known = connection.execute("SELECT 1 FROM run WHERE id = ?", (run.run_id,))
                if known.fetchone() is not None:
                    return run.run_id
                with database.transaction(connection):
                    connection.execute(
                        "INSERT INTO run VALUES (?, ?, ?)", (run.run_id, now_ns, run.document)
                    )
                    connection.executemany(_insert("fill", ResultFill), _rows(run, run.fills))
                    connection.executemany(_insert("equity", EquityPoint), _rows(run, run.equity))
        finally:
            lock.release()
    return run.run_id


def listed(path: Path) -> list[Listed]:
    """Every run, the one saved last first; none where there is no file yet."""
    if not path.exists():
        return []
    query = "SELECT id, saved_ns, document FROM run ORDER BY saved_ns DESC, id"
    with database.translated(RESULTS, path):
        rows = database.read_once(path, query)
    return [msgspec.convert(dict(zip(_LISTED, row, strict=True)), Listed) for row in rows]


def find_id(path: Path, prefix: str) -> str:
    """The whole id that begins with `prefix`. BadInput when there is none, or more than one."""
    word = prefix.strip().lower()
    if len(word) < _ID_MIN or not set(word) <= set("0123456789abcdef"):
        raise BadInput("ID", prefix, "give an id of `pilothouse backtest list`, or 4 digits of it")
    found = []
    if path.exists():
        with database.translated(RESULTS, path):
            query = "SELECT id FROM run WHERE substr(id, 1, ?) = ? LIMIT 2"
            found = database.read_once(path, query, len(word), word)
    if not found:
        raise BadInput("ID", prefix, "no such run: see `pilothouse backtest list`")
    if len(found) > 1:
        raise BadInput("ID", prefix, "several runs begin like that: give more digits")
    return str(found[0][0])


def load(path: Path, run_id: str) -> StoredRun:
    """The run with this whole id."""
    with database.translated(RESULTS, path):
        _bring_up_to_date(path)
        document = database.read_once(path, "SELECT document FROM run WHERE id = ?", run_id)
        fills = database.read_once(path, _select("fill", ResultFill), run_id)
        equity = database.read_once(path, _select("equity", EquityPoint), run_id)
    if not document or not isinstance(document[0][0], bytes):
        raise LedgerError(f"{RESULTS.word} {path}: run {run_id[:SHORT_ID]} is gone")
    return StoredRun(
        document=document[0][0],
        fills=[_decoded(row, ResultFill) for row in fills],
        equity=[_decoded(row, EquityPoint) for row in equity],
    )


def remove(path: Path, run_id: str) -> None:
    """Forget the run with this whole id, fills and equity with it."""
    with database.translated(RESULTS, path):
        lock = _wait_for_lock(path)
        try:
            with (
                closing(database.open_writer(path, RESULTS)) as connection,
                database.transaction(connection),
            ):
                connection.execute("DELETE FROM run WHERE id = ?", (run_id,))
        finally:
            lock.release()


_Row = TypeVar("_Row", bound=msgspec.Struct)
_LISTED = ("run_id", "saved_ns", "document")


def _insert(table: str, kind: type[msgspec.Struct]) -> str:
    marks = ", ".join("?" for _ in kind.__struct_fields__)
    names = ", ".join(kind.__struct_fields__)
    return f"INSERT INTO {table} (run_id, number, {names}) VALUES (?, ?, {marks})"


def _select(table: str, kind: type[msgspec.Struct]) -> str:
    names = ", ".join(kind.__struct_fields__)
    return f"SELECT {names} FROM {table} WHERE run_id = ? ORDER BY number"


def _rows(run: StoredRun, structs: Iterable[msgspec.Struct]) -> Iterable[tuple[object, ...]]:
    run_id = run.run_id
    for number, struct in enumerate(structs):
        cells = (_cell(value) for value in msgspec.structs.astuple(struct))
        yield (run_id, number, *cells)


def _bring_up_to_date(path: Path) -> None:
    """A file of an older version gets the columns that have come since."""
    (version,) = database.read_once(path, "PRAGMA user_version")[0]
    if version != len(RESULTS.steps):
        lock = _wait_for_lock(path)
        try:
            database.open_writer(path, RESULTS).close()
        finally:
            lock.release()


def _cell(value: object) -> object:
    return str(value) if isinstance(value, Decimal | Side) else value


def _decoded(row: tuple[object, ...], kind: type[_Row]) -> _Row:
    """A row of the file; lax, since SQLite keeps truth as 0 and 1."""
    named = dict(zip(kind.__struct_fields__, row, strict=True))
    try:
        return msgspec.convert(named, kind, strict=False)
    except msgspec.ValidationError as error:
        raise LedgerError(f"{RESULTS.word}: a row is damaged: {error}") from error


def _wait_for_lock(path: Path) -> FileLock:
    """Only one process writes at a time; it is done in a moment, so the others wait."""
    until_s = time.perf_counter() + _LOCK_WAIT_S
    while True:
        try:
            return lock_beside(path)
        except LedgerError:
            if time.perf_counter() > until_s:
                raise LedgerError(
                    f"{RESULTS.word} {path}: another backtest is writing it; try again"
                ) from None
            time.sleep(_LOCK_POLL_S)
