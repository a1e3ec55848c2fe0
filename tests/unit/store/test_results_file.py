"""The results file: runs of an older version can still be read, and what they lack is unknown."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from engine.domain.order import Side
from engine.store import results
from engine.store.database import RESULTS, create
from engine.store.results import ResultFill, StoredRun

FILL = ResultFill(
    ts_ns=1,
    side=Side.BUY,
    price=Decimal("60000.1"),
    qty=Decimal("0.01"),
    fee=Decimal("0.12"),
    maker=True,
    queue_ahead=Decimal("1.5"),
    order_id="q1",
    queue_rank=2.5,
    deep_queue=False,
    toxic=None,
    volume_resting=Decimal(3),
    markout_1s_bp=-0.5,
    markout_5s_bp=None,
    markout_60s_bp=None,
    queue_left=Decimal("0.25"),
    level_volume=Decimal("1.25"),
    latency_ms=62.5,
)


def test_fills_come_back_as_they_were(tmp_path: Path) -> None:
    run = StoredRun(document=b"{}", fills=[FILL], equity=[])
    path = tmp_path / "backtests.db"
    assert results.load(path, results.save(path, run, 1)) == run


def test_a_file_of_the_first_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "backtests.db"
    create(path, RESULTS._replace(steps=RESULTS.steps[:1]), {})
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO run VALUES (?, 1, ?)", ("a" * 64, b"{}"))
        row = (1, "buy", "1", "1", "0", 1, "0", "q1", None, 0, None, "0", None, None, None)
        marks = ", ".join("?" for _ in row)
        connection.execute(f"INSERT INTO fill VALUES (?, 1, {marks})", ("a" * 64, *row))
    (fill,) = results.load(path, "a" * 64).fills
    assert (fill.order_id, fill.queue_left, fill.latency_ms) == ("q1", None, None)
