"""Foreign files of bars (CSV, feather, Parquet) as columns of text and times in ns. No judgement
of the values yet, see `ohlcv`."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from engine.archive.files import reading
from engine.domain.errors import BadInput

TIME_NAMES = ("timestamp_ms", "timestamp", "time", "date", "datetime", "open_time", "start_ns")
"""Columns that hold the start of the bar, in UTC: numbers since 1970 whose unit shows in their
length (10 digits seconds, 13 ms, 16 us, 19 ns), or ISO 8601 text."""
VALUE_NAMES = ("open", "high", "low", "close", "volume")
"""Volume may be missing, the others may not."""

_UNIT_NS = {10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class BarTexts(NamedTuple):
    file: str
    first_line: int
    """Line or row number of the first bar in the file, for errors."""
    start_ns: list[int]
    columns: dict[str, list[str]]

    def bad_row(self, row: int, field: str, value: object, remedy: str) -> BadInput:
        return BadInput(f"{self.file} line {row + self.first_line}, {field}", value, remedy)


def is_bar_file(path: Path) -> bool:
    """CSV, feather and Parquet hold bars; everything else is taken for a capture."""
    return path.name.removesuffix(".gz").endswith((".csv", ".feather", ".parquet"))


def read_bar_texts(path: Path) -> BarTexts:
    """Read a file of bars by its ending. BadInput when it is not one or lacks a column."""
    if path.name.removesuffix(".gz").endswith(".csv"):
        columns, first_line = _read_csv(path), 2
    else:
        columns, first_line = _read_arrow(path), 1
    if not columns or not next(iter(columns.values())):
        raise BadInput("file", str(path), "holds no bars")
    return _choose(path.name, first_line, columns)


def _choose(file: str, first_line: int, columns: dict[str, Sequence[Any]]) -> BarTexts:
    """Pick the columns that we know; others are left out."""
    named = {name.strip().lower(): values for name, values in columns.items()}
    time_name = next((name for name in TIME_NAMES if name in named), None)
    missing = [name for name in VALUE_NAMES[:4] if name not in named]
    if time_name is None:
        missing.insert(0, "timestamp_ms")
    if time_name is None or missing:
        found = ",".join(named)
        raise BadInput(f"{file} header", found, f"has no column {', '.join(missing)}")
    texts = {name: [_text(value) for value in named[name]] for name in VALUE_NAMES if name in named}
    empty = BarTexts(file, first_line, [], texts)
    starts = [_time_ns(empty, row, time_name, value) for row, value in enumerate(named[time_name])]
    return empty._replace(start_ns=starts)


def _text(value: Any) -> str:
    """A number as plain decimal text: floats by their shortest digits, nothing as ""."""
    if value is None:
        return ""
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f") if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value).strip()


def _time_ns(texts: BarTexts, row: int, name: str, value: Any) -> int:
    if isinstance(value, dt.datetime):
        return _since_epoch_ns(value)
    text = _text(value).removesuffix(".0")
    if text.isascii() and text.isdigit() and len(text) in _UNIT_NS:
        return int(text) * _UNIT_NS[len(text)]
    try:
        return _since_epoch_ns(dt.datetime.fromisoformat(text))
    except ValueError:
        raise texts.bad_row(
            row, name, text, "expected ms since 1970 (13 digits) or a date such as 2024-01-31"
        ) from None


def _since_epoch_ns(moment: dt.datetime) -> int:
    """Exact; a time without zone is UTC."""
    since = (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)) - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def _read_csv(path: Path) -> dict[str, Sequence[Any]]:
    with reading(path) as raw:
        try:
            lines = csv.reader(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""))
            header = next(lines, [])
            rows = [row for row in lines if row]
        except (UnicodeDecodeError, csv.Error) as error:
            raise BadInput("file", str(path), f"not a CSV text file: {error}") from None
    _check_widths(path.name, len(header), rows)
    return dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}


def _check_widths(file: str, width: int, rows: Iterable[list[str]]) -> None:
    for line, row in enumerate(rows, 2):
        if len(row) != width:
            raise BadInput(
                f"{file} line {line}", ",".join(row), f"has {len(row)} columns, expected {width}"
            )


def _read_arrow(path: Path) -> dict[str, Sequence[Any]]:
    import pyarrow as pa
    from pyarrow import feather, parquet

    read = feather.read_table if path.suffix == ".feather" else parquet.read_table
    with reading(path):  # For its words about missing files and folders.
        pass
    try:
        table = read(path)
    except (OSError, pa.ArrowException) as error:
        raise BadInput("file", str(path), f"cannot be read: {error}") from None
    return {name: _values(table.column(name)) for name in table.column_names}


def _values(column: Any) -> Sequence[Any]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        # As integers of ns: Python's datetime ends at microseconds.
        column = column.cast(pa.timestamp("ns", tz=column.type.tz)).cast(pa.int64())
    values: Sequence[Any] = column.to_pylist()
    return values
