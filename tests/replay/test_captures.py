"""The real recordings: rebuilt books equal the recorded ticker, bars equal the exchange's own."""

from __future__ import annotations

import csv
import gzip
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from engine.archive.catalogue import import_capture, load_recording, load_rows
from engine.archive.check import check_recording
from engine.archive.recording import Recording, to_rows
from engine.kernels.layout import BUY, ROW, ROW_TRADE, SELL, Rows
from engine.market.bars import bars_from_trades
from engine.wire.decimals import StepTexts
from tests.support.shared import DATA, capture, needs_shared

pytestmark = needs_shared

MINUTE_NS = 60_000_000_000

USDM = capture("usdm_btcusdt_20240808")
SPOT = capture("spot_btcusdt_20240808", "spot_btcusdt_20240809")
COINM = capture("cm_btcusd_perp_20240808", "cm_btcusd_perp_20240809")


@cache
def _recording(*paths: Path) -> Recording:
    return load_recording(paths)


@pytest.mark.parametrize(
    ("paths", "equal", "different"),
    [
        # The README's table; joined parts give the sum of both lines.
        pytest.param(COINM[:1], 26_824, 0, id="coinm first part"),
        pytest.param(COINM, 26_824 + 17_948, 0, id="coinm joined"),
        pytest.param(SPOT[:1], 3_449, 0, id="spot first part"),
        pytest.param(SPOT, 3_449 + 3_042, 2, id="spot joined"),
        pytest.param(USDM, 6_547, 0, id="usdm"),
    ],
)
def test_rebuilt_touch_equals_the_ticker_after_every_diff(
    paths: list[Path], equal: int, different: int
) -> None:
    report = check_recording(_recording(*paths))

    assert report.ticker_match.equal == equal
    assert report.ticker_match.different == different
    assert report.defects == []
    for stream in report.streams.values():
        assert (stream.gaps, stream.crossed, stream.one_sided) == (0, 0, 0)
        assert (stream.backward, stream.repeated) == (0, 0)


def test_a_part_without_its_snapshot_is_a_defect() -> None:
    report = check_recording(_recording(*COINM[1:]))

    assert report.ticker_match.checked == 0
    assert any("no order book snapshot" in defect for defect in report.defects)


@pytest.mark.parametrize("paths", [USDM, SPOT, COINM], ids=["usdm", "spot", "coinm"])
def test_catalogue_gives_the_same_rows_as_the_raw_capture(
    paths: list[Path], tmp_path: Path
) -> None:
    # Parts in the wrong order: they are sorted by their first stamps.
    imported = import_capture(paths[::-1], tmp_path)

    instrument, rows = load_rows(imported.path)
    raw = _recording(*paths)

    assert instrument == raw.meta.instrument
    assert rows.tobytes() == to_rows(raw).tobytes()
    assert check_recording(load_recording(imported.path)) == check_recording(raw)


def test_usdm_rows_are_counted_and_in_order_of_receipt() -> None:
    recording = _recording(*USDM)
    instrument, rows = recording.meta.instrument, to_rows(recording)

    # 443,521 changed levels, 2,000 of the snapshot, 2 clears, 21,313 trades, and 69 levels of the
    # two diffs that are newer than the snapshot received after them.
    assert len(rows) == 443_521 + 2_000 + 2 + 21_313 + 69
    assert (str(instrument.tick), str(instrument.lot)) == ("0.1", "0.001")
    assert np.all(np.diff(rows["ts_local_ns"]) >= 0)
    assert np.count_nonzero(rows["kind"] == ROW_TRADE) == 21_313


def test_without_rejoin_the_rows_are_as_received() -> None:
    rows = to_rows(_recording(*USDM), rejoin=False)
    late = to_rows(_recording(*USDM), keep_early=False)

    assert len(rows) == 443_521 + 2_000 + 2 + 21_313
    assert len(late) < len(rows)


def test_trades_of_both_parts_give_the_exchanges_five_minute_bars() -> None:
    recording = _recording(*SPOT)
    instrument, rows = recording.meta.instrument, to_rows(recording)
    ticks, lots = StepTexts("price", instrument.tick), StepTexts("volume", instrument.lot)

    bars = bars_from_trades(rows, 5 * MINUTE_NS)

    golden = _csv("ohlcv/binance_spot_2024/golden_5m_BTCUSDT_20240808.csv.gz")
    ours = {int(bar["start_ns"]): bar for bar in bars}
    assert len(golden) == 2
    for line in golden:
        bar = ours[int(line["timestamp_ms"]) * 1_000_000]
        for name in ("open", "high", "low", "close"):
            assert bar[name] == ticks[line[name]], (name, line)
        assert bar["volume"] == lots[line["volume"]]
    assert [int(bar["trades"]) for bar in bars[1:3]] == [8_863, 9_913]


@pytest.mark.parametrize(("minutes", "name"), [(1, "xrpeth_1m_201910"), (5, "xrpeth_5m_201910")])
def test_xrpeth_trades_give_the_exchanges_bars(minutes: int, name: str) -> None:
    bars = bars_from_trades(_xrpeth_trades(), minutes * MINUTE_NS)

    golden = _csv(f"trades/{name}.csv.gz")
    ticks = StepTexts("price", Decimal("0.00000001"))
    ours = [tuple(bar)[:6] for bar in bars.tolist()]
    theirs = [
        (
            int(line["timestamp_ms"]) * 1_000_000,
            *(ticks[line[name]] for name in ("open", "high", "low", "close")),
            int(line["volume"]),
        )
        for line in golden
    ]
    assert ours == theirs


def _xrpeth_trades() -> Rows:
    lines = _csv("trades/xrpeth_20191011.csv.gz")
    ticks = StepTexts("price", Decimal("0.00000001"))
    rows: Rows = np.zeros(len(lines), ROW)
    rows["kind"] = ROW_TRADE
    rows["ts_exch_ns"] = [int(line["timestamp_ms"]) * 1_000_000 for line in lines]
    rows["price_ticks"] = [ticks[line["price"]] for line in lines]
    rows["qty_lots"] = [int(line["amount"]) for line in lines]
    rows["side"] = [BUY if line["side"] == "buy" else SELL for line in lines]
    return rows


def _csv(name: str) -> list[dict[str, str]]:
    with gzip.open(DATA / name, "rt") as file:
        return list(csv.DictReader(file))
