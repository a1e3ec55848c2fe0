"""Judges a recording: rebuilds the book in plain Python, apart from the kernels, and compares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from engine.archive import recording as rec
from engine.archive.plain_book import Tickers, Touch, books_after_diffs, message_bounds
from engine.archive.recording import Column, Columns, Recording
from engine.kernels.layout import ROW_CLEAR

TICKER_TOLERANCE = 0.001
"""Share of diffs after which the ticker may tell another touch before it counts as a defect."""


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
    wanted[: _first_row(depth["kind"], ROW_CLEAR)] = False
    rebuilt = _Touches([], [])
    for seq, book, _ in books_after_diffs(depth, np.flatnonzero(wanted)):
        rebuilt.seq.append(seq)
        rebuilt.touch.append(book.touch())
    return rebuilt


def _first_row(kinds: Column, kind: int) -> int:
    """Index of the first row of `kind`; the number of rows when there is none."""
    found = np.flatnonzero(kinds == kind)
    return int(found[0]) if len(found) else len(kinds)


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
    starts = message_bounds(columns["message"], columns["seq"])[:-1]
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
    tickers = Tickers(ticker)
    for seq, touch in zip(*touches, strict=True):
        told = tickers.at(seq)
        if told is not None:
            match.checked += 1
            match.equal += told == touch
    match.different = match.checked - match.equal
    return match


def _defects(report: Report) -> Iterator[str]:
    for name, stream in report.streams.items():
        for field, words in _DEFECTS.items():
            count = getattr(stream, field)
            if count:
                yield f"{name}: {words.format(count)}"
    if not report.snapshots:
        yield "depth: no order book snapshot"


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
