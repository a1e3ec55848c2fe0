"""A recording as a file of rows that any number of processes read without a copy of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.kernels.layout import Int64s, Rows
from engine.sim.replay_feed import with_feed_latency

BLOCK_ROWS = 1 << 16


def write_rows(path: Path, rows: Rows) -> list[int]:
    """Write `rows` on one clock, as a replay wants them, and return where blocks may begin."""
    ready = with_feed_latency(rows, 0)
    np.save(path, ready)
    return block_starts(ready, BLOCK_ROWS)


def block_starts(rows: Rows, block_rows: int) -> list[int]:
    """Indices, `block_rows` or more apart, where on both clocks all before is earlier than all
    after; the first is 0."""
    may_begin = _is_later(rows["ts_exch_ns"]) & _is_later(rows["ts_local_ns"])
    starts = [0]
    for index in np.flatnonzero(may_begin).tolist():
        if index - starts[-1] >= block_rows:
            starts.append(index)
    return starts


def _is_later(times: Int64s) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """bool[n]: whether all from here on comes after all before; the first never does."""
    before = np.maximum.accumulate(times)
    after = np.minimum.accumulate(times[::-1])[::-1]
    return np.concatenate([[False], before[:-1] < after[1:]])


class FileRows:
    """A `RowSource` over a file of `write_rows`, mapped, not read: processes share its pages."""

    def __init__(self, path: Path, starts: Sequence[int]) -> None:
        self._rows: Rows = np.load(path, mmap_mode="r")
        self._bounds = [*starts, len(self._rows)]
        self._next = 0

    def next_block(self) -> Rows | None:
        if self._next + 1 >= len(self._bounds):
            return None
        block = np.array(self._rows[self._bounds[self._next] : self._bounds[self._next + 1]])
        self._next += 1
        return block
