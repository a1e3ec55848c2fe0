"""An order book in plain Python, on purpose not the kernels': what checks them must not share
their mistakes."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator

import numpy as np

from engine.archive.recording import Column, Columns
from engine.kernels.layout import BUY, ROW_CLEAR, ROW_DEPTH

Touch = tuple[int, int, int, int]
"""Best bid in ticks and lots, best ask in ticks and lots; 0 where a side is empty."""


class Book:
    """Two sides of price -> lots whose best prices come off heaps; wrong entries are skipped."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self._best_bids: list[int] = []
        self._best_asks: list[int] = []

    def put(self, side: int, ticks: int, lots: int) -> None:
        if side == BUY:
            levels, heap, key = self.bids, self._best_bids, -ticks
        else:
            levels, heap, key = self.asks, self._best_asks, ticks
        if lots == 0:
            levels.pop(ticks, None)
            return
        if ticks not in levels:
            heapq.heappush(heap, key)
        levels[ticks] = lots

    def touch(self) -> Touch:
        bids, asks = self._best_bids, self._best_asks
        while bids and -bids[0] not in self.bids:
            heapq.heappop(bids)
        while asks and asks[0] not in self.asks:
            heapq.heappop(asks)
        bid = -bids[0] if bids else 0
        ask = asks[0] if asks else 0
        return bid, self.bids.get(bid, 0), ask, self.asks.get(ask, 0)


class Tickers:
    """A ticker stream, to be asked what the touch was at an update id."""

    def __init__(self, ticker: Columns) -> None:
        order = np.argsort(ticker["seq"], kind="stable")
        names = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
        self._ids: list[int] = ticker["seq"][order].tolist()
        self._touches: list[Touch] = list(
            zip(*(ticker[name][order].tolist() for name in names), strict=True)
        )

    def at(self, update_id: int) -> Touch | None:
        """Of the ticker with the newest id up to `update_id`, wherever it was received."""
        index = bisect_right(self._ids, update_id)
        return self._touches[index - 1] if index else None


def message_bounds(message: Column, seq: Column) -> Column:
    """Row indices at which messages begin, and the end. One receipt may hold several diffs
    (those applied again after a snapshot), which differ by their update id."""
    changes = np.flatnonzero((np.diff(message) != 0) | (np.diff(seq) != 0)) + 1
    return np.concatenate([[0], changes, [len(message)]]) if len(message) else np.zeros(1, int)


def books_after_diffs(depth: Columns, keep: Column) -> Iterator[tuple[int, Book, int]]:
    """Apply the rows `keep` of a depth stream; after each diff yields its update id, the book
    and the index of the diff's last row. A snapshot replaces the whole book."""
    names = ("message", "seq", "kind", "side", "price_ticks", "qty_lots")
    message, seq, kind, side, ticks, lots = (depth[name][keep] for name in names)
    bounds = message_bounds(message, seq)
    seqs, kinds = seq[bounds[:-1]].tolist(), kind[bounds[:-1]].tolist()
    ends = bounds.tolist()
    levels = list(zip(side.tolist(), ticks.tolist(), lots.tolist(), strict=True))
    book = Book()
    for index, (update_id, first_kind) in enumerate(zip(seqs, kinds, strict=True)):
        start, end = ends[index], ends[index + 1]
        if first_kind == ROW_CLEAR:
            book = Book()
            start += 2
        for level in levels[start:end]:
            book.put(*level)
        if first_kind == ROW_DEPTH:
            yield update_id, book, int(keep[end - 1])
