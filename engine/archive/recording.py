"""A recording in memory: columns per stream, what is known about it, and its way to market rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from engine.domain.instrument import Instrument
from engine.kernels.layout import ROW, ROW_TRADE, Rows

FORMAT = 1
"""Of the catalogue; readers refuse a newer one."""

Column = npt.NDArray[np.integer[Any]]
Columns = dict[str, Column]
"""One stream: equally long arrays by column name."""

STREAMS: dict[str, dict[str, type[np.integer[Any]]]] = {
    "depth": {
        "message": np.int64,
        "ts_exch_ns": np.int64,
        "ts_local_ns": np.int64,
        "seq": np.int64,
        "price_ticks": np.int64,
        "qty_lots": np.int64,
        "kind": np.uint8,
        "side": np.int8,
        "flags": np.uint8,
    },
    "trades": {
        "message": np.int64,
        "ts_exch_ns": np.int64,
        "ts_local_ns": np.int64,
        "seq": np.int64,
        "price_ticks": np.int64,
        "qty_lots": np.int64,
        "side": np.int8,
        "flags": np.uint8,
    },
    "ticker": {
        "message": np.int64,
        "ts_exch_ns": np.int64,
        "ts_local_ns": np.int64,
        "seq": np.int64,
        "bid_ticks": np.int64,
        "bid_lots": np.int64,
        "ask_ticks": np.int64,
        "ask_lots": np.int64,
    },
}
"""Streams and their columns. `message` counts received messages over all streams, so that the
streams merge back into the exact order of receipt; `seq` is the venue's update or trade id;
`ts_exch_ns` is 0 in a ticker without a time; one message may have many rows."""

EARLY = 1
"""Received before the first snapshot."""
STALE = 2
"""Older than the snapshot it was received after: applying it would leave dead levels."""
REPEATED = 4
"""This update or trade had been received before."""
GAP = 8
"""First row after a hole in the venue's sequence."""
AGAIN = 16
"""Copy of a diff that is newer than the snapshot received after it, to be applied on top of it."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a recording was made from."""

    name: str
    sha256: str
    lines: int


class StreamFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Times are the receiver's; 0 when the stream is empty."""

    rows: int = 0
    messages: int = 0
    start_ns: int = 0
    end_ns: int = 0


class Counts(msgspec.Struct, kw_only=True):
    """What the import met; each counts messages, `off_lot` levels."""

    snapshots: int = 0
    early: int = 0
    stale: int = 0
    repeated: int = 0
    gaps: int = 0
    again: int = 0
    off_lot: int = 0
    """Sizes between two lots, rounded to the nearest one."""
    off_book: int = 0
    """Trades that did not happen in the order book (insurance fund, deleveraging), left out."""


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """`meta.json` beside the streams."""

    format: int = FORMAT
    instrument: Instrument
    sources: list[Source]
    streams: dict[str, StreamFacts]
    counts: Counts
    notices: list[str]


class Recording(NamedTuple):
    meta: Meta
    streams: dict[str, Columns]


def empty_columns(stream: str) -> Columns:
    return {name: np.empty(0, dtype) for name, dtype in STREAMS[stream].items()}


def join_columns(stream: str, chunks: list[Columns]) -> Columns:
    if not chunks:
        return empty_columns(stream)
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in STREAMS[stream]}


def to_rows(recording: Recording, *, keep_early: bool = True, rejoin: bool = True) -> Rows:
    """`ROW` array of depth and trades in the order of receipt.

    `keep_early`: also the diffs received before the first snapshot. `rejoin`: apply diffs that
    are newer than the snapshot received after them on top of it, as a correct book needs; without
    it the rows are exactly as received. Stale diffs and repeats never come through. A local
    clock that was stepped back stands still here until it has caught up.
    """
    depth, trades = recording.streams["depth"], recording.streams["trades"]
    unwanted = STALE | REPEATED
    unwanted |= 0 if keep_early else EARLY
    unwanted |= 0 if rejoin else AGAIN
    kept = [np.flatnonzero(stream["flags"] & unwanted == 0) for stream in (depth, trades)]
    trade_kinds = np.full(len(trades["seq"]), ROW_TRADE, np.uint8)

    def joined(depth_column: Column, trade_column: Column) -> Column:
        return np.concatenate([depth_column[kept[0]], trade_column[kept[1]]])

    order = np.argsort(joined(depth["message"], trades["message"]), kind="stable")
    rows: Rows = np.zeros(len(order), ROW)
    rows["kind"] = joined(depth["kind"], trade_kinds)[order]
    for name in ("ts_exch_ns", "ts_local_ns", "price_ticks", "qty_lots", "side"):
        rows[name] = joined(depth[name], trades[name])[order]
    np.maximum.accumulate(rows["ts_local_ns"], out=rows["ts_local_ns"])
    return rows
