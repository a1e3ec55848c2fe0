"""Bars from CSV, feather and Parquet files, kept as `bars/<instrument_id>/<timeframe>.parquet`.

Prices and volumes are kept exactly: as whole ticks and lots where a step is known or can be read
off the data, else as decimal text. Nothing is filled, sorted or rounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.archive.bar_files import BarTexts, read_bar_texts
from engine.archive.files import sha256_of, writing_file
from engine.archive.importer import Overrides
from engine.archive.instruments import known_instruments
from engine.domain.errors import BadInput
from engine.domain.money import decimal_places, plain
from engine.domain.text import is_symbol
from engine.wire.decimals import StepTexts, common_step, split_decimal

BARS = "bars"
PRICES = ("open", "high", "low", "close")
FORMAT = 1
_META_KEY = b"pilothouse"
_MAX_PLACES = 8
"""Digits after the point of the finest step that venues use; more is a source's rounding noise."""

_UNITS = (
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
)

Values = list[int] | list[str]


class BarsMeta(msgspec.Struct, frozen=True, kw_only=True):
    """Kept inside the Parquet file."""

    format: int = FORMAT
    instrument_id: str
    timeframe: str
    tick: Decimal | None
    """None: prices are decimal text."""
    lot: Decimal | None
    """None: volumes are decimal text, or there are none."""
    source: str
    sha256: str
    rows: int
    start_ns: int
    end_ns: int
    """Start of the last bar."""
    gaps: int
    bars_missing: int
    longest_gap: int
    """Bars missing in the longest gap."""


class ImportedBars(NamedTuple):
    path: Path
    meta: BarsMeta


class BarTable(NamedTuple):
    """`columns` holds start_ns, open, high, low, close and mostly volume; see `BarsMeta`."""

    meta: BarsMeta
    columns: dict[str, Any]


def import_bars(
    path: Path, catalogue: Path, overrides: Overrides | None = None, *, replace: bool = False
) -> ImportedBars:
    """Check a file of bars and write it into `catalogue`.

    Raises BadInput, naming line and column, for missing values, NaN, negative numbers, a high
    below the low, times that repeat, go back or lie off the timeframe's grid; and where other
    bars lie already, unless `replace` is set.
    """
    overrides = overrides or Overrides()
    texts = read_bar_texts(path)
    instrument_id = _instrument_id(path, overrides.symbol)
    period_ns = _period_ns(texts)
    _check_shape(texts)
    known = known_instruments().get(instrument_id)
    tick = overrides.tick or _visible_step(texts, PRICES, known.tick if known else None)
    lot = overrides.lot or _visible_step(texts, ("volume",), known.lot if known else None)
    columns: dict[str, Values] = {name: _integers(texts, name, tick) for name in PRICES}
    if "volume" in texts.columns:
        columns["volume"] = _integers(texts, "volume", lot)
    missing = [(after - before) // period_ns - 1 for before, after in pairwise(texts.start_ns)]
    meta = BarsMeta(
        instrument_id=instrument_id,
        timeframe=timeframe_word(period_ns),
        tick=tick,
        lot=lot if "volume" in texts.columns else None,
        source=path.name,
        sha256=sha256_of(path),
        rows=len(texts.start_ns),
        start_ns=texts.start_ns[0],
        end_ns=texts.start_ns[-1],
        gaps=sum(count > 0 for count in missing),
        bars_missing=sum(missing),
        longest_gap=max(missing, default=0),
    )
    target = catalogue / BARS / instrument_id / f"{meta.timeframe}.parquet"
    if not replace:
        _refuse_to_replace(target, meta.sha256)
    _write(target, {"start_ns": texts.start_ns, **columns}, meta)
    return ImportedBars(target, meta)


def load_bars(path: Path) -> BarTable:
    """An imported file of bars; integer columns as int64 arrays, others as lists of text."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BadInput("data", str(path), f"{error}; import the bars again") from None
    columns = {
        name: table[name].to_numpy()
        if pa.types.is_integer(table[name].type)
        else table[name].to_pylist()
        for name in table.column_names
    }
    return BarTable(_read_meta(path, table.schema.metadata), columns)


def list_bars(catalogue: Path) -> list[ImportedBars]:
    """Every imported file of bars, by instrument and timeframe."""
    from pyarrow import parquet

    return [
        ImportedBars(path, _read_meta(path, parquet.read_schema(path).metadata))
        for path in sorted(catalogue.glob(f"{BARS}/*/*.parquet"))
        if not path.name.startswith(".")
    ]


def timeframe_word(period_ns: int) -> str:
    """`1m`, `4h`, `1d`; BadInput when it is no whole number of seconds."""
    for unit, unit_ns in _UNITS:
        if period_ns % unit_ns == 0:
            return f"{period_ns // unit_ns}{unit}"
    raise BadInput("timestamp", period_ns, "bars must be whole seconds apart")


# -- checking --------------------------------------------------------------------------------


def _instrument_id(path: Path, symbol: str) -> str:
    """`--symbol` as VENUE.SYMBOL or SYMBOL, else the file's name up to the first `-` or `.`"""
    name = symbol or path.name.partition(".")[0].partition("-")[0]
    venue, point, rest = name.partition(".")
    if not point:
        venue, rest = BARS, name
    if not is_symbol(rest) or not is_symbol(venue.upper()) or "/" in name:
        raise BadInput(
            "--symbol", name, "name the bars, for instance --symbol binance_spot.BTCUSDT"
        )
    return f"{venue}.{rest}"


def _period_ns(texts: BarTexts) -> int:
    """The commonest step between bars; every other one must be a multiple of it."""
    starts = texts.start_ns
    for row, (before, after) in enumerate(pairwise(starts), 1):
        if after <= before:
            word = "repeats the bar before" if after == before else "goes back"
            raise texts.bad_row(row, "timestamp", after // 1_000_000, word)
    if len(starts) < 2:
        raise texts.bad_row(
            0, "timestamp", starts[0] // 1_000_000, "one bar alone tells no timeframe"
        )
    steps = Counter(after - before for before, after in pairwise(starts))
    period_ns, _ = max(steps.items(), key=lambda item: (item[1], -item[0]))
    for row, start in enumerate(starts):
        if (start - starts[0]) % period_ns:
            remedy = f"off the grid of {timeframe_word(period_ns)} bars; resample it first"
            raise texts.bad_row(row, "timestamp", start // 1_000_000, remedy)
    return period_ns


def _check_shape(texts: BarTexts) -> None:
    """Every value a plain number, high and low around open and close."""
    numbers = {name: _numbers(texts, name) for name in texts.columns}
    for row, bar in enumerate(zip(*(numbers[name] for name in PRICES), strict=True)):
        opened, high, low, closed = bar
        if min(bar) <= 0:
            raise texts.bad_row(row, "price", min(bar), "must be greater than zero")
        if high < max(opened, low, closed) or low > min(opened, closed):
            told = f"high {plain(high)}, low {plain(low)}"
            raise texts.bad_row(row, "high, low", told, "do not enclose open and close")


def _numbers(texts: BarTexts, name: str) -> list[Decimal]:
    try:
        numbers = []
        for text in texts.columns[name]:
            digits, places = split_decimal(text)
            numbers.append(Decimal(digits).scaleb(-places))
    except ValueError:
        text = texts.columns[name][len(numbers)]
        remedy = "expected a plain number, not negative, such as 61800.1"
        raise texts.bad_row(len(numbers), name, text or "(nothing)", remedy) from None
    return numbers


def _visible_step(texts: BarTexts, names: Sequence[str], listed: Decimal | None) -> Decimal | None:
    """The step that all values are multiples of: the `listed` one if it fits, else the largest,
    if that is coarse enough to be a venue's."""
    step = common_step(text for name in names for text in texts.columns.get(name, ()))
    if step is None or decimal_places(step) > _MAX_PLACES:
        return None
    return listed if listed is not None and step % listed == 0 else step


def _integers(texts: BarTexts, name: str, step: Decimal | None) -> Values:
    """A column as whole steps, or as decimal text where there is no step."""
    values = texts.columns[name]
    if step is None:
        return values
    parsed = StepTexts(name, step, hint="; give the right one with --tick")

    def whole(row: int, text: str) -> int:
        try:
            return parsed[text]
        except BadInput as error:
            raise texts.bad_row(row, error.field, error.value, error.remedy) from None

    return [whole(row, text) for row, text in enumerate(values)]


def _refuse_to_replace(target: Path, digest: str) -> None:
    if target.exists() and load_bars(target).meta.sha256 != digest:
        raise BadInput(
            "out", str(target), "already holds other bars; choose another --out, or --replace them"
        )


# -- files -------------------------------------------------------------------------------------


def _write(target: Path, columns: Mapping[str, Values], meta: BarsMeta) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(dict(columns)).replace_schema_metadata({_META_KEY: msgspec.json.encode(meta)})
    with writing_file(target) as draft:
        parquet.write_table(table, draft, compression="zstd")


def _read_meta(path: Path, metadata: dict[bytes, bytes] | None) -> BarsMeta:
    try:
        return msgspec.json.decode((metadata or {}).get(_META_KEY, b""), type=BarsMeta)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadInput("data", str(path), "was not written by pilothouse data import") from None
