"""A recording in the catalogue as a source of market rows, block by block.

A replay of a year needs no more memory than one of a minute. The rows are, bit for bit, those of
`catalogue.load_rows` with the clocks put together as `engine.sim.replay_feed` does.

Two passes. The first reads only the clocks: how far the recorder's was behind, where the
recording can be cut, and where in the files one may begin to read. The second hands out the rows
between the cuts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.archive import recording as rec
from engine.archive.catalogue import read_batches, read_meta, recording_directory
from engine.archive.recording import STREAMS, Columns, Meta
from engine.domain.instrument import Instrument
from engine.kernels.layout import ROW, ROW_TRADE, Rows

BATCH_ROWS = 1 << 16
"""Rows of a stream that are decoded at a time."""
BLOCK_ROWS = 1 << 17
"""A block is cut at the first chance after this many rows."""
_ROW_NAMES = tuple(ROW.names or ())
_UNWANTED = rec.STALE | rec.REPEATED
_LAST_MESSAGE = np.iinfo(np.int64).max


class Mark(NamedTuple):
    """A place from which the recording can be read without what lies before it."""

    rows: int
    """Rows of the recording before it."""
    file_rows: tuple[int, ...]
    """Rows of each stream's file before it."""
    newest_ns: int
    """The newest local time before it."""


class Clocks(NamedTuple):
    """What the first pass finds."""

    behind_ns: int
    """To be added to local times, so that the fastest message took 0 ns; never negative."""
    cuts: list[int]
    """Row numbers before which the recording can be cut: no later row is older on either clock."""
    rows: int
    end_ns: int
    """Shifted local time of the last row; 0 without rows."""
    marks: list[Mark]
    """Ascending, the first at the beginning."""


class StreamedRows:
    """Implements `ports.rows.RowSource` for one recording. BadInput when a file is damaged."""

    def __init__(self, directory: Path, meta: Meta, block_rows: int = BLOCK_ROWS) -> None:
        self.instrument: Instrument = meta.instrument
        self.gaps = meta.counts.gaps
        """Holes in the venue's sequences."""
        self.clocks = find_clocks(directory, meta, block_rows)
        self._directory = directory
        self._meta = meta
        self._cuts = [*self.clocks.cuts, self.clocks.rows]
        self._given = 0
        self._begin(self.clocks.marks[0])

    def _begin(self, mark: Mark) -> None:
        """Read on from `mark`."""
        self._pieces = iter(_Merged(self._directory, self._meta, _ROW_NAMES, mark.file_rows))
        self._newest_ns = mark.newest_ns
        first = next(self._pieces, None)
        self._held = np.zeros(0, ROW) if first is None else self._rows_of(first)
        """Rows that are read but lie beyond the last cut handed out."""

    def __getstate__(self) -> dict[str, Any]:
        """Without the open files and what was read from them: `reread` reads it again."""
        state = self.__dict__.copy()
        del state["_pieces"], state["_held"], state["_newest_ns"]
        return state

    @property
    def first_ticks(self) -> int:
        """Price of the first row, 0 if there is none. Only before the first block is taken."""
        return int(self._held["price_ticks"][0]) if len(self._held) else 0

    def next_block(self) -> Rows | None:
        """Rows up to the next cut; None at the end. The array is the caller's."""
        at = bisect_right(self._cuts, self._given)
        if at == len(self._cuts):
            return None
        block = self._read(self._cuts[at] - self._given)
        self._given = self._cuts[at]
        return block

    def reread(self, first: int) -> Rows:
        """The rows from number `first` up to the last one handed out, read once more."""
        marks = self.clocks.marks
        mark = marks[bisect_right(marks, first, key=lambda one: one.rows) - 1]
        self._begin(mark)
        return self._read(self._given - mark.rows)[first - mark.rows :]

    def _read(self, wanted: int) -> Rows:
        """The next rows of the files."""
        parts, have = [self._held], len(self._held)
        while have < wanted:
            part = self._rows_of(next(self._pieces))
            parts.append(part)
            have += len(part)
        joined: Rows = np.concatenate(parts)
        self._held = joined[wanted:].copy()
        return joined[:wanted].copy()

    def _rows_of(self, columns: Columns) -> Rows:
        rows: Rows = np.zeros(len(columns["kind"]), ROW)
        for name in _ROW_NAMES:
            rows[name] = columns[name]
        local_ns, self._newest_ns = _standing_still(columns["ts_local_ns"], self._newest_ns)
        rows["ts_local_ns"] = local_ns + self.clocks.behind_ns
        return rows


def stream_rows(source: Path, block_rows: int = BLOCK_ROWS) -> StreamedRows | None:
    """The recording at `source`: a catalogue that holds one, or a recording in it. None for one
    without a snapshot: its book must be pieced together from the whole (`archive.pieced`)."""
    directory = recording_directory(source)
    meta = read_meta(directory)
    return StreamedRows(directory, meta, block_rows) if meta.counts.snapshots else None


# -- clocks ----------------------------------------------------------------------------------------


def find_clocks(directory: Path, meta: Meta, block_rows: int = BLOCK_ROWS) -> Clocks:
    """One pass over the times of a recording."""
    cuts, marks = _Cuts(block_rows), []
    fastest_ns = newest_ns = rows = 0
    merged = _Merged(directory, meta, ("ts_exch_ns", "ts_local_ns"))
    marks.append(Mark(0, merged.file_rows, 0))
    for columns in merged:
        local_ns, newest_ns = _standing_still(columns["ts_local_ns"], newest_ns)
        exch_ns = columns["ts_exch_ns"]
        fastest_ns = min(fastest_ns, int((local_ns - exch_ns).min()))
        cuts.add(exch_ns, rows)
        rows += len(exch_ns)
        marks.append(Mark(rows, merged.file_rows, newest_ns))
    behind_ns = -fastest_ns
    end_ns = newest_ns + behind_ns if rows else 0
    return Clocks(behind_ns, cuts.spaced(), rows, end_ns, marks)


class _Cuts:
    """Row numbers i > 0 with max(venue times before i) <= min(venue times from i on).

    One candidate is kept per window of rows, the first: what is older than it spoils the others of
    its window as well.
    """

    def __init__(self, spacing: int) -> None:
        self._spacing = spacing
        self._window = max(1, spacing // 4)
        self._at = np.zeros(0, np.int64)
        self._before_ns = np.zeros(0, np.int64)
        """The newest venue time before each candidate; ascending."""
        self._newest_ns = 0

    def add(self, exch_ns: rec.Column, first: int) -> None:
        """The venue times of the next rows, numbered from `first` on."""
        newest_ns = np.maximum.accumulate(np.concatenate([[self._newest_ns], exch_ns]))
        oldest_after_ns = np.minimum.accumulate(exch_ns[::-1])[::-1]
        found = np.flatnonzero(newest_ns[:-1] <= oldest_after_ns)
        still = np.searchsorted(self._before_ns, oldest_after_ns[0], side="right")
        at = np.concatenate([self._at[:still], found + first])
        before_ns = np.concatenate([self._before_ns[:still], newest_ns[found]])
        kept = np.unique(at // self._window, return_index=True)[1]
        self._at, self._before_ns = at[kept], before_ns[kept]
        self._newest_ns = int(newest_ns[-1])

    def spaced(self) -> list[int]:
        """Those that are far enough apart, ascending."""
        cuts, last = [], 0
        for at in self._at.tolist():
            if at - last >= self._spacing:
                cuts.append(at)
                last = at
        return cuts


# -- columns ---------------------------------------------------------------------------------------


def _standing_still(local_ns: rec.Column, newest_ns: int) -> tuple[rec.Column, int]:
    """A local clock that was stepped back stands still until it has caught up."""
    monotone = np.maximum.accumulate(np.maximum(local_ns, newest_ns))
    return monotone, int(monotone[-1])


class _Merged:
    """The wanted columns of depth and trades, in the order of receipt; no piece is empty."""

    def __init__(
        self, directory: Path, meta: Meta, wanted: tuple[str, ...], file_rows: tuple[int, ...] = ()
    ) -> None:
        """`file_rows`: where in the files to begin, as told by another one between two pieces."""
        names = ("depth", "trades")
        self._wanted = wanted
        self._streams = [
            _Stream(directory, name, meta, wanted, first)
            for name, first in zip(names, file_rows or (0, 0), strict=True)
        ]

    @property
    def file_rows(self) -> tuple[int, ...]:
        """Where in each file the next piece begins."""
        return tuple(stream.file_row for stream in self._streams)

    def __iter__(self) -> Iterator[Columns]:
        streams = self._streams
        while True:
            for stream in streams:
                stream.fill()
            if not any(stream.has_rows for stream in streams):
                return
            # Of the newest message in hand there may be more to come.
            safe = min(stream.newest_message for stream in streams)
            parts = [stream.take(safe) for stream in streams]
            messages = np.concatenate([part["message"] for part in parts])
            if not len(messages):
                min(streams, key=lambda stream: stream.newest_message).read()
                continue
            order = np.argsort(messages, kind="stable")
            yield {
                name: np.concatenate([part[name] for part in parts])[order] for name in self._wanted
            }


class _Stream:
    """One Parquet file, read a batch at a time, without the rows that never come through."""

    def __init__(
        self, directory: Path, name: str, meta: Meta, wanted: tuple[str, ...], first: int
    ) -> None:
        """`first`: rows of the file that are left out."""
        names = [one for one in STREAMS[name] if one in wanted or one in ("message", "flags")]
        self._batches = read_batches(directory, name, meta, names, BATCH_ROWS, first)
        self._read_rows = first
        self._file_rows = np.zeros(0, np.int64)
        """Where in the file each row in hand was."""
        self._is_trades = name == "trades"
        self._held: Columns = {one: np.zeros(0, STREAMS[name][one]) for one in names}
        self._has_ended = False

    @property
    def newest_message(self) -> int:
        """All that is smaller has been read."""
        if self._has_ended:
            return _LAST_MESSAGE
        return int(self._held["message"][-1])

    @property
    def has_rows(self) -> bool:
        return len(self._held["message"]) > 0

    @property
    def file_row(self) -> int:
        """Where in the file the next row is that has not been taken."""
        return int(self._file_rows[0]) if self.has_rows else self._read_rows

    def fill(self) -> None:
        """Have something in hand, unless all has been taken."""
        while not self._has_ended and not self.has_rows:
            self.read()

    def read(self) -> None:
        """Take one more batch in hand."""
        batch = next(self._batches, None)
        if batch is None:
            self._has_ended = True
            return
        kept = batch["flags"] & _UNWANTED == 0
        self._file_rows = np.concatenate([self._file_rows, np.flatnonzero(kept) + self._read_rows])
        self._read_rows += len(kept)
        self._held = {
            name: np.concatenate([column, batch[name][kept]]) for name, column in self._held.items()
        }

    def take(self, below: int) -> Columns:
        """The rows in hand of messages smaller than `below`."""
        count = int(np.searchsorted(self._held["message"], below))
        taken = {name: column[:count] for name, column in self._held.items()}
        self._held = {name: column[count:] for name, column in self._held.items()}
        self._file_rows = self._file_rows[count:]
        if self._is_trades:
            taken["kind"] = np.full(count, ROW_TRADE, np.uint8)
        return taken
