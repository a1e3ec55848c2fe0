"""The catalogue on disk: `DIR/<instrument_id>/{depth,trades,ticker}.parquet` and `meta.json`.

Recordings appear whole or not at all. `load_rows` is what replays read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from engine.archive import recording as rec
from engine.archive.files import writing_directory
from engine.archive.importer import CaptureReader, Overrides, Progress, read_capture
from engine.archive.pieced import with_pieced_snapshot
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.kernels.layout import Rows

if TYPE_CHECKING:
    import pyarrow

META = "meta.json"
_SLOW_CHANGING = ("kind", "side", "flags")

Source = str | Path | Sequence[str | Path]
"""A catalogue, a recording in it, a raw capture, or the raw parts of one recording."""


class Imported(NamedTuple):
    path: Path
    meta: rec.Meta


def load_rows(
    source: Source, *, keep_early: bool = True, rejoin: bool = True
) -> tuple[Instrument, Rows]:
    """The instrument and its `ROW` array, in the order of receipt.

    `source` is a catalogue that holds one recording, a recording in it, a raw capture or the
    parts of one. For `keep_early` and `rejoin` see `recording.to_rows`; a part without a snapshot
    gets one where the ticker vouches for the book, see `pieced`. Raises BadInput when there is
    nothing to read or it is damaged.
    """
    instrument, rows, _ = load_counted(source, keep_early=keep_early, rejoin=rejoin)
    return instrument, rows


def load_counted(
    source: Source, *, keep_early: bool = True, rejoin: bool = True
) -> tuple[Instrument, Rows, int]:
    """`load_rows`, and how many holes the venue's sequences have."""
    recording = with_pieced_snapshot(load_recording(source))
    rows = rec.to_rows(recording, keep_early=keep_early, rejoin=rejoin)
    return recording.meta.instrument, rows, recording.meta.counts.gaps


def load_recording(source: Source) -> rec.Recording:
    """Everything known about a recording, as it was received."""
    paths = [Path(source)] if isinstance(source, str | Path) else [Path(part) for part in source]
    if len(paths) == 1 and paths[0].is_dir():
        return _read_recording(recording_directory(paths[0]))
    return read_capture(paths)


def import_capture(
    paths: Sequence[Path],
    catalogue: Path,
    overrides: Overrides | None = None,
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Write a raw capture, or the parts of one, into `catalogue`.

    A recording of the same instrument is replaced only if the new one contains its files or
    `replace` is set; otherwise BadInput. Nothing is left behind when it fails.
    """
    reader = CaptureReader(paths, overrides or Overrides(), progress)
    target = catalogue / reader.instrument.instrument_id
    if not replace:
        _refuse_to_replace(target, reader.digests)
    with writing_directory(target) as draft:
        with contextlib.ExitStack() as stack:
            writers = {name: stack.enter_context(_writer(draft, name)) for name in rec.STREAMS}
            for chunk in reader.chunks():
                for name, columns in chunk.items():
                    writers[name].write_table(_table(name, columns))
        meta = reader.meta()
        text = msgspec.json.format(msgspec.json.encode(meta), indent=2)
        (draft / META).write_bytes(text + b"\n")
    return Imported(target, meta)


def list_recordings(catalogue: Path) -> list[Imported]:
    """Every recording in `catalogue`, by instrument id; empty when there is no such directory."""
    metas = sorted(catalogue.glob(f"*/{META}"))
    return [
        Imported(path.parent, read_meta(path.parent))
        for path in metas
        if not path.parent.name.startswith(".")
    ]


# -- reading ---------------------------------------------------------------------------------


def recording_directory(path: Path) -> Path:
    if (path / META).is_file():
        return path
    found = [entry.path.name for entry in list_recordings(path)]
    if len(found) == 1:
        return path / found[0]
    if found:
        words = f"holds several recordings: {', '.join(found)}; name one, such as {path / found[0]}"
        raise BadInput("data", str(path), words)
    raise BadInput("data", str(path), "holds no recording; make one with: pilothouse data import")


def read_meta(directory: Path) -> rec.Meta:
    path = directory / META
    try:
        meta = msgspec.json.decode(path.read_bytes(), type=rec.Meta)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise BadInput("meta.json", str(path), f"{error}; import the recording again") from None
    if meta.format > rec.FORMAT:
        raise BadInput("meta.json", f"format {meta.format}", "written by a newer version; upgrade")
    return meta


def _read_recording(directory: Path) -> rec.Recording:
    meta = read_meta(directory)
    columns = {name: _read_stream(directory, name, meta) for name in rec.STREAMS}
    return rec.Recording(meta, columns)


def _read_stream(directory: Path, name: str, meta: rec.Meta) -> rec.Columns:
    whole = max(1, meta.streams[name].rows)
    columns = list(rec.STREAMS[name])
    return rec.join_columns(name, list(read_batches(directory, name, meta, columns, whole)))


def read_batches(
    directory: Path,
    name: str,
    meta: rec.Meta,
    columns: Sequence[str],
    batch_rows: int,
    first: int = 0,
) -> Iterator[rec.Columns]:
    """The stream `name` from row `first` on, at most `batch_rows` rows at a time. BadInput when the
    file is damaged or is not the one that `meta` tells of."""
    import pyarrow as pa
    from pyarrow import parquet

    path = directory / f"{name}.parquet"
    try:
        # Not `read_table`, nor `to_numpy` below: both would load pandas.
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            rows, expected = file.metadata.num_rows, meta.streams[name].rows
            if rows != expected or not file.schema_arrow.equals(_schema(name)):
                words = f"holds {rows} rows, meta.json says {expected}; import the recording again"
                raise BadInput("data", str(path), words)
            groups, skipped = _groups_from(file.metadata, first)
            for batch in file.iter_batches(batch_rows, groups, columns=list(columns)):
                if skipped >= len(batch):
                    skipped -= len(batch)
                    continue
                batch, skipped = batch[skipped:], 0
                yield {one: _values(batch.column(one), rec.STREAMS[name][one]) for one in columns}
    except (OSError, pa.ArrowException) as error:
        raise BadInput("data", str(path), f"{error}; import the recording again") from None


def _groups_from(metadata: Any, first: int) -> tuple[list[int], int]:
    """The row groups of a Parquet file that hold row `first` and later ones, and how many rows of
    the first of them lie before it."""
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    group = 0
    while group < len(sizes) and first >= sizes[group]:
        first -= sizes[group]
        group += 1
    return list(range(group, len(sizes))), first


def _values(array: pyarrow.Array, dtype: type[np.integer[Any]]) -> rec.Column:
    start = array.offset * np.dtype(dtype).itemsize
    return np.frombuffer(array.buffers()[1], dtype, len(array), start)


# -- writing ---------------------------------------------------------------------------------


def _schema(stream: str) -> pyarrow.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(name, pa.from_numpy_dtype(dtype), nullable=False)
            for name, dtype in rec.STREAMS[stream].items()
        ]
    )


def write_stream(directory: Path, stream: str, pieces: Iterable[rec.Columns]) -> None:
    """One stream as its Parquet file, from equally typed pieces."""
    with _writer(directory, stream) as writer:
        for columns in pieces:
            writer.write_table(_table(stream, columns))


@contextlib.contextmanager
def _writer(directory: Path, stream: str) -> Iterator[Any]:
    """Parquet writer of one stream: ascending numbers as differences, repeating ones by lookup."""
    from pyarrow import parquet

    columns = list(rec.STREAMS[stream])
    with parquet.ParquetWriter(
        directory / f"{stream}.parquet",
        _schema(stream),
        compression="zstd",
        use_dictionary=[name for name in columns if name in _SLOW_CHANGING],
        column_encoding={
            name: "DELTA_BINARY_PACKED" for name in columns if name not in _SLOW_CHANGING
        },
        write_statistics=False,
        write_page_checksum=True,
    ) as writer:
        yield writer


def _table(stream: str, columns: rec.Columns) -> pyarrow.Table:
    import pyarrow as pa

    # Straight from the buffers: `pa.array` would load pandas only to ask whether it is one.
    arrays = [
        pa.Array.from_buffers(field.type, len(values), [None, pa.py_buffer(values)])
        for field, values in zip(_schema(stream), columns.values(), strict=True)
    ]
    return pa.table(arrays, schema=_schema(stream))


def _refuse_to_replace(target: Path, digests: Sequence[str]) -> None:
    if not target.exists():
        return
    try:
        held = {source.sha256 for source in read_meta(target).sources}
    except BadInput:
        held = {"unreadable"}
    if not held <= set(digests):
        raise BadInput(
            "out",
            str(target),
            "already holds another recording; choose another --out, or --replace it",
        )
