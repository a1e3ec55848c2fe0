from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.archive.catalogue import load_rows
from engine.archive.pieced import AGREEMENTS
from engine.kernels.layout import ROW_CLEAR, ROW_SNAPSHOT
from tests.support.captures import CaptureWriter


def cut_off(diffs: int, *, lie_at: int = -1) -> CaptureWriter:
    """A part without its snapshot: a quote of changing size, told by diffs and ticker alike."""
    writer = CaptureWriter().diff(1, bids=[("59000.00", "1.000")], after=0)
    for number in range(2, diffs + 2):
        size = f"{number}.000"
        told = "0.001" if number == lie_at else size
        writer.diff(number, bids=[("60000.00", size)], asks=[("60000.10", "1.000")])
        writer.ticker(number, ("60000.00", told), ("60000.10", "1.000"))
    return writer


def snapshot_of(writer: CaptureWriter, tmp_path: Path) -> list[tuple[int, int, int]]:
    """(row number, ticks, lots) of ROW_CLEAR and ROW_SNAPSHOT rows."""
    _, rows = load_rows(writer.write(tmp_path / "a.gz"))
    found = np.flatnonzero((rows["kind"] == ROW_CLEAR) | (rows["kind"] == ROW_SNAPSHOT)).tolist()
    return [(i, int(rows["price_ticks"][i]), int(rows["qty_lots"][i])) for i in found]


def test_a_part_gets_a_snapshot_once_the_ticker_agrees(tmp_path: Path) -> None:
    at = 1 + 2 * AGREEMENTS
    lots = 1_000 * (AGREEMENTS + 1)

    assert snapshot_of(cut_off(AGREEMENTS + 10), tmp_path) == [
        (at, 590_000, 0),
        (at + 1, 600_001, 0),
        (at + 2, 600_000, lots),
        (at + 3, 590_000, 1_000),
        (at + 4, 600_001, 1_000),
    ]


def test_what_comes_after_it_is_no_longer_early(tmp_path: Path) -> None:
    path = cut_off(AGREEMENTS + 10).write(tmp_path / "a.gz")

    _, rows = load_rows(path, keep_early=False)

    assert rows["kind"].tolist()[:2] == [ROW_CLEAR, ROW_CLEAR]
    assert len(rows) == 5 + 2 * 10


def test_a_disagreement_starts_the_count_again(tmp_path: Path) -> None:
    writer = cut_off(AGREEMENTS + 10, lie_at=6)

    # The lie is told after five diffs: the first alone, four agreeing.
    assert snapshot_of(writer, tmp_path)[0][0] == 1 + 2 * (AGREEMENTS + 5)


def test_without_agreement_there_is_none(tmp_path: Path) -> None:
    assert snapshot_of(cut_off(AGREEMENTS - 1), tmp_path) == []
