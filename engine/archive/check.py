"""Judges a recording: rebuilds the book in plain Python, apart from the kernels, and compares."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from engine.archive import recording as rec
from engine.archive.recording import Column, Columns, Recording
from engine.kernels.layout import BUY, ROW_CLEAR, ROW_DEPTH

TICKER_TOLERANCE = 0.001
"""Share of diffs after which the ticker may tell another touch before it counts as a defect."""

Touch = tuple[int, int, int, int]
"""Best bid in ticks and lots, best ask in ticks and lots; 0 where a side is empty."""


class StreamReport(msgspec.Struct, kw_only=True):
    """Defects count messages, not rows. Times are the receiver's, 0 when there is none."""

    rows: int = 0
    messages: int = 0
    gaps: int = 0
    crossed: int = 0
    """Best bid at or above best ask, after a whole message."""
    one_sided: int = 0
    """A side was empty after a whole message."""
    backward: int = 0
    """The venue's or the receiver's time was before that of the message before."""
    repeated: int = 0
    start_ns: int = 0
    end_ns: int = 0


class TickerMatch(msgspec.Struct, kw_only=True):
    """Rebuilt best bid and ask against the recorded ticker, price and size, after every diff."""

    checked: int = 0
    equal: int = 0
    different: int = 0


class Report(msgspec.Struct, kw_only=True):
    """What `data check` prints; its field names are a contract with scripts."""

    instrument_id: str
    streams: dict[str, StreamReport]
    ticker_match: TickerMatch
    snapshots: int
    early: int
    stale: int
    off_lot: int
    defects: list[str]
    """One line each, empty when the recording is clean."""
    notices: list[str]


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


class _Touches(NamedTuple):
    """The touch after each diff that counts, and that diff's update id."""

    seq: list[int]
    touch: list[Touch]


def check_recording(recording: Recording) -> Report:
    """Go over all streams of `recording`."""
    meta, streams = recording
    touches = _rebuild(streams["depth"])
    report = Report(
        instrument_id=meta.instrument.instrument_id,
        streams={
            "depth": _depth_report(streams["depth"], touches),
            "trades": _stream_report(streams["trades"]),
            "ticker": _ticker_report(streams["ticker"]),
        },
        ticker_match=_match(touches, streams["ticker"]),
        snapshots=meta.counts.snapshots,
        early=meta.counts.early,
        stale=meta.counts.stale,
        off_lot=meta.counts.off_lot,
        defects=[],
        notices=list(meta.notices),
    )
    report.defects.extend(_defects(report))
    _judge_match(report)
    return report


def _rebuild(depth: Columns) -> _Touches:
    """Apply everything after the first snapshot, the way a careful client would."""
    wanted = depth["flags"] & (rec.STALE | rec.REPEATED | rec.EARLY) == 0
    first = _first_row(depth["kind"], ROW_CLEAR)
    keep = np.flatnonzero(wanted)
    keep = keep[keep >= first]
    names = ("message", "seq", "kind", "side", "price_ticks", "qty_lots")
    columns = [depth[name][keep] for name in names]
    bounds = _message_bounds(columns[0], columns[1])
    kinds = columns[2][bounds[:-1]].tolist()
    seqs = columns[1][bounds[:-1]].tolist()
    levels = list(zip(*(column.tolist() for column in columns[3:]), strict=True))
    book = Book()
    rebuilt = _Touches([], [])
    for index, (kind, seq) in enumerate(zip(kinds, seqs, strict=True)):
        start, end = bounds[index], bounds[index + 1]
        if kind == ROW_CLEAR:
            book = Book()
            start += 2
        for side, ticks, lots in levels[start:end]:
            book.put(side, ticks, lots)
        if kind == ROW_DEPTH:
            rebuilt.seq.append(seq)
            rebuilt.touch.append(book.touch())
    return rebuilt


def _first_row(kinds: Column, kind: int) -> int:
    """Index of the first row of `kind`; the number of rows when there is none."""
    found = np.flatnonzero(kinds == kind)
    return int(found[0]) if len(found) else len(kinds)


def _message_bounds(message: Column, seq: Column) -> Column:
    """Row indices at which messages begin, and the end. One receipt may hold several diffs
    (those applied again after a snapshot), which differ by their update id."""
    changes = np.flatnonzero((np.diff(message) != 0) | (np.diff(seq) != 0)) + 1
    return np.concatenate([[0], changes, [len(message)]]) if len(message) else np.zeros(1, int)


def _depth_report(depth: Columns, touches: _Touches) -> StreamReport:
    report = _stream_report(depth)
    for bid, _, ask, _ in touches.touch:
        if not bid or not ask:
            report.one_sided += 1
        elif bid >= ask:
            report.crossed += 1
    return report


def _stream_report(columns: Columns) -> StreamReport:
    """Facts that depth and trades share: sequence flags and times, one entry per message."""
    report = StreamReport(rows=len(columns["seq"]))
    if not report.rows:
        return report
    starts = _message_bounds(columns["message"], columns["seq"])[:-1]
    flags = columns["flags"][starts]
    report.messages = len(starts)
    report.gaps = int(np.count_nonzero(flags & rec.GAP))
    report.repeated = int(np.count_nonzero(flags & rec.REPEATED))
    # A snapshot was asked for over another road; its times do not fit in between.
    streamed = flags & rec.AGAIN == 0
    if "kind" in columns:
        streamed &= columns["kind"][starts] != ROW_CLEAR
    report.backward = _backward(columns, starts[streamed])
    report.start_ns = int(columns["ts_local_ns"][0])
    report.end_ns = int(columns["ts_local_ns"][-1])
    return report


def _backward(columns: Columns, rows: Column) -> int:
    """Messages whose venue or local time is before that of the one before."""
    exch, local = columns["ts_exch_ns"][rows], columns["ts_local_ns"][rows]
    return int(np.count_nonzero((np.diff(exch) < 0) | (np.diff(local) < 0)))


def _ticker_report(ticker: Columns) -> StreamReport:
    report = StreamReport(rows=len(ticker["seq"]), messages=len(ticker["seq"]))
    if not report.rows:
        return report
    has_bid, has_ask = ticker["bid_lots"] > 0, ticker["ask_lots"] > 0
    crossed = has_bid & has_ask & (ticker["bid_ticks"] >= ticker["ask_ticks"])
    steps = np.diff(ticker["seq"])
    report.crossed = int(np.count_nonzero(crossed))
    report.one_sided = int(np.count_nonzero(~(has_bid & has_ask)))
    report.repeated = int(np.count_nonzero(steps == 0))
    times_back = np.diff(ticker["ts_exch_ns"]) < 0
    times_back |= np.diff(ticker["ts_local_ns"]) < 0
    report.backward = int(np.count_nonzero(times_back | (steps < 0)))
    report.start_ns = int(ticker["ts_local_ns"][0])
    report.end_ns = int(ticker["ts_local_ns"][-1])
    return report


def _match(touches: _Touches, ticker: Columns) -> TickerMatch:
    """Each diff's touch against the ticker with the newest update id that the diff covers,
    wherever in the recording that ticker was received."""
    match = TickerMatch()
    order = np.argsort(ticker["seq"], kind="stable")
    ids = ticker["seq"][order]
    names = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    tickers = list(zip(*(ticker[name][order].tolist() for name in names), strict=True))
    covered = np.searchsorted(ids, np.array(touches.seq, np.int64), side="right") - 1
    for index, touch in zip(covered.tolist(), touches.touch, strict=True):
        if index >= 0:
            match.checked += 1
            match.equal += tickers[index] == touch
    match.different = match.checked - match.equal
    return match


def _defects(report: Report) -> Iterator[str]:
    for name, stream in report.streams.items():
        for field, words in _DEFECTS.items():
            count = getattr(stream, field)
            if count:
                yield f"{name}: {words.format(count)}"
    if not report.snapshots:
        yield "depth: no order book snapshot, the book is never complete"


_DEFECTS = {
    "gaps": "{} gaps in the venue's sequence",
    "crossed": "crossed after {} messages",
    "one_sided": "a side is empty after {} messages",
    "backward": "time goes back {} times",
    "repeated": "{} repeated messages",
}


def _judge_match(report: Report) -> None:
    """A few differences are the ticker's own: it skips moments that the diffs tell."""
    match = report.ticker_match
    if match.different:
        line = f"book and ticker differ after {match.different} of {match.checked} diffs"
        few = match.different <= match.checked * TICKER_TOLERANCE
        (report.notices if few else report.defects).append(line)
