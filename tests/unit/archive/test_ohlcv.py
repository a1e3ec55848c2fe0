from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from engine.archive.importer import Overrides
from engine.archive.ohlcv import ImportedBars, import_bars, list_bars, load_bars, timeframe_word
from engine.domain.errors import BadInput

HEADER = "timestamp_ms,open,high,low,close,volume"
START_MS = 1_704_067_200_000
GOOD = ("1.5,2.25,1.25,2,10", "2,3,2,2.5,7.5", "2.5,2.5,2.5,2.5,0")


def a_csv(folder: Path, *bars: str, header: str = HEADER, times: tuple[int, ...] = ()) -> Path:
    """Minute bars from `bars` (everything after the time), at `times` in minutes if given."""
    minutes = times or range(len(bars))
    lines = [
        f"{START_MS + 60_000 * minute},{bar}" for minute, bar in zip(minutes, bars, strict=True)
    ]
    path = folder / "XRPUSDT.csv.gz"
    path.write_bytes(gzip.compress("\n".join([header, *lines, ""]).encode()))
    return path


def imported(path: Path, **overrides: object) -> ImportedBars:
    wishes = Overrides(**overrides)  # type: ignore[arg-type]
    return import_bars(path, path.parent / "catalogue", wishes, replace=True)


def test_bars_become_ticks_and_lots(tmp_path: Path) -> None:
    bars = imported(a_csv(tmp_path, *GOOD))

    assert bars.path == tmp_path / "catalogue/bars/bars.XRPUSDT/1m.parquet"
    assert (bars.meta.tick, bars.meta.lot) == (Decimal("0.25"), Decimal("2.5"))
    assert (bars.meta.timeframe, bars.meta.rows, bars.meta.gaps) == ("1m", 3, 0)
    meta, columns = load_bars(bars.path)
    assert meta == bars.meta
    assert columns["start_ns"].tolist()[:2] == [
        1_704_067_200_000_000_000,
        1_704_067_260_000_000_000,
    ]
    assert columns["high"].tolist() == [9, 12, 10]
    assert columns["volume"].tolist() == [4, 3, 0]
    assert list_bars(tmp_path / "catalogue") == [bars]


def test_given_steps_are_used(tmp_path: Path) -> None:
    bars = imported(a_csv(tmp_path, *GOOD), tick=Decimal("0.01"), lot=Decimal("0.5"))

    assert load_bars(bars.path).columns["open"].tolist() == [150, 200, 250]
    assert load_bars(bars.path).columns["volume"].tolist() == [20, 15, 0]


def test_the_table_knows_the_steps_of_a_listed_instrument(tmp_path: Path) -> None:
    bars = imported(a_csv(tmp_path, *GOOD), symbol="binance_spot.BTCUSDT")

    assert bars.meta.instrument_id == "binance_spot.BTCUSDT"
    assert (bars.meta.tick, bars.meta.lot) == (Decimal("0.01"), Decimal("0.00001"))


def test_rounding_noise_stays_exact_text(tmp_path: Path) -> None:
    noisy = "134.44400024414062,147.48800659179688,134,144.5399932861328,1"

    bars = imported(a_csv(tmp_path, noisy, noisy))

    assert bars.meta.tick is None
    assert load_bars(bars.path).columns["open"] == ["134.44400024414062"] * 2


def test_volume_may_be_missing(tmp_path: Path) -> None:
    path = a_csv(tmp_path, "1,1,1,1", "2,2,2,2", header="timestamp_ms,open,high,low,close")

    assert "volume" not in load_bars(imported(path).path).columns


def test_gaps_are_reported_not_filled(tmp_path: Path) -> None:
    bars = imported(a_csv(tmp_path, *GOOD, *GOOD[:2], times=(0, 1, 2, 5, 7)))

    assert (bars.meta.gaps, bars.meta.bars_missing, bars.meta.longest_gap) == (2, 3, 2)
    assert bars.meta.rows == 5


@pytest.mark.parametrize(
    ("bar", "words"),
    [
        ("1,2,0.5,,3", "line 3, close"),
        ("1,2,0.5,nan,3", "line 3, close: nan"),
        ("1,2,0.5,inf,3", "line 3, close: inf"),
        ("1,2,0.5,-1,3", "line 3, close: -1"),
        ("1,2,0.5,1,-3", "line 3, volume: -3"),
        ("0,2,0,1,3", "line 3, price"),
        ("1,2,0.5,3,3", "high 2, low 0.5: do not enclose"),
        ("1,0.5,2,1,3", "do not enclose"),
        ("1,2", "line 3.*has 3 columns, expected 6"),
    ],
)
def test_senseless_bars_are_refused(tmp_path: Path, bar: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        imported(a_csv(tmp_path, GOOD[0], bar))


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ((0, 1, 1), "line 4, timestamp.*repeats"),
        ((0, 2, 1), "line 4, timestamp.*goes back"),
    ],
)
def test_times_must_go_forward(tmp_path: Path, times: tuple[int, ...], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        imported(a_csv(tmp_path, *GOOD, times=times))


def test_irregular_times_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="off the grid of 2m bars"):
        imported(a_csv(tmp_path, *GOOD, *GOOD[:2], times=(0, 2, 4, 7, 9)))


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", f"{HEADER}\n", f"{HEADER}\n{START_MS},1,1,1,1,1\n", "\0\0\x80"]
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "XRPUSDT.csv"
    path.write_text(text, "latin-1")

    with pytest.raises(BadInput):
        imported(path)


@pytest.mark.parametrize("ending", ["feather", "parquet"])
def test_feather_and_parquet_with_dates_and_floats(tmp_path: Path, ending: str) -> None:
    times = pa.array([START_MS, START_MS + 300_000], pa.timestamp("ms", tz="UTC"))
    prices = {name: [0.1 + 0.2, 1e-7] for name in ("open", "high", "low", "close")}
    table = pa.table({"date": times, **prices, "volume": [1.5, 3.0]})
    path = tmp_path / f"XRP_USDT-5m.{ending}"
    if ending == "feather":
        feather.write_feather(table, path)
    else:
        parquet.write_table(table, path)

    bars = imported(path, symbol="test.XRPUSDT")

    assert bars.meta.timeframe == "5m"
    columns = load_bars(bars.path).columns
    assert columns["open"] == ["0.30000000000000004", "0.0000001"]
    assert columns["volume"].tolist() == [1, 2]


def test_seconds_and_iso_dates_are_understood(tmp_path: Path) -> None:
    header = "date,open,high,low,close"
    path = tmp_path / "GOOG.csv"
    starts = []
    for first, second in [("1704067200", "1704153600"), ("2024-01-01", "2024-01-02T00:00:00Z")]:
        path.write_text(f"{header}\n{first},1,1,1,1\n{second},2,2,2,2\n")
        bars = imported(path)
        assert bars.meta.timeframe == "1d"
        starts.append(bars.meta.start_ns)

    assert starts == [START_MS * 1_000_000] * 2


def test_other_bars_are_only_replaced_when_asked(tmp_path: Path) -> None:
    first = a_csv(tmp_path, *GOOD)
    import_bars(first, tmp_path)
    import_bars(first, tmp_path)
    changed = a_csv(tmp_path, *GOOD[:2])

    with pytest.raises(BadInput, match="--replace"):
        import_bars(changed, tmp_path)


@pytest.mark.parametrize("symbol", ["../x", "a b", "", ".", "..", "x/y"])
def test_symbols_cannot_name_other_folders(tmp_path: Path, symbol: str) -> None:
    path = a_csv(tmp_path, *GOOD).rename(tmp_path / f"lower{symbol.replace('/', '')}.csv.gz")

    with pytest.raises(BadInput, match="--symbol"):
        imported(path, symbol=symbol)


def test_timeframe_words() -> None:
    words = [timeframe_word(seconds * 10**9) for seconds in (1, 90, 3600, 14_400, 86_400, 604_800)]
    assert words == ["1s", "90s", "1h", "4h", "1d", "1w"]
