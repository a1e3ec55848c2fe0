"""A recording read block by block is the recording read as a whole."""

from __future__ import annotations

import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.archive import stream
from engine.archive.catalogue import import_capture, load_rows
from engine.archive.stream import StreamedRows, _Cuts, stream_rows
from engine.domain.errors import BadInput
from engine.kernels.layout import Rows
from engine.sim.replay_feed import with_feed_latency
from tests.support.captures import CaptureWriter, small_capture
from tests.support.long_recording import generated_rows, write_repeated
from tests.support.shared import SHARED, needs_shared

CAPTURES = SHARED / "data" / "captures" / "binance"


def blocks_of(directory: Path, block_rows: int) -> list[Rows]:
    source = stream_rows(directory, block_rows)
    assert source is not None
    blocks = []
    while (block := source.next_block()) is not None:
        blocks.append(block)
    return blocks


def assert_same_rows(blocks: list[Rows], directory: Path) -> None:
    whole = with_feed_latency(load_rows(directory)[1], 0)
    joined = np.concatenate(blocks)
    for name in whole.dtype.names or ():
        assert np.array_equal(joined[name], whole[name]), name
    for earlier, later in pairwise(blocks):
        assert earlier["ts_exch_ns"].max() <= later["ts_exch_ns"].min()
        assert earlier["ts_local_ns"].max() <= later["ts_local_ns"].min()


@pytest.mark.parametrize("block_rows", [300, 1 << 17])
def test_blocks_joined_are_the_whole(tmp_path: Path, block_rows: int) -> None:
    directory = write_repeated(tmp_path, generated_rows(40), 3)

    assert_same_rows(blocks_of(directory, block_rows), directory)


@needs_shared
@pytest.mark.parametrize("name", ["usdm_btcusdt_20240808", "cm_btcusd_perp_20240808"])
def test_blocks_of_a_real_recording_joined_are_the_whole(tmp_path: Path, name: str) -> None:
    directory = import_capture([CAPTURES / f"{name}.gz"], tmp_path).path

    blocks = blocks_of(directory, 20_000)

    assert_same_rows(blocks, directory)
    assert max(len(block) for block in blocks) < 40_000


@pytest.mark.parametrize("batch_rows", [64, 1000])
def test_what_was_handed_out_is_read_again_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    """By a copy that went through pickle, which goes on where the original was."""
    monkeypatch.setattr(stream, "BATCH_ROWS", batch_rows)
    directory = write_repeated(tmp_path, generated_rows(20), 3)
    whole = np.concatenate(blocks_of(directory, 500))
    source = stream_rows(directory, 500)
    assert source is not None
    assert len(source.clocks.marks) > 3
    given = 0
    while (block := source.next_block()) is not None:
        given += len(block)
        for first in {0, given // 3, max(0, given - 700), given}:
            copy: StreamedRows = pickle.loads(pickle.dumps(source))
            assert np.array_equal(copy.reread(first), whole[first:given])
            later = copy.next_block()
            at = given + (0 if later is None else len(later))
            assert later is None or np.array_equal(later, whole[given:at])
    assert given == len(whole)


def test_a_recording_without_a_snapshot_is_not_streamed(tmp_path: Path) -> None:
    writer = CaptureWriter().diff(2, [("60000.00", "1")], [("60001.00", "1")])

    directory = import_capture([writer.write(tmp_path / "a.gz")], tmp_path / "catalogue").path

    assert stream_rows(directory) is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = import_capture([small_capture().write(tmp_path / "a.gz")], tmp_path / "c").path
    damaged = path / "depth.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-20])

    with pytest.raises(BadInput, match=r"depth\.parquet.*import the recording again"):
        blocks_of(path, 1000)


@given(
    times=st.lists(st.integers(1, 60), min_size=1, max_size=80),
    chunk=st.integers(1, 20),
    spacing=st.integers(1, 12),
)
def test_nothing_after_a_cut_is_older_than_what_is_before_it(
    times: list[int], chunk: int, spacing: int
) -> None:
    exch_ns = np.array(times, np.int64)
    cuts = _Cuts(spacing)
    for first in range(0, len(times), chunk):
        cuts.add(exch_ns[first : first + chunk], first)
    found = cuts.spaced()

    assert all(max(times[:at]) <= min(times[at:]) for at in found)
    assert all(b - a >= spacing for a, b in pairwise([0, *found]))


def test_a_market_in_order_is_cut_as_often_as_asked() -> None:
    cuts = _Cuts(100)
    for first in range(0, 1000, 250):
        cuts.add(np.arange(first, first + 250), first)

    assert len(cuts.spaced()) >= 7


PEAK = """
import resource, sys
from pathlib import Path
from app.backtests import BacktestRequest, run_backtest
from engine.sim.scenario import Scenario
request = BacktestRequest("grid", {"every_ms": "5000"}, [Path(sys.argv[1])], Scenario())
report = run_backtest(request)
print(report.document["rows"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_a_recording_eight_times_as_long_takes_no_more_memory(tmp_path: Path) -> None:
    rows = generated_rows(900)
    found = []
    for times in (1, 8):
        directory = write_repeated(tmp_path / str(times), rows, times)
        ran = subprocess.run(
            [sys.executable, "-c", PEAK, str(directory)],
            capture_output=True,
            text=True,
            check=True,
        )
        found.append([int(word) for word in ran.stdout.split()])
    (short_rows, short_mib), (long_rows, long_mib) = found

    assert long_rows == 8 * short_rows
    whole_mib = long_rows * 40 / 2**20
    assert long_mib - short_mib < whole_mib / 4, (found, whole_mib)
