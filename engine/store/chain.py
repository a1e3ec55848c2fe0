"""Reading the event table while checking it: every row against its hash and its predecessor."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from collections.abc import Iterator
from typing import NamedTuple

from engine.domain.errors import LedgerError
from engine.store.codec import GENESIS


class Head(NamedTuple):
    """The newest event: 0 and GENESIS while there is none."""

    seq: int
    hash: bytes


class Row(NamedTuple):
    seq: int
    ts_ns: int
    kind: str
    client_order_id: str | None
    bot_id: str | None
    body: bytes


EMPTY = Head(0, GENESIS)


def verify(connection: sqlite3.Connection) -> Head:
    """Check the whole chain and return its end. LedgerError names the first event that is wrong.

    Written out instead of calling `codec.chain` per row: this runs over every event at every
    start, and the calls would double its time.
    """
    sha256 = hashlib.sha256
    pack = struct.Struct(">Q").pack
    last = 0
    last_hash = GENESIS
    rows = connection.execute("SELECT seq, body, prev_hash, hash FROM event ORDER BY seq")
    for seq, body, prev_hash, hash_ in rows:
        if (
            seq != last + 1
            or prev_hash != last_hash
            or sha256(last_hash + pack(seq) + body).digest() != hash_
        ):
            raise broken(connection, last + 1)
        last = seq
        last_hash = hash_
    return Head(last, last_hash)


def checked_rows(connection: sqlite3.Connection) -> Iterator[Row]:
    """Every row in order, each checked before it is handed out."""
    sha256 = hashlib.sha256
    pack = struct.Struct(">Q").pack
    last_hash = GENESIS
    rows = connection.execute(
        "SELECT seq, ts_ns, kind, client_order_id, bot_id, body, hash FROM event ORDER BY seq"
    )
    for expected, (*columns, hash_) in enumerate(rows, 1):
        row = Row(*columns)
        last_hash = sha256(last_hash + pack(expected) + row.body).digest()
        if row.seq != expected or last_hash != hash_:
            raise broken(connection, expected)
        yield row


def broken(connection: sqlite3.Connection, seq: int) -> LedgerError:
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    return LedgerError(
        f"ledger {path}: event {seq} is missing or does not match its hash; the file was changed "
        "or its card is failing: keep the file and its -wal, and restore the latest backup"
    )
