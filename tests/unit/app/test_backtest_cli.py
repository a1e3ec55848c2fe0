"""`backtest run|list|show|export|report|remove` as a person and as a script meet them."""

from __future__ import annotations

import csv
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from app.paths import HOME_VARIABLE
from tests.support.bar_walks import walk, write_csv
from tests.support.captures import small_capture
from tests.support.shell import Shell, assert_refused

ROOT = Path(__file__).resolve().parents[3]
SIZES = (("trades", "qty"), ("orders", "filled"))
COMMAND_LINE = "import sys; from app.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("bars") / "BTCUSDT_PERP.csv", walk(4, 250))


@pytest.fixture
def shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    mask = os.umask(0o077)
    os.umask(mask)
    yield Shell(tmp_path, capsys)
    os.umask(mask)


def run_words(bars: Path, *more: object) -> list[object]:
    params = ["--param", "fast=3", "--param", "slow=9", "--param", "qty=0.5"]
    return ["backtest", "run", "trend", "--data", bars, *params, *more]


def listed(shell: Shell) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(shell("backtest", "list", "--json").out)
    return rows


def test_a_result_that_a_person_reads(shell: Shell, bars: Path) -> None:
    said = shell(*run_words(bars))
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].startswith("trend on bars.BTCUSDT_PERP, 2024-01-01 00:00 to ")
    assert " in 4 h 9 min; cash: 0; buying and holding " in lines[1]
    (total,) = [line for line in lines[:8] if line.startswith("Total return")]
    assert len(total.split()) == 8  # Of the run, of cash and of holding, each with its unit.
    assert "not given (too little: needs 30 daily returns, has 1)" in said.out
    assert "assumed: path within a bar: worst-first" in said.out
    assert lines[-1].startswith("kept as ")


def test_json_is_one_document_and_the_same_each_time(shell: Shell, bars: Path) -> None:
    first = shell(*run_words(bars, "--json"))
    assert (first.code, first.err) == (0, "")
    assert shell(*run_words(bars, "--json")) == first
    document = json.loads(first.out)
    assert len(listed(shell)) == 1, "the same run is kept once"
    (row,) = listed(shell)
    shown = shell("backtest", "show", row["id"][:6], "--json")
    assert json.loads(shown.out) == document


def test_files_hold_what_the_document_counts(shell: Shell, bars: Path) -> None:
    kinds = ("trades", "orders", "equity", "trace")
    for ending in ("csv", "parquet"):
        files = {kind: shell.folder / f"{kind}.{ending}" for kind in kinds}
        options = [word for kind, file in files.items() for word in (f"--{kind}", file)]
        document = json.loads(shell(*run_words(bars, "--json", "--no-save", *options)).out)
        rows = {kind: read(file) for kind, file in files.items()}
        assert len(rows["trades"]) == document["fills"]
        assert len(rows["orders"]) == document["orders"]
        sizes = (sum(float(row[name]) for row in rows[kind]) for kind, name in SIZES)
        assert len({round(size, 9) for size in sizes}) == 1
        assert float(rows["equity"][-1]["profit"]) == document["equity"]
        assert float(rows["equity"][0]["profit"]) == 0
        fees = sum(float(row["fee"]) for row in rows["trades"])
        assert fees == pytest.approx(document["fees"])
        assert float(rows["trace"][-1]["position"]) == document["position"]
    header = (shell.folder / "trades.csv").read_text().splitlines()[0]
    assert header.startswith("ts_ns,side,price,qty,fee,maker,queue_ahead,order_id")
    header = (shell.folder / "trace.csv").read_text().splitlines()[0]
    assert header == "ts_ns,mid,position,cash,fee,fills"
    assert listed(shell) == []


def read(file: Path) -> list[dict[str, Any]]:
    if file.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
        return rows
    with file.open(newline="") as source:
        return list(csv.DictReader(source))


def test_csv_and_parquet_of_a_kept_run_agree(shell: Shell, bars: Path) -> None:
    shell(*run_words(bars))
    run_id = listed(shell)[0]["id"]
    for kind in ("trades", "equity"):
        files = [shell.folder / f"{kind}.{ending}" for ending in ("csv", "parquet")]
        for file in files:
            assert shell("backtest", "export", run_id, f"--{kind}", file).code == 0
        texts, values = (read(file) for file in files)
        assert len(texts) == len(values) > 10
        for text, value in zip(texts, values, strict=True):
            assert int(text["ts_ns"]) == value["ts_ns"]
            name = "price" if kind == "trades" else "profit"
            assert float(text[name]) == float(value[name])


def test_the_report_of_a_kept_run_is_that_of_the_run(shell: Shell, bars: Path) -> None:
    first, again = shell.folder / "first.html", shell.folder / "again.html"
    assert shell(*run_words(bars, "--report", first)).code == 0
    assert shell("backtest", "report", listed(shell)[0]["id"][:8], again).code == 0
    assert first.read_bytes() == again.read_bytes()
    assert b"</html>" in first.read_bytes()


def test_removing(shell: Shell, bars: Path) -> None:
    shell(*run_words(bars))
    shell(*run_words(bars, "--path", "best-first"))
    first, second = (row["id"] for row in listed(shell))
    before = listed(shell)
    said = shell("backtest", "remove", first[:10], "ffffffff")
    assert_refused(said, "ID: ffffffff", "no such run")
    assert listed(shell) == before, "all of them or none"
    assert shell("backtest", "remove", first).out == f"removed {first[:12]}\n"
    assert [row["id"] for row in listed(shell)] == [second]
    assert_refused(shell("backtest", "show", first), "no such run")


def test_paths_within_a_bar_have_the_names_others_use(shell: Shell, bars: Path) -> None:
    for word, name in (
        ("pessimistic", "worst-first"),
        ("optimistic", "best-first"),
        ("ohlc", "high-first"),
        ("olhc", "low-first"),
    ):
        said = shell(*run_words(bars, "--no-save", "--path", word))
        assert f"assumed: path within a bar: {name}" in said.out


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--path", "zigzag"], ["--path: zigzag", "worst-first"]),
        (["--param", "slow=300"], ["slow: 300", "ends before it warms up", "250 bars"]),
        (["--param", "timeframe=90s"], ["timeframe: 90s"]),
        (["--param", "frobs=1"], ["frobs", "known are"]),
        (["--orders", "/nowhere/o.csv"], ["--orders: /nowhere/o.csv", "does not exist"]),
        (["--report", "/"], ["--report: /", "is a folder"]),
        (["--equity", "x.csv", "--orders", "x.csv"], ["is the file of"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_asked_for_wrongly(shell: Shell, bars: Path, words: list[str], parts: list[str]) -> None:
    base = ["backtest", "run", "trend", "--data", bars]
    assert_refused(shell(*base, "--json", *words), *parts)
    assert shell.files() == set()


def test_a_path_is_for_bars(shell: Shell) -> None:
    capture = small_capture().write(shell.folder / "good.gz")
    said = shell("backtest", "run", "grid", "--data", capture, "--path", "worst-first")
    assert_refused(said, "--path: worst-first", "is for bars")


def test_a_recording_with_a_hole_is_refused_unless_it_is_allowed(shell: Shell) -> None:
    """After a lost diff the book is anybody's guess."""
    capture = small_capture().diff(200, bids=[("60000.10", "1.000")], after=180)
    path = capture.write(shell.folder / "hole.gz")
    for command, param in (("run", "levels=2"), ("sweep", "levels=1,2")):
        words = ["backtest", command, "grid", "--json", "--data", path, "--param", param]
        assert_refused(shell(*words), f"{path.name}: has 1 gap", "--allow-gaps")
    words = ["backtest", "run", "grid", "--json", "--data", path, "--allow-gaps", "--no-save"]
    document = json.loads(shell(*words).out)
    assert "the recording has 1 gap" in document["assumptions"][0]
    assert shell.files() == {path}


def test_missing_bars_are_told(shell: Shell) -> None:
    path = write_csv(shell.folder / "BTCUSDT_PERP.csv", walk(9, 250, gaps=0.2))
    document = json.loads(shell(*run_words(path, "--json", "--no-save")).out)
    (told,) = [line for line in document["assumptions"] if "missing" in line]
    missing = 250 - (len(path.read_text().splitlines()) - 1)
    assert told.startswith(f"{missing} bars are missing in ")


def test_a_sweep_is_of_one_instrument(shell: Shell, bars: Path) -> None:
    other = write_csv(shell.folder / "ETHUSDT_PERP.csv", walk(5, 250))
    said = shell("backtest", "sweep", "trend", "--data", bars, "--data", other, "--param", "fast=2")
    assert_refused(said, "BTCUSDT_PERP", "ETHUSDT_PERP", "one instrument")
    assert shell.files() == {other}


@pytest.mark.skipif(sys.platform == "win32", reason="terminals and signals of POSIX")
def test_ctrl_c_leaves_nothing_behind(shell: Shell) -> None:
    """On a terminal it shows where it stands; interrupted there, it says so and ends with 130."""
    long = write_csv(shell.folder / "BTCUSDT_PERP.csv", walk(4, 20_000))
    targets = [shell.folder / name for name in ("t.csv", "o.parquet", "r.html")]
    options = [
        word for pair in zip(("--trades", "--orders", "--report"), targets, strict=True)
        for word in pair
    ]  # fmt: skip
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND_LINE, *map(str, run_words(long, *options))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    seen = b""
    while b" left" not in seen:
        seen += os.read(ours, 1000)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    while b"interrupted" not in seen:
        seen += os.read(ours, 1000)
    os.close(ours)
    assert process.returncode == 130
    assert output == b""
    assert b"rows, " in seen
    assert b"Traceback" not in seen
    assert shell.files() == {long}


def test_bars_without_volumes_have_no_share_of_them(shell: Shell, bars: Path) -> None:
    """The market's volume is nothing then, and nothing was divided by it."""
    rows = read(bars)
    file = bars.with_name("BTCUSDT_BARE.csv")
    with file.open("w", newline="") as out:
        names = [name for name in rows[0] if name != "volume"]
        writer = csv.DictWriter(out, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    said = shell(*run_words(file, "--json"))
    assert (said.code, said.err) == (0, "")
    document = json.loads(said.out)
    assert document["fills"] > 0
    assert document["metrics"]["participation_pct"] is None
