from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from engine.archive import recording as rec
from engine.archive.importer import Overrides, read_capture
from engine.archive.recording import to_rows
from engine.domain.errors import BadInput
from engine.domain.instrument import InstrumentKind
from engine.kernels.layout import BUY, ROW_CLEAR, ROW_DEPTH, ROW_SNAPSHOT, ROW_TRADE, SELL
from tests.support.captures import CaptureWriter, small_capture

Row = tuple[int, int, int, int]


def read(writer: CaptureWriter, tmp_path: Path, *further: CaptureWriter) -> rec.Recording:
    writers = (writer, *further)
    paths = [one.write(tmp_path / f"part{index}.gz") for index, one in enumerate(writers)]
    return read_capture(paths)


def rows_of(recording: rec.Recording, *, keep_early: bool = True, rejoin: bool = True) -> list[Row]:
    """(kind, side, ticks, lots)"""
    rows = to_rows(recording, keep_early=keep_early, rejoin=rejoin)
    names = ("kind", "side", "price_ticks", "qty_lots")
    return list(zip(*(rows[name].tolist() for name in names), strict=True))


EARLY_ROWS = [(ROW_DEPTH, BUY, 600_000, 1_000), (ROW_DEPTH, SELL, 600_005, 2_000)]
SNAPSHOT_ROWS = [
    (ROW_CLEAR, BUY, 599_999, 0),
    (ROW_CLEAR, SELL, 600_004, 0),
    (ROW_SNAPSHOT, BUY, 600_000, 1_500),
    (ROW_SNAPSHOT, BUY, 599_999, 3_000),
    (ROW_SNAPSHOT, SELL, 600_004, 500),
]
AGAIN_ROWS = [(ROW_DEPTH, SELL, 600_005, 2_000)]
LATER_ROWS = [
    (ROW_TRADE, BUY, 600_004, 200),
    (ROW_DEPTH, SELL, 600_004, 300),
    (ROW_TRADE, SELL, 600_000, 100),
    (ROW_DEPTH, BUY, 600_000, 1_400),
    (ROW_DEPTH, BUY, 599_999, 0),
]


def test_rows_of_a_small_recording(tmp_path: Path) -> None:
    recording = read(small_capture(), tmp_path)

    assert rows_of(recording) == EARLY_ROWS + SNAPSHOT_ROWS + AGAIN_ROWS + LATER_ROWS
    assert rows_of(recording, keep_early=False) == SNAPSHOT_ROWS + AGAIN_ROWS + LATER_ROWS
    assert rows_of(recording, rejoin=False) == EARLY_ROWS + SNAPSHOT_ROWS + LATER_ROWS
    counts = recording.meta.counts
    assert (counts.early, counts.again, counts.stale, counts.gaps) == (2, 1, 0, 0)
    assert recording.meta.instrument.instrument_id == "binance_usdm.BTCUSDT"


def test_times_are_the_venues_and_ours(tmp_path: Path) -> None:
    rows = to_rows(read(small_capture(), tmp_path))

    assert rows["ts_exch_ns"][0] == 1_723_161_256_000_000_000 - 1_000_000
    assert rows["ts_local_ns"][0] == 1_723_161_256_000_000_000
    assert rows["ts_local_ns"][-1] == rows["ts_local_ns"][0] + 8 * 10_000_000


def test_a_local_clock_that_steps_back_stands_still(tmp_path: Path) -> None:
    writer = small_capture()
    writer.lines[7] = writer.lines[7].replace("17231612560", "17231612550", 1)

    rows = to_rows(read(writer, tmp_path))

    assert np.all(np.diff(rows["ts_local_ns"]) >= 0)


def test_stale_diffs_after_the_snapshot_are_left_out(tmp_path: Path) -> None:
    writer = CaptureWriter().snapshot(
        100, [("60000.0", "1.000")], [("60000.1", "1.000")]
    )  # Futures: a diff that ends at the snapshot's id still joins.
    writer.diff(99, bids=[("60001.0", "5.000")], after=90)
    writer.diff(100, asks=[("60000.1", "2.000")])
    writer.diff(110, bids=[("60000.0", "3.000")])

    recording = read(writer, tmp_path)

    assert recording.meta.counts.stale == 1
    assert recording.meta.counts.gaps == 0
    assert rows_of(recording)[-2:] == [
        (ROW_DEPTH, SELL, 600_001, 2_000),
        (ROW_DEPTH, BUY, 600_000, 3_000),
    ]


def test_spot_diffs_that_end_at_the_snapshot_are_stale(tmp_path: Path) -> None:
    writer = CaptureWriter(futures=False).diff(90, bids=[("60000.00", "1")], after=80)
    writer.snapshot(100, [("60000.00", "2")], [("60000.01", "1")])
    writer.diff(100, bids=[("60000.00", "5")]).diff(110, bids=[("60000.00", "4")])

    recording = read(writer, tmp_path)

    assert recording.meta.instrument.kind is InstrumentKind.SPOT
    assert recording.meta.counts.stale == 1
    assert rows_of(recording)[-1] == (ROW_DEPTH, BUY, 6_000_000, 400_000)


def test_gaps_and_repeats_are_flagged_and_counted(tmp_path: Path) -> None:
    writer = small_capture()
    writer.diff(130, bids=[("60000.00", "9.000")], after=120)  # Once more.
    writer.diff(150, bids=[("60000.00", "1.100")], after=140)  # 130 to 140 is missing.
    writer.trade("60000.00", "0.1", trade_id=2)  # Once more.
    writer.trade("60000.00", "0.1", trade_id=9)

    recording = read(writer, tmp_path)

    counts = recording.meta.counts
    assert (counts.gaps, counts.repeated) == (2, 2)
    assert recording.streams["depth"]["flags"][-2:].tolist() == [rec.REPEATED, rec.GAP]
    assert recording.streams["trades"]["flags"].tolist() == [0, 0, rec.REPEATED, rec.GAP]
    assert (ROW_DEPTH, BUY, 600_000, 9_000) not in rows_of(recording)


def test_a_gap_at_an_empty_diff_is_not_lost(tmp_path: Path) -> None:
    writer = small_capture().diff(150, after=140).diff(160, bids=[("60000.00", "1.100")])

    recording = read(writer, tmp_path)

    assert recording.streams["depth"]["flags"][-1] == rec.GAP


def test_sizes_between_lots_are_rounded_and_counted(tmp_path: Path) -> None:
    writer = small_capture().diff(140, bids=[("59000.00", "0.0001"), ("58000.00", "0.0026")])

    recording = read(writer, tmp_path)

    assert recording.meta.counts.off_lot == 2
    assert [lots for *_, lots in rows_of(recording)[-2:]] == [1, 3]


def test_trades_outside_the_order_book_are_left_out(tmp_path: Path) -> None:
    writer = small_capture()
    trade = {"e": "trade", "T": 1, "s": "BTCUSDT", "t": 3, "p": "0", "q": "0", "m": False}
    writer.stream("trade", trade | {"X": "NA"})

    recording = read(writer, tmp_path)

    assert recording.meta.counts.off_book == 1
    assert len(recording.streams["trades"]["seq"]) == 2


def test_parts_are_sorted_and_joined(tmp_path: Path) -> None:
    first, second = small_capture(), small_capture()
    first.lines, second.lines = first.lines[:7], second.lines[7:]

    whole = read(small_capture(), tmp_path)
    joined = read(second, tmp_path, first)

    assert to_rows(joined).tobytes() == to_rows(whole).tobytes()
    assert [source.lines for source in joined.meta.sources] == [7, 3]


def test_parts_that_do_not_continue_each_other_are_refused(tmp_path: Path) -> None:
    second = small_capture().diff(200, bids=[("60000.00", "1")], after=190)
    second.lines = second.lines[-1:]

    with pytest.raises(BadInput, match="does not continue the part before it, which ends at 130"):
        read(small_capture(), tmp_path, second)


def test_parts_of_two_instruments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="another instrument than"):
        read(small_capture(), tmp_path, CaptureWriter("ETHUSDT").diff(1, after=0))


def test_another_instrument_inside_a_file_is_refused(tmp_path: Path) -> None:
    writer = small_capture()
    writer.symbol = "ETHUSDT"
    writer.trade("60000.00", "1")

    with pytest.raises(BadInput, match=r"part0\.gz line 11, symbol"):
        read(writer, tmp_path)


def test_an_unknown_instrument_gets_the_smallest_steps_seen(tmp_path: Path) -> None:
    writer = CaptureWriter("XRPETH", futures=False)
    writer.snapshot(5, [("0.0014", "20")], [("0.00142", "35")])
    writer.diff(8, bids=[("0.00139", "5")], after=5)

    meta = read(writer, tmp_path).meta

    instrument = meta.instrument
    assert (instrument.tick, instrument.lot) == (Decimal("0.00001"), Decimal(5))
    assert (instrument.base, instrument.quote) == ("XRP", "ETH")
    assert "not in the instrument table" in meta.notices[0]


def test_a_symbol_that_cannot_be_split_needs_a_slash(tmp_path: Path) -> None:
    writer = CaptureWriter("ABCXYZ", futures=False).diff(8, bids=[("0.5", "5")], after=5)
    path = writer.write(tmp_path / "a.gz")

    with pytest.raises(BadInput, match="--symbol BASE/QUOTE"):
        read_capture([path])
    with pytest.raises(BadInput, match="only add the slash"):
        read_capture([path], Overrides(symbol="ABC/EUR"))
    instrument = read_capture([path], Overrides(symbol="ABC/XYZ")).meta.instrument
    assert (instrument.base, instrument.quote) == ("ABC", "XYZ")


def test_overrides_beat_table_and_data(tmp_path: Path) -> None:
    path = small_capture().write(tmp_path / "a.gz")

    overrides = Overrides(tick=Decimal("0.01"), lot=Decimal("0.0001"))
    rows = to_rows(read_capture([path], overrides))

    assert (rows["price_ticks"][0], rows["qty_lots"][0]) == (6_000_000, 10_000)


def test_plain_text_is_read_like_gzip(tmp_path: Path) -> None:
    plain = read_capture([small_capture().write(tmp_path / "plain.txt")])

    assert to_rows(plain).tobytes() == to_rows(read(small_capture(), tmp_path)).tobytes()


@pytest.mark.parametrize(
    ("price", "quantity", "words"),
    [
        ("NaN", "1", "line 11, price: NaN"),
        ("-60000.0", "1", "line 11, price: -60000.0"),
        ("60000.05", "1", "multiple of the tick 0.1"),
        ("1" * 30, "1", "more than"),
        ("60000.0", "-1", "line 11, quantity: -1"),
        ("60000.0", "0", "line 11, quantity"),
        ("0", "1", "line 11, price"),
    ],
)
def test_senseless_trades_are_refused(
    tmp_path: Path, price: str, quantity: str, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        read(small_capture().trade(price, quantity), tmp_path)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "not valid JSON"),
        ('{"stream":"btcusdt@aggTrade","data":{}}', "btcusdt@aggTrade: unknown"),
        ('{"stream":"btcusdt@trade","data":{"s":"BTCUSDT"}}', "missing required field"),
        ('{"stream":"btcusdt@depth","data":{"u":1e400}}', "line 11"),
        pytest.param("[" * 100_000, "line 11", id="deep"),
        pytest.param(
            '{"stream":"btcusdt@trade","data":{"x":' + "[" * 100_000, "not valid JSON", id="deeper"
        ),
        pytest.param('{"stream":"\x80@trade"}', "line 11", id="not UTF-8"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        read(small_capture().raw(body), tmp_path)

    assert "\n" not in str(caught.value)
    assert "line 11" in str(caught.value)


def test_bad_files_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.gz"
    empty.touch()
    truncated = small_capture().write(tmp_path / "truncated.gz")
    truncated.write_bytes(truncated.read_bytes()[:-40])
    damaged = small_capture().write(tmp_path / "damaged.gz")
    raw = bytearray(damaged.read_bytes())
    raw[40:60] = bytes(20)
    damaged.write_bytes(raw)

    for path, words in [
        (empty, "is empty"),
        (truncated, "truncated gzip"),
        (damaged, "damaged gzip"),
        (tmp_path, "is a directory"),
        (tmp_path / "nothing", "no such file"),
    ]:
        with pytest.raises(BadInput, match=words):
            read_capture([path])


def test_a_symbol_cannot_name_another_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="symbol"):
        read(CaptureWriter("../../ETHUSDT").diff(1, after=0), tmp_path)
