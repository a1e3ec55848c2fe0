"""`backtest sweep` as a whole: the same bytes however it was run, clear words when it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import sweeps
from app.cli.main import main
from app.sweeps import SweepReport, SweepRequest, run_sweep
from engine.archive.catalogue import load_rows
from engine.kernels.layout import Rows
from engine.research.shared_rows import FileRows, block_starts, write_rows
from engine.research.sweep import SetResult, selection
from engine.sim.bar_feed import BarPath
from engine.sim.exchange import SimExchange
from engine.sim.generator import SIM_INSTRUMENT, MarketGenerator
from engine.sim.scenario import Scenario
from tests.support.bar_walks import walk, write_csv
from tests.support.captures import CaptureWriter

TREND = ("fast=2:6:2", "slow=4:12:4", "qty=0.05")
GRID = ("levels=1,2", "half_spread_ticks=2,4", "qty=0.05", "max_position=0.5", "every_ms=20000")


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("bars") / "BTCUSDT_PERP.csv", walk(4, 250))


def sweep(
    data: Path, strategy: str = "trend", axes: tuple[str, ...] = TREND, **more: Any
) -> SweepReport:
    return run_sweep(
        SweepRequest(strategy=strategy, axes=axes, data=[data], scenario=Scenario(), **more)
    )


def text_of(report: SweepReport) -> str:
    import msgspec

    return msgspec.json.encode(report.document).decode()


# -- the same result, however it came about --------------------------------------------------------


def test_the_number_of_workers_changes_nothing(bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "CHUNK_BARS", 500)  # Two sets a call.
    assert text_of(sweep(bars, workers=1)) == text_of(sweep(bars, workers=4))


def test_neither_in_the_full_engine(bars: Path) -> None:
    one = sweep(bars, "grid", GRID, workers=1)
    two = sweep(bars, "grid", GRID, workers=2)
    assert one.document["road"] == "engine"
    assert text_of(one) == text_of(two)
    assert len(one.results) == 4
    assert all(result.fills for result in one.results)


def test_both_roads_lead_to_the_same_figures(bars: Path) -> None:
    axes = ("fast=2", "slow=4,8", "qty=0.05")
    compiled, full = sweep(bars, axes=axes), sweep(bars, axes=axes, through_engine=True)
    assert (compiled.document["road"], full.document["road"]) == ("compiled", "engine")
    for one, other in zip(compiled.results, full.results, strict=True):
        assert (one.params, one.fills, one.equity) == (other.params, other.fills, other.equity)
        assert (one.fees, one.profit_pct) == (other.fees, other.profit_pct)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("full", [False, True])
def test_patience_ends_with_the_same_sets_whoever_finished_first(
    bars: Path, workers: int, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: the sets in order until two in a row brought nothing better."""
    monkeypatch.setattr(sweeps, "CHUNK_BARS", 250)  # One set a call.
    axes = ("fast=2,3", "slow=4:12:4", "qty=0.05")
    everything = sweep(bars, axes=axes).results
    best, since, tried = everything[0].equity, 0, 1
    for result in everything[1:]:
        tried, since = tried + 1, since + 1
        if result.equity > best:
            best, since = result.equity, 0
        if since == 2:
            break
    assert 2 < tried < len(everything)

    report = sweep(bars, axes=axes, patience=2, workers=workers, through_engine=full)
    assert [one.params for one in report.results] == [one.params for one in everything[:tried]]
    left = len(everything) - tried
    assert report.document["stopped_early"].endswith(f"; {left} were not tried")
    assert not report.was_interrupted


def test_a_resumed_sweep_is_as_patient(bars: Path, tmp_path: Path) -> None:
    axes, file = ("fast=2,3", "slow=4:12:4", "qty=0.05"), tmp_path / "kept"
    first = sweep(bars, axes=axes, patience=2, resume=file)
    assert text_of(sweep(bars, axes=axes, patience=2, resume=file)) == text_of(first)
    assert len(sweep(bars, axes=axes, resume=file).results) == 6


def test_the_path_within_a_bar_can_be_chosen(bars: Path) -> None:
    axes = (
        "levels=3",
        "interval_ticks=30",
        "half_spread_ticks=2",
        "qty=0.05",
        "max_position=0.1",
        "every_ms=15000",
    )
    low, high = (
        sweep(bars, "grid", axes, path=path).results[0].equity
        for path in (BarPath.LOW_FIRST, BarPath.HIGH_FIRST)
    )
    assert low != high


def test_a_sweep_goes_on_where_it_was_stopped(
    bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "CHUNK_BARS", 500)
    whole = sweep(bars)
    resume = tmp_path / "sweep.jsonl"
    request = SweepRequest("trend", TREND, [bars], Scenario(), resume=resume)

    def stop(done: int, count: int, latest: SetResult) -> None:
        raise KeyboardInterrupt

    stopped = run_sweep(request, stop)
    assert stopped.was_interrupted
    assert 0 < len(stopped.results) < len(whole.results)
    assert stopped.results[0] in whole.results

    calls: list[int] = []
    rest = run_sweep(request, lambda done, count, latest: calls.append(done))
    assert text_of(rest) == text_of(whole)
    assert len(calls) < len(whole.results)
    monkeypatch.setattr(sweeps._Sweep, "_run_compiled", None)  # Nothing is left to run.
    assert text_of(run_sweep(request)) == text_of(whole)


def test_results_of_other_data_are_not_taken_over(bars: Path, tmp_path: Path) -> None:
    resume = tmp_path / "sweep.jsonl"
    sweep(bars, resume=resume)
    other = write_csv(tmp_path / "BTCUSDT_PERP.csv", walk(5, 250))
    with pytest.raises(sweeps.BadInput, match="belongs to another sweep"):
        sweep(other, resume=resume)


def test_a_crash_fails_its_set_alone(
    bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); import app.sweep_worker as w; "
        "run = w.run_set; "
        "w.run_set = lambda *a: os.abort() if a[2]['levels'] == '2' else run(*a); w.main()"
    )
    monkeypatch.setattr(sweeps, "_WORKER", plant)
    resume = tmp_path / "sweep.jsonl"
    report = sweep(bars, "grid", GRID, workers=2, resume=resume)
    errors = [result.error for result in report.results]
    assert errors == ["", "", "worker ended by signal 6", "worker ended by signal 6"]
    assert report.document["failed"] == 2
    assert report.document["selection"]["tried"] == 2
    monkeypatch.undo()
    again = sweep(bars, "grid", GRID, resume=resume)  # What failed is tried again.
    assert text_of(again) == text_of(sweep(bars, "grid", GRID))


def test_the_best_is_told_to_be_the_best_of_many(bars: Path) -> None:
    report = sweep(bars, sort="fees", top=2)
    assert [one.fees for one in report.top] == sorted(one.fees for one in report.results)[:2]
    chosen = report.document["selection"]
    assert chosen["best"] == report.top[0]
    assert f"best of {len(report.results)} sets" in chosen["note"]
    assert selection([], "equity")["best"] is None


# -- rows that workers share -----------------------------------------------------------------------


def generated_rows(seconds: int) -> Rows:
    generator = MarketGenerator(3)
    blocks = [generator.next_block() for _ in range(seconds)]
    return np.concatenate([block for block in blocks if block is not None])


def test_shared_rows_replay_like_the_rows_themselves(tmp_path: Path) -> None:
    rows = generated_rows(20)
    write_rows(tmp_path / "rows.npy", rows)
    starts = block_starts(rows, 300)
    assert len(starts) > 5
    scenario = Scenario(feed_latency_ns=5_000_000)
    shared = SimExchange(SIM_INSTRUMENT, FileRows(tmp_path / "rows.npy", starts), scenario)
    plain = SimExchange(SIM_INSTRUMENT, rows, scenario)
    for world in (shared, plain):
        world.advance(1 << 62, 0)
    for one, other in zip(shared.markets["sim.BTCUSDT"], plain.markets["sim.BTCUSDT"], strict=True):
        assert (one == other).all()
    assert (shared.rows, shared.start_ns) == (plain.rows, plain.start_ns)


def test_blocks_begin_only_where_nothing_overlaps() -> None:
    rows = generated_rows(3)[:100].copy()
    rows["ts_exch_ns"][50], rows["ts_exch_ns"][60] = rows["ts_exch_ns"][60], rows["ts_exch_ns"][50]
    starts = block_starts(rows, 1)
    assert not [start for start in starts if 50 < start <= 60]
    for start in starts[1:]:
        for clock in ("ts_exch_ns", "ts_local_ns"):
            assert rows[clock][:start].max() < rows[clock][start:].min()


# -- the command line ------------------------------------------------------------------------------


def test_the_document_and_the_table(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sets.csv"
    line = ["backtest", "sweep", "trend", "--data", str(bars), "--workers", "2", "--top", "3"]
    for axis in TREND:
        line += ["--param", axis]
    assert main([*line, "--json", "--out", str(out)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["sets"], document["skipped"], len(document["top"])) == (7, 2, 3)
    wanted = {"params", "fills", "equity", "fees", "max_drawdown", "profit_pct"}
    assert all(wanted <= result.keys() for result in document["results"])
    rows = out.read_text().splitlines()
    assert rows[0].startswith("fast,slow,timeframe,qty,fills,equity,fees,max_drawdown,profit_pct")
    assert len(rows) == 8
    assert main(line) == 0
    shown = capsys.readouterr().out
    assert "the best of 7 sets tried" in shown
    assert "2 left out" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--param", "fsat=1"], "did you mean fast"),
        (["--param", "fast=1:9:0"], "never ends"),
        (["--param", "slow=40:400:40"], "slow: 280: the data ends before it warms up"),
        (["--param", "timeframe=7s"], "the bars are of 1m"),
        (["--param", "fast=2", "--sort", "luck"], "--sort: luck: known are"),
        (["--param", "fast=2", "--workers", "-1"], "--workers: -1: must be"),
        (["--param", "fast=2", "--top", "0"], "--top: 0: must be"),
        (["--param", "fast=2", "--capital", "-5"], "--capital: -5: must be"),
        (["--param", "fast=2", "--path", "best"], "--path: best: expected"),
        (["--param", "fast=2", "--out", "/nowhere/x.csv"], "--out"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    resume = tmp_path / "sweep.jsonl"
    line = ["backtest", "sweep", "trend", "--data", str(bars), "--resume", str(resume), *words]
    assert main(line) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not resume.exists()


def test_a_single_run_on_bars_says_what_the_sweep_says(
    bars: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["backtest", "run", "trend", "--data", str(bars), "--json"]
    assert main([*line, "--param", "fast=2", "--param", "slow=8", "--param", "qty=0.05"]) == 0
    document = json.loads(capsys.readouterr().out)
    result = sweep(bars, axes=("fast=2", "slow=8", "qty=0.05")).results[0]
    assert document["params"] == result.params
    assert document["fills"] == result.fills > 10
    assert document["equity"] == float(result.equity)
    assert document["fees"] == float(result.fees)


def test_mixed_data_is_refused(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_csv(tmp_path / "ETHUSDT_PERP.csv", walk(6, 250))
    capture = CaptureWriter().trade("1", "1").write(tmp_path / "capture.gz")
    for second, told, commands in (
        (other, "one instrument_id per run", ["sweep"]),  # `run` gives each a bot of its own.
        (capture, "one kind per run", ["run", "sweep"]),
    ):
        for command in commands:
            line = ["backtest", command, "trend", "--data", str(bars), "--data", str(second)]
            assert main([*line, "--param", "fast=2"]) == 2
            assert told in capsys.readouterr().err


def test_files_that_follow_one_another_are_joined(bars: Path, tmp_path: Path) -> None:
    lines = bars.read_text().splitlines()
    parts = []
    for number, half in enumerate((lines[1:100], lines[100:])):
        (tmp_path / str(number)).mkdir()
        part = tmp_path / str(number) / bars.name
        part.write_text("\n".join([lines[0], *half, ""]))
        parts.append(part)
    joined = run_sweep(SweepRequest("trend", TREND, parts[::-1], Scenario()))
    assert joined.results == sweep(bars).results
    with pytest.raises(sweeps.BadInput, match="overlaps"):
        run_sweep(SweepRequest("trend", TREND, [parts[0], bars], Scenario()))


def test_ticks_are_swept_too(tmp_path: Path) -> None:
    """A hand-made recording of a few minutes, through the engine in another process."""
    writer = CaptureWriter().snapshot(100, [("60000.00", "5")], [("60000.10", "5")])
    for number in range(1, 400):
        price = 60_000 + number % 7
        writer.diff(
            100 + number,
            bids=[(f"{price - 1}.00", "5"), (f"{price + 1}.00", "0")],
            asks=[(f"{price}.10", "5"), (f"{price - 2}.10", "0")],
            after=99 + number,
        )
        writer.trade(f"{price}.00", "0.1")
    path = writer.write(tmp_path / "usdm_btcusdt.gz")
    assert len(load_rows([path])[1]) > 500
    axes = ("fast=1", "slow=2,3", "timeframe=1s", "qty=0.002")
    report = sweep(path, axes=axes, workers=2)
    assert report.document["road"] == "engine"
    assert [result.error for result in report.results] == ["", ""]
    assert any(result.fills for result in report.results)
