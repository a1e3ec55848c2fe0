"""Rubbish in, one line out: the field, the value and the remedy on stderr, exit 2 or 4, nothing on
stdout, no traceback, and nothing half-written.

The command line's own `main` runs in this process; what needs two processes has them.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from app.cli.files import write_csv
from app.paths import HOME_VARIABLE
from engine.core.clock import LiveClock
from engine.store.journal import open_ledger
from tests.support.captures import CaptureWriter, small_capture
from tests.support.plain_events import numbered
from tests.support.shell import Shell, assert_refused

ROOT = Path(__file__).resolve().parents[3]
COMMAND_LINE = "import sys; from app.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    mask = os.umask(0o077)
    os.umask(mask)
    yield Shell(tmp_path, capsys)
    os.umask(mask)  # `main` makes it private; other tests must not notice.


# -- recordings ----------------------------------------------------------------------------------

ROTTEN: dict[str, tuple[bytes, list[str]]] = {
    "torn.gz": (gzip.compress(small_capture().text().encode())[:-30], ["truncated gzip"]),
    "empty.gz": (b"", ["is empty"]),
    "nothing-inside.gz": (gzip.compress(b""), ["is empty"]),
    "binary.gz": (bytes(range(256)) * 8, ["19 digits"]),
}

BAD_LINES: dict[str, tuple[CaptureWriter, list[str]]] = {
    "not JSON": (small_capture().raw("{not json"), ["line 11", "not valid JSON"]),
    "JSON of something else": (small_capture().raw("[1, 2]"), ["line 11"]),
    "unknown stream": (small_capture().stream("kline_1m", {}), ["line 11, stream", "known are"]),
    "NaN": (small_capture().trade("NaN", "1"), ["line 11, price: NaN"]),
    "infinity": (small_capture().trade("Infinity", "1"), ["line 11, price: Infinity"]),
    "negative trade": (small_capture().trade("60000.0", "-1"), ["line 11, quantity: -1"]),
    "negative level": (
        small_capture().diff(140, bids=[("60000.00", "-3")]),
        ["line 11, quantity: -3"],
    ),
    "text as size": (small_capture().trade("60000.0", "a lot"), ["line 11, quantity: a lot"]),
    "escapes": (small_capture().raw("\x1b[2J\x07"), ["line 11"]),
}


@pytest.mark.parametrize("name", ROTTEN)
def test_a_rotten_file(shell: Shell, name: str) -> None:
    content, parts = ROTTEN[name]
    path = shell.folder / name
    path.write_bytes(content)
    before = shell.files()

    for words in (
        ["backtest", "run", "grid", "--json", "--data", path],
        ["demo", "--headless", "--seconds", 1, "--capture", path],
        ["data", "import", path],
        ["data", "check", path],
    ):
        assert_refused(shell(*words), name, *parts)
    assert shell.files() == before, "nothing was begun"


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_rotten_line(shell: Shell, name: str) -> None:
    capture, parts = BAD_LINES[name]
    path = capture.write(shell.folder / "bad.gz")
    before = shell.files()

    for words in (
        ["backtest", "run", "grid", "--json", "--data", path],
        ["data", "import", path, "--json"],
    ):
        said = shell(*words)
        assert_refused(said, "bad.gz", *parts)
        assert said.err.rstrip("\n").isprintable()
    assert shell.files() == before


def test_a_folder_and_a_missing_file(shell: Shell) -> None:
    for path, part in ((shell.folder, "holds no recording"), ("/nowhere.gz", "no such file")):
        for words in (
            ["backtest", "run", "grid", "--data", path],
            ["demo", "--headless", "--seconds", 1, "--capture", path],
        ):
            assert_refused(shell(*words), str(path), part)
    assert shell.files() == set()


# -- options -------------------------------------------------------------------------------------


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return small_capture().write(tmp_path / "good.gz")


BAD_BACKTESTS: list[tuple[list[str], list[str]]] = [
    (["--param", "levels"], ["--param: levels", "name=value"]),
    (["--param", "=5"], ["--param: =5", "name=value"]),
    (["--param", "levels="], ["--param: levels=", "name=value"]),
    (["--param", "levels=5", "--param", "levels=6"], ["levels=6", "twice"]),
    (["--param", "level=5"], ["level", "did you mean levels?"]),
    (["--param", "levels=0"], ["levels: 0", ">= 1, <= 100"]),
    (["--param", "levels=1000000"], ["levels: 1000000", "<= 100"]),
    (["--param", "qty=NaN"], ["qty: NaN", "finite"]),
    (["--param", "qty=0.00001"], ["qty: 0.00001", "multiple of the lot 0.001"]),
    (["--param", "\x1b[31m=1"], ["[31m", "known are"]),
    (["--queue", "fast"], ["--queue: fast", "risk-averse"]),
    (["--fills", "some"], ["--fills: some", "whole or partial"]),
    (["--maker", "-1"], ["--maker: -1", "at most 0.05"]),
    (["--taker", "nan"], ["--taker: nan", "finite"]),
    (["--latency-ms", "-1"], ["--latency-ms: -1", "between 0 and 60000"]),
    (["--latency-ms", "1e9"], ["--latency-ms: 1e9", "between 0 and 60000"]),
    (["--capital", "0"], ["--capital: 0", "greater than zero"]),
    (["--capital", "-5"], ["--capital: -5", "greater than zero"]),
    (["--capital", "inf"], ["--capital: inf", "finite"]),
    (["--trades", "/nowhere/fills.csv"], ["--trades: /nowhere/fills.csv", "does not exist"]),
    (["--trace", "/"], ["--trace: /", "is a folder"]),
    (["--trades", "/proc/fills.csv"], ["--trades: /proc/fills.csv", "cannot be written"]),
    (["--frobnicate"], ["--frobnicate", "pilothouse backtest run --help"]),
]


@pytest.mark.parametrize(("words", "parts"), BAD_BACKTESTS, ids=lambda value: " ".join(value))
def test_a_backtest_asked_for_wrongly(
    shell: Shell, capture: Path, words: list[str], parts: list[str]
) -> None:
    said = shell("backtest", "run", "grid", "--json", "--data", capture, *words)

    assert_refused(said, *parts)
    assert shell.files() == {capture}


def test_a_backtest_does_not_write_over_what_it_reads_or_writes(
    shell: Shell, capture: Path
) -> None:
    run = ["backtest", "run", "grid", "--data", capture]
    before = capture.read_bytes()
    assert_refused(shell(*run, "--trades", capture), "--trades", "is what the backtest reads")
    out = shell.folder / "out.csv"
    both = shell(*run, "--trades", out, "--trace", shell.folder / "." / "out.csv")
    assert_refused(both, "--trace", "is the file of --trades")
    assert capture.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["backtest", "run", "gird", "--data", "x"], ["strategy: gird", "grid, trend"]),
        (["backtest", "run", "grid"], ["Missing option '--data'"]),
        (["backtest", "run"], ["Missing argument"]),
        (["backtest", "sprint"], ["No such command 'sprint'"]),
        (["frob"], ["No such command 'frob'"]),
        (["strategies", "more"], ["more"]),
        (["bench", "nope"], ["benchmark: nope", "replay, import, commit"]),
        (
            ["bench", "import", "--capture", "/nowhere"],
            ["--capture: /nowhere", "no such recording"],
        ),
        (["bench", "replay", "--runs", "0"], ["--runs"]),
        (["demo", "--headless", "--seconds", "0"], ["--seconds: 0", "greater than zero"]),
        (["demo", "--headless", "--seconds", "abc"], ["--seconds: abc", "plain number"]),
        (["demo", "--headless", "--seconds", "nan"], ["--seconds: nan", "finite"]),
        (["demo", "--headless", "--speed", "-1"], ["--speed: -1", "between 0 and 100000"]),
        (["demo", "--headless", "--speed", "inf"], ["--speed: inf", "finite"]),
        (["demo", "--headless", "--seed", "-1"], ["--seed"]),
        (["demo", "--headless", "--profile", "../x"], ["--profile: ../x", "letters"]),
        (["demo", "--json"], ["--json", "add --headless"]),
        (["demo", "--nope"], ["--nope"]),
        (["data", "import"], ["Missing argument"]),
        (["replay"], ["--capture: none", "data list"]),
        (["replay", "--capture", "x", "--speed", "1001"], ["--speed: 1001", "0.1 and 1000"]),
        (["replay", "--capture", "x"], ["terminal: none"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_command_asked_for_wrongly(shell: Shell, words: list[str], parts: list[str]) -> None:
    assert_refused(shell(*words), *parts)
    assert shell.files() == set()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["timeframe=7x"], ["timeframe: 7x", "5m"]),
        (["timeframe=0s"], ["timeframe: 0s"]),
        (["timeframe=99999999999h"], ["timeframe: 99999999999h"]),
        (["fast=9", "slow=9"], ["fast: 9", "less than slow (9)"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_trend_asked_for_wrongly(
    shell: Shell, capture: Path, words: list[str], parts: list[str]
) -> None:
    options = [part for word in words for part in ("--param", word)]
    assert_refused(shell("backtest", "run", "trend", "--data", capture, *options), *parts)


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def rows() -> Iterator[tuple[object, ...]]:
        yield (1, 2)
        raise RuntimeError("half-way")

    target = tmp_path / "fills.csv"
    target.write_text("what was there\n")
    with pytest.raises(RuntimeError):
        write_csv(target, "a,b", rows())

    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text() == "what was there\n"


# -- settings and the ledger -----------------------------------------------------------------------

DEMO = ["demo", "--headless", "--json", "--seconds", "3", "--speed", "0"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[papr]\n", ["settings.toml:1: papr", "did you mean paper?"]),
        ("[paper]\nmakr = 1\n", ["settings.toml:2: paper.makr", "did you mean maker?"]),
        ("[paper]\nmaker = 1\n", ["paper.maker: 1", "from -0.05 to 0.05"]),
        ("[risk]\nstop_loss_pct = nan\n", ["risk.stop_loss_pct", "a number above 0"]),
        ("[risk\n", ["settings.toml"]),
    ],
)
def test_settings_with_a_mistake_start_nothing(shell: Shell, text: str, parts: list[str]) -> None:
    file = shell.home / "config" / "settings.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)

    assert_refused(shell(*DEMO), *parts)
    assert shell.files() == {file}


def test_a_home_that_cannot_be(
    shell: Shell, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(capture / "home"))
    assert_refused(shell(*DEMO), str(capture), "--home DIR", code=4)


def test_a_damaged_ledger_is_refused_and_stays_as_it_is(shell: Shell) -> None:
    assert shell(*DEMO).code == 0
    path = shell.ledger()
    content = bytearray(path.read_bytes())
    content[content.index(b"BotAdded") + 30] ^= 1
    path.write_bytes(content)

    assert_refused(shell(*DEMO), path.name, "damaged", "backup", code=4)
    assert path.read_bytes() == content


def test_a_ledger_of_a_newer_program_is_refused(shell: Shell) -> None:
    assert shell(*DEMO).code == 0
    path = shell.ledger()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    content = path.read_bytes()

    assert_refused(shell(*DEMO), path.name, "newer Pilothouse", "update", code=4)
    assert path.read_bytes() == content


def test_a_ledger_of_another_world_is_refused_and_keeps_its_events(shell: Shell) -> None:
    first = json.loads(shell(*DEMO).out)
    file = shell.home / "config" / "settings.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[paper]\nlatency_ms = 11\n")

    assert_refused(shell(*DEMO), "ledger", "--profile", code=4)
    file.unlink()
    again = json.loads(shell(*DEMO).out)
    assert again["resumed"]
    assert again["ledger_digest"] == first["ledger_digest"]


def test_a_fresh_start_sets_aside_one_file_that_holds_everything(shell: Shell) -> None:
    """Also after a kill, when the newest events are in the -wal only: were the two renamed one
    after the other, a kill in between would part them."""
    assert shell(*DEMO).code == 0
    path = shell.ledger()
    journal = open_ledger(path, clock=LiveClock(), on_failure=pytest.fail)
    journal.append([numbered(1)]).result()
    count, kept = journal.last_seq, {file: file.read_bytes() for file in path.parent.glob("*-wal")}
    ledger = path.read_bytes()
    journal.close()
    path.write_bytes(ledger)
    for file, content in kept.items():
        file.write_bytes(content)

    assert json.loads(shell(*DEMO, "--fresh").out)["resumed"] is False
    (aside,) = path.parent.glob("*-until-*.db")
    for file in path.parent.glob("*-until-*-wal"):
        file.unlink()
    with open_ledger(aside, clock=LiveClock(), on_failure=pytest.fail) as journal:
        assert journal.last_seq == count


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_two_demos_on_one_ledger(shell: Shell) -> None:
    """The second is refused; the first notices nothing and ends properly when it is asked to."""
    first = subprocess.Popen(
        [sys.executable, "-c", COMMAND_LINE, "demo", "--headless", "--json", "--speed", "20"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        while not any(path.stat().st_size for path in shell.home.rglob("ledger-*.db-wal")):
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"it ended with {first.wait(0.02)}")
        for words in (DEMO, [*DEMO, "--fresh"]):
            assert_refused(shell(*words), "ledger", code=4)
    finally:
        first.send_signal(signal.SIGTERM)
        output, errors = first.communicate(timeout=30)

    assert (first.returncode, errors) == (0, b"")
    assert json.loads(output)["resumed"] is False
