"""Kept runs: what went in comes out, once each, whoever writes; damage is named, never hidden."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.errors import BadInput, LedgerError
from engine.domain.order import Side
from engine.store import results
from engine.store.results import EquityPoint, ResultFill, StoredRun

ROOT = Path(__file__).resolve().parents[3]

amounts = st.decimals(-(10**15), 10**15, places=12, allow_nan=False)
times = st.integers(0, 2**62)
rates = st.none() | st.floats(allow_nan=False, allow_infinity=False)
fills = st.builds(
    ResultFill,
    ts_ns=times,
    side=st.sampled_from(Side),
    price=amounts,
    qty=amounts,
    fee=amounts,
    maker=st.booleans(),
    queue_ahead=amounts,
    order_id=st.text(st.characters(categories=["Ll", "Nd"]), min_size=1, max_size=18),
    queue_rank=rates,
    deep_queue=st.booleans(),
    toxic=st.none() | st.booleans(),
    volume_resting=amounts,
    markout_1s_bp=rates,
    markout_5s_bp=rates,
    markout_60s_bp=rates,
)
points = st.builds(
    EquityPoint, ts_ns=times, profit=amounts, hold=amounts, mid=amounts, position=amounts
)
runs = st.builds(
    StoredRun,
    document=st.binary(min_size=1, max_size=200),
    fills=st.lists(fills, max_size=8),
    equity=st.lists(points, max_size=8),
)


def a_run(number: int = 0) -> StoredRun:
    point = EquityPoint(
        ts_ns=number, profit=Decimal(1), hold=Decimal(2), mid=Decimal(3), position=Decimal(4)
    )
    return StoredRun(document=b'{"n":%d}' % number, fills=[], equity=[point] * 50)


@given(run=runs)
@settings(max_examples=40)
def test_what_goes_in_comes_out(run: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("results") / "backtests.db"
    assert results.save(path, run, 5) == run.run_id
    assert results.load(path, run.run_id) == run


def test_the_same_run_is_kept_once_and_keeps_its_time(tmp_path: Path) -> None:
    path = tmp_path / "backtests.db"
    for now_ns in (7, 9):
        results.save(path, a_run(), now_ns)
    (row,) = results.listed(path)
    assert (row.run_id, row.saved_ns) == (a_run().run_id, 7)


def test_the_newest_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "backtests.db"
    for number in range(5):
        results.save(path, a_run(number), 100 + number)
    assert [row.run_id for row in results.listed(path)] == [
        a_run(number).run_id for number in (4, 3, 2, 1, 0)
    ]


def test_ids_by_their_first_digits(tmp_path: Path) -> None:
    path = tmp_path / "backtests.db"
    with pytest.raises(BadInput, match="no such run"):
        results.find_id(path, "abcd")
    known = [results.save(path, a_run(number), number) for number in range(3)]
    for run_id in known:
        assert results.find_id(path, run_id[:10].upper()) == run_id
    for word in ("", "abc", "wxyz", "ab%d", "../x"):
        with pytest.raises(BadInput, match="4 digits"):
            results.find_id(path, word)


def test_an_id_that_fits_two_runs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "backtests.db"
    results.save(path, a_run(), 0)
    twin = a_run().run_id[:20] + "0" * 44
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO run VALUES (?, 1, x'00')", (twin,))
    with pytest.raises(BadInput, match="several runs"):
        results.find_id(path, twin[:12])
    assert results.find_id(path, twin) == twin


def test_removing_takes_the_rows_along(tmp_path: Path) -> None:
    path = tmp_path / "backtests.db"
    kept, gone = (results.save(path, a_run(number), number) for number in (1, 2))
    results.remove(path, gone)
    assert [row.run_id for row in results.listed(path)] == [kept]
    with closing(sqlite3.connect(path)) as connection:
        (left,) = connection.execute("SELECT DISTINCT run_id FROM equity").fetchall()
    assert left == (kept,)
    with pytest.raises(LedgerError, match="is gone"):
        results.load(path, gone)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "backtests.db"
    path.write_bytes(b"this is no database, however long it may go on" * 100)
    for call in (
        lambda: results.listed(path),
        lambda: results.save(path, a_run(), 0),
        lambda: results.find_id(path, "abcdef"),
    ):
        with pytest.raises(LedgerError, match=path.name):
            call()


def test_a_damaged_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "backtests.db"
    run_id = results.save(path, a_run(), 0)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE equity SET profit = 'a lot' WHERE number = 3")
    with pytest.raises(LedgerError, match="a row is damaged"):
        results.load(path, run_id)


def test_processes_that_save_at_once_all_get_through(tmp_path: Path) -> None:
    path = tmp_path / "backtests.db"
    code = (
        "import sys; from pathlib import Path\n"
        "from engine.store import results\n"
        "from tests.unit.store.test_results import a_run\n"
        "for n in range(int(sys.argv[2]), int(sys.argv[2]) + 5):\n"
        "    results.save(Path(sys.argv[1]), a_run(n), n)\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(10 * number)], cwd=ROOT)
        for number in range(3)
    ]
    assert [writer.wait(timeout=100) for writer in writers] == [0, 0, 0]
    assert len(results.listed(path)) == 15
    for row in results.listed(path):
        assert len(results.load(path, row.run_id).equity) == 50
