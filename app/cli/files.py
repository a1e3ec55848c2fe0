"""Files that commands write: all of one or nothing, each beside its target and moved over it."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, get_args

import msgspec

from engine.domain.errors import BadInput, WorkFailed
from engine.domain.money import plain


def check_targets(data: Sequence[Path], targets: Mapping[str, Path | None]) -> None:
    """Refuse files that cannot be written, or that are needed, before the work, not after it.
    `targets`: option -> file."""
    taken = {path.resolve(): "is what the backtest reads" for path in data}
    for option, path in targets.items():
        if path is None:
            continue
        if path.resolve() in taken:
            raise BadInput(option, str(path), f"{taken[path.resolve()]}; name another file")
        taken[path.resolve()] = f"is the file of {option}"
        if path.is_dir():
            raise BadInput(option, str(path), "is a folder; name a file")
        folder = path.absolute().parent
        if not folder.is_dir():
            raise BadInput(option, str(path), "its folder does not exist")
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            words = f"its folder cannot be written ({error.strerror}); choose another"
            raise BadInput(option, str(path), words) from error


def write_rows(path: Path, kind: type[msgspec.Struct], rows: Sequence[msgspec.Struct]) -> None:
    """As Parquet where the name ends in .parquet, else as CSV; one column a field."""
    if path.suffix.lower() == ".parquet":
        write_parquet(path, kind, rows)
    else:
        write_csv(path, ",".join(kind.__struct_fields__), map(msgspec.structs.astuple, rows))


@contextmanager
def replacing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A file that becomes `path` when all went well. WorkFailed when it cannot be written."""
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        try:
            is_text = "b" not in mode
            newline, encoding = ("", "utf-8") if is_text else (None, None)
            with os.fdopen(handle, mode, newline=newline, encoding=encoding) as file:
                yield file
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise WorkFailed(f"{path}: {error.strerror}: choose another file") from error


def write_parquet(path: Path, kind: type[msgspec.Struct], rows: Iterable[msgspec.Struct]) -> None:
    """One column a field; amounts as decimals with 18 places, flags as booleans."""
    import pyarrow as pa
    from pyarrow import parquet

    types = {int: pa.int64(), bool: pa.bool_(), float: pa.float64(), Decimal: pa.decimal128(38, 18)}
    fields = msgspec.structs.fields(kind)
    columns = zip(*(msgspec.structs.astuple(row) for row in rows), strict=True)
    filled = list(columns) or [() for _ in fields]
    arrays = {}
    for field, values in zip(fields, filled, strict=True):
        type_ = types.get(_plain_type(field.type))
        arrays[field.name] = pa.array(
            values if type_ is not None else map(str, values), type_ or pa.string()
        )
    with replacing(path, "wb") as file:
        parquet.write_table(pa.table(arrays), file)


def _plain_type(type_: Any) -> Any:
    """`float` of `float | None`."""
    return next((one for one in get_args(type_) if one is not type(None)), type_)


def write_csv(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with replacing(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bool):
        return int(value)
    return value
