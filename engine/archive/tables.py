"""Small tables that a person brings along, such as latencies or funding rates: .csv or .parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.domain.errors import BadInput

ROWS_MAX = 5_000_000


def read_columns(path: Path, names: Sequence[str], field: str) -> dict[str, list[str]]:
    """The columns `names` of the file as text, oldest row first; others are passed over.

    BadInput, naming `field`, when it cannot be read, a column is missing or there is no row.
    """
    read = _parquet_rows if path.suffix.lower() == ".parquet" else _csv_rows
    columns: dict[str, list[str]] = {name: [] for name in names}
    for number, row in enumerate(read(path, names, field), 1):
        if number > ROWS_MAX:
            raise BadInput(field, str(path), f"holds more than {ROWS_MAX} rows")
        for name, value in zip(names, row, strict=True):
            if value is None or value == "":
                raise BadInput(field, f"{path}, row {number}", f"{name} is missing")
            columns[name].append(str(value))
    if not columns[names[0]]:
        raise BadInput(field, str(path), "holds no rows")
    return columns


def table_columns(path: Path, field: str) -> list[str]:
    """The names of all columns of the file."""
    try:
        if path.suffix.lower() == ".parquet":
            from pyarrow import parquet

            return list(parquet.read_schema(path).names)
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file).fieldnames or ())
    except (OSError, ValueError, csv.Error) as error:
        raise BadInput(field, str(path), f"cannot be read: {_said(error)}") from None


def whole_numbers(texts: Sequence[str], name: str, path: Path, field: str) -> tuple[int, ...]:
    """A column of `read_columns` as integers."""
    numbers = []
    for row, text in enumerate(texts, 1):
        try:
            numbers.append(int(text))
        except ValueError:
            where = f"{path}, row {row}"
            raise BadInput(field, where, f"{name} must be a whole number, not {text}") from None
    return tuple(numbers)


def _csv_rows(path: Path, names: Sequence[str], field: str) -> Iterable[Sequence[object]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            _check_names(path, names, reader.fieldnames or (), field)
            for row in reader:
                yield [row[name] for name in names]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(field, str(path), f"cannot be read: {_said(error)}") from None


def _parquet_rows(path: Path, names: Sequence[str], field: str) -> Iterable[Sequence[object]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            _check_names(path, names, file.schema_arrow.names, field)
            for batch in file.iter_batches(columns=list(names)):
                yield from zip(*(batch.column(name).to_pylist() for name in names), strict=True)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(field, str(path), f"cannot be read: {_said(error)}") from None


def _said(error: Exception) -> object:
    return getattr(error, "strerror", None) or error


def _check_names(path: Path, names: Sequence[str], found: Sequence[str], field: str) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise BadInput(field, str(path), f"expected the columns {', '.join(names)}")
