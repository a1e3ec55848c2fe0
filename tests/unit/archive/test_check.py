from __future__ import annotations

from pathlib import Path

from engine.archive.check import Report, check_recording
from engine.archive.importer import read_capture
from tests.support.captures import CaptureWriter, small_capture


def check(writer: CaptureWriter, tmp_path: Path) -> Report:
    return check_recording(read_capture([writer.write(tmp_path / "a.gz")]))


def test_a_clean_recording(tmp_path: Path) -> None:
    report = check(small_capture(), tmp_path)

    assert report.defects == []
    assert report.notices == []
    match = report.ticker_match
    assert (match.checked, match.equal, match.different) == (3, 3, 0)
    depth = report.streams["depth"]
    assert (depth.rows, depth.messages) == (11, 6)
    assert depth.end_ns - depth.start_ns == 80_000_000


def test_a_book_that_differs_from_the_ticker(tmp_path: Path) -> None:
    writer = small_capture().diff(140, bids=[("60000.00", "1.000")])
    writer.ticker(140, ("60000.00", "1.100"), ("60000.40", "0.300"))

    report = check(writer, tmp_path)

    assert report.ticker_match.different == 1
    assert report.defects == ["book and ticker differ after 1 of 4 diffs"]


def test_crossed_and_one_sided_books(tmp_path: Path) -> None:
    writer = small_capture().diff(140, bids=[("60000.40", "1.000")])
    writer.diff(150, bids=[("60000.40", "0"), ("60000.00", "0")])

    depth = check(writer, tmp_path).streams["depth"]

    assert (depth.crossed, depth.one_sided) == (1, 1)


def test_gaps_repeats_and_backward_times(tmp_path: Path) -> None:
    writer = small_capture().diff(150, bids=[("60000.00", "1.100")], after=140)
    writer.trade("60000.00", "0.1", trade_id=2)
    writer.lines[-1] = writer.lines[-1].replace("17231612561", "17231612551")
    writer.ticker(120, ("60000.00", "1.100"), ("60000.40", "0.300"))

    report = check(writer, tmp_path)

    assert report.streams["depth"].gaps == 1
    assert (report.streams["trades"].repeated, report.streams["trades"].backward) == (1, 1)
    assert report.streams["ticker"].backward == 1
    assert len(report.defects) == 5


def test_a_recording_without_a_snapshot(tmp_path: Path) -> None:
    writer = CaptureWriter().diff(10, bids=[("60000.00", "1.000")], after=9)

    report = check(writer, tmp_path)

    assert report.ticker_match.checked == 0
    assert report.defects == ["depth: no order book snapshot"]
