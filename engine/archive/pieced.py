"""A start for recordings without a snapshot: parts that were cut off from their beginning.

Diffs alone tell each level that has changed and nothing about the others. Once the touch built
from them has agreed with the recorded ticker for a while, the book near the touch is known; what
is known is put in as a snapshot there, so that replays have a moment from which they may trade.
"""

from __future__ import annotations

import numpy as np

from engine.archive import recording as rec
from engine.archive.plain_book import Book, Tickers, books_after_diffs
from engine.archive.recording import Columns, Recording
from engine.kernels.layout import BUY, ROW_CLEAR, ROW_SNAPSHOT, SELL

AGREEMENTS = 50
"""Diffs in a row after which the touch must have equalled the ticker."""


def with_pieced_snapshot(recording: Recording) -> Recording:
    """`recording` with a snapshot of what is known as soon as enough is; itself where there is
    one already, or where the ticker never agrees."""
    if recording.meta.counts.snapshots:
        return recording
    depth = recording.streams["depth"]
    found = _first_agreement(depth, Tickers(recording.streams["ticker"]))
    if found is None:
        return recording
    book, last_row = found
    pieced = _snapshot_rows(book, depth, last_row)
    cut = last_row + 1
    joined = {
        name: np.concatenate([column[:cut], pieced[name], column[cut:]])
        for name, column in depth.items()
    }
    joined["flags"][cut:] &= ~np.uint8(rec.EARLY)
    return Recording(recording.meta, {**recording.streams, "depth": joined})


def _first_agreement(depth: Columns, tickers: Tickers) -> tuple[Book, int] | None:
    """The book, and the last row of its newest diff, once AGREEMENTS diffs in a row agreed."""
    keep = np.flatnonzero(depth["flags"] & (rec.STALE | rec.REPEATED) == 0)
    agreed = 0
    for update_id, book, last_row in books_after_diffs(depth, keep):
        agreed = agreed + 1 if tickers.at(update_id) == book.touch() else 0
        if agreed == AGREEMENTS:
            return book, last_row
    return None


def _snapshot_rows(book: Book, depth: Columns, last_row: int) -> Columns:
    """ROW_CLEARs and ROW_SNAPSHOTs of `book`, received together with row `last_row`."""
    bids = sorted(book.bids.items(), reverse=True)
    asks = sorted(book.asks.items())
    rows = [
        (bids[-1][0], 0, ROW_CLEAR, BUY),
        (asks[-1][0], 0, ROW_CLEAR, SELL),
        *((ticks, lots, ROW_SNAPSHOT, BUY) for ticks, lots in bids),
        *((ticks, lots, ROW_SNAPSHOT, SELL) for ticks, lots in asks),
    ]
    names = ("price_ticks", "qty_lots", "kind", "side")
    columns = {
        name: np.full(len(rows), depth[name][last_row], dtype)
        for name, dtype in rec.STREAMS["depth"].items()
    }
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        columns[name] = np.array(values, rec.STREAMS["depth"][name])
    columns["flags"][:] = 0
    return columns
