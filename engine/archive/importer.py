"""Raw Binance captures to columns: parts joined, sequences followed, text turned into integers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.archive import recording as rec
from engine.archive.capture_line import decode_line
from engine.archive.columns import Chunk, ColumnWriter
from engine.archive.files import line_blocks, sha256_of
from engine.archive.instruments import known_instruments, unlisted_instrument
from engine.archive.sequence import BookSequence
from engine.domain.errors import BadInput, shorten
from engine.domain.instrument import Instrument
from engine.domain.money import plain
from engine.wire.binance import (
    NS_PER_MS,
    BookSnapshot,
    BookTicker,
    DepthDiff,
    Market,
    Message,
    Trade,
)
from engine.wire.decimals import common_step

PROGRESS_LINES = 4096
_SYMBOL = re.compile(r"[A-Z0-9_]{1,40}")

Progress = Callable[[int], object]
"""Told the number of lines read so far, now and then."""


class Overrides(NamedTuple):
    """What the user knows better than table and data."""

    tick: Decimal | None = None
    lot: Decimal | None = None
    symbol: str = ""
    """`BASE/QUOTE` of a symbol that cannot be split by itself."""


class _Part(NamedTuple):
    path: Path
    first_ns: int
    market: Market
    symbol: str


def read_capture(
    paths: Sequence[Path],
    overrides: Overrides | None = None,
    progress: Progress | None = None,
) -> rec.Recording:
    """The whole recording in memory. Raises BadInput, see `CaptureReader`."""
    reader = CaptureReader(paths, overrides or Overrides(), progress)
    chunks = list(reader.chunks())
    streams = {
        name: rec.join_columns(name, [chunk[name] for chunk in chunks]) for name in rec.STREAMS
    }
    return rec.Recording(reader.meta(), streams)


class CaptureReader:
    """Reads the parts of one recording, in the order of their first stamps.

    `chunks` yields columns of all streams piece by piece, `meta` is complete after the last one.
    Both raise BadInput with file and line for whatever is not a Binance capture, for parts of
    different instruments and for parts that do not continue each other.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        overrides: Overrides,
        progress: Progress | None = None,
    ) -> None:
        self._parts = _sorted_parts(paths)
        self._notices: list[str] = []
        self.instrument = self._find_instrument(overrides)
        self._market = self._parts[0].market
        self._progress = progress
        self._columns = ColumnWriter(self.instrument)
        self._book = BookSequence(self._columns.counts, self._market is not Market.SPOT)
        self._sources: list[rec.Source] = []
        self.digests = [sha256_of(part.path) for part in self._parts]
        """Of the parts, in their order."""
        self._last_trade_id = -1
        self._at_seam = False
        self._newest_exch_ns = 0
        self._take: dict[type[Message], Callable[[int, Any], None]] = {
            DepthDiff: self._take_diff,
            Trade: self._take_trade,
            BookTicker: self._take_ticker,
            BookSnapshot: self._take_snapshot,
        }

    def chunks(self) -> Iterator[Chunk]:
        columns = self._columns
        for part, digest in zip(self._parts, self.digests, strict=True):
            lines = 0
            self._at_seam = part is not self._parts[0]
            for lines, ts_local_ns, message in _messages(part.path):
                columns.message += 1
                try:
                    self._take[type(message)](ts_local_ns, message)
                except BadInput as error:
                    raise _located(part.path, lines, error) from None
                if lines % PROGRESS_LINES == 0:
                    if self._progress is not None:
                        self._progress(columns.message)
                    if columns.is_full:
                        yield columns.flush()
            self._sources.append(rec.Source(name=part.path.name, sha256=digest, lines=lines))
        yield columns.flush()

    def meta(self) -> rec.Meta:
        counts = self._columns.counts
        notices = list(self._notices)
        if not counts.snapshots:
            notices.append(
                "no order book snapshot: replays know only what has changed since the start; "
                "import it together with the part before it"
            )
        return rec.Meta(
            instrument=self.instrument,
            sources=self._sources,
            streams=self._columns.facts,
            counts=counts,
            notices=notices,
        )

    # -- messages ----------------------------------------------------------------------------

    def _take_diff(self, ts_local_ns: int, diff: DepthDiff) -> None:
        self._check_instrument(diff.symbol, diff.market)
        if self._at_seam:
            self._check_seam(diff)
        ts_exch_ns = diff.ts_exch_ns
        self._newest_exch_ns = max(self._newest_exch_ns, ts_exch_ns)
        flags = self._book.follow(diff)
        self._columns.add_diff(ts_local_ns, diff, flags)

    def _take_snapshot(self, ts_local_ns: int, snapshot: BookSnapshot) -> None:
        if snapshot.symbol:
            self._check_instrument(snapshot.symbol, self._market)
        # Spot snapshots carry no time: the newest one seen is the closest the venue told us.
        ts_exch_ns = snapshot.transaction_ms * NS_PER_MS or self._newest_exch_ns or ts_local_ns
        self._columns.add_snapshot(ts_local_ns, ts_exch_ns, snapshot)
        for diff, flags in self._book.restart(snapshot.last_id):
            # Sorted by venue time they must stay behind the snapshot, too.
            self._columns.add_diff(ts_local_ns, diff, flags, not_before_ns=ts_exch_ns)

    def _take_trade(self, ts_local_ns: int, trade: Trade) -> None:
        self._check_instrument(trade.symbol, None)
        counts = self._columns.counts
        if trade.order_kind != "MARKET":
            counts.off_book += 1
            self._last_trade_id = max(self._last_trade_id, trade.trade_id)
            return
        flags = 0
        last, self._last_trade_id = self._last_trade_id, max(self._last_trade_id, trade.trade_id)
        if trade.trade_id <= last:
            flags = rec.REPEATED
            counts.repeated += 1
        elif last >= 0 and trade.trade_id > last + 1:
            flags = rec.GAP
            counts.gaps += 1
        self._newest_exch_ns = max(self._newest_exch_ns, trade.trade_ms * NS_PER_MS)
        self._columns.add_trade(ts_local_ns, trade, flags)

    def _take_ticker(self, ts_local_ns: int, ticker: BookTicker) -> None:
        self._check_instrument(ticker.symbol, ticker.market)
        self._columns.add_ticker(ts_local_ns, ticker)

    def _check_instrument(self, symbol: str, market: Market | None) -> None:
        if symbol != self._parts[0].symbol or (market is not None and market is not self._market):
            found = f"{market or self._market}.{symbol}"
            raise BadInput(
                "symbol", found, f"a recording of {self.instrument.instrument_id} holds no other"
            )

    def _check_seam(self, diff: DepthDiff) -> None:
        self._at_seam = False
        last = self._book.last_id
        if last >= 0 and diff.follows_id != last:
            raise BadInput(
                "update id",
                diff.first_id,
                f"does not continue the part before it, which ends at {last}; import it by itself",
            )

    # -- instrument --------------------------------------------------------------------------

    def _find_instrument(self, overrides: Overrides) -> Instrument:
        first = self._parts[0]
        instrument_id = f"{first.market}.{first.symbol}"
        known = known_instruments().get(instrument_id)
        if known is not None:
            return msgspec.structs.replace(
                known, tick=overrides.tick or known.tick, lot=overrides.lot or known.lot
            )
        tick, lot = overrides.tick, overrides.lot
        if tick is None or lot is None:
            seen_tick, seen_lot = _smallest_steps(self._parts)
            tick, lot = tick or seen_tick, lot or seen_lot
            self._notices.append(
                f"{instrument_id} is not in the instrument table: tick {plain(tick)} and lot "
                f"{plain(lot)} are the smallest steps seen"
            )
        return unlisted_instrument(
            first.market, first.symbol, first.market.kind, tick, lot, overrides.symbol
        )


# -- files -----------------------------------------------------------------------------------


def _messages(path: Path) -> Iterator[tuple[int, int, Message]]:
    """(line number, receive time, message) of a file; BadInput names file and line."""
    number = 0
    line = b""
    try:
        for block in line_blocks(path):
            for line in block:
                number += 1
                if line:
                    yield number, *decode_line(line)
    except msgspec.ValidationError as error:
        reason, _, json_path = str(error).partition(" - at ")
        field = json_path.strip("`").removeprefix("$.").removeprefix("data.")
        raise BadInput(f"{path.name} line {number}, {field}", _body(line), reason) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"not valid JSON: {error}"
        raise BadInput(f"{path.name} line {number}", _body(line), reason) from None
    except BadInput as error:
        if error.field != "file":
            raise _located(path, number, error) from None
        remedy = f"{error.remedy} (good up to line {number})" if number else error.remedy
        raise BadInput(error.field, error.value, remedy) from None


def _body(line: bytes) -> str:
    return shorten(line.partition(b" ")[2][:200].decode("utf-8", "replace"))


def _located(path: Path, line: int, error: BadInput) -> BadInput:
    return BadInput(f"{path.name} line {line}, {error.field}", error.value, error.remedy)


def _sorted_parts(paths: Sequence[Path]) -> list[_Part]:
    if not paths:
        raise BadInput("SRC", "", "name at least one capture file")
    parts = sorted((_identify(path) for path in paths), key=lambda part: part.first_ns)
    first = parts[0]
    for before, part in pairwise(parts):
        if (part.market, part.symbol) != (first.market, first.symbol):
            raise BadInput(
                part.path.name,
                f"{part.market}.{part.symbol}",
                f"another instrument than {first.market}.{first.symbol} of {first.path.name}; "
                "import them one by one",
            )
        if part.first_ns == before.first_ns:
            raise BadInput(part.path.name, str(part.path), "the same recording was given twice")
    return parts


def _identify(path: Path) -> _Part:
    """Which instrument a capture is about, from its first messages."""
    first_ns = 0
    for _, ts_local_ns, message in _messages(path):
        first_ns = first_ns or ts_local_ns
        if isinstance(message, DepthDiff | BookTicker):
            if not _SYMBOL.fullmatch(message.symbol):  # It becomes the name of a folder.
                raise BadInput(f"{path.name}, symbol", message.symbol, "expected A-Z, 0-9, _ only")
            return _Part(path, first_ns, message.market, message.symbol)
    raise BadInput(path.name, str(path), "holds neither depth diffs nor tickers")


def _smallest_steps(parts: Sequence[_Part]) -> tuple[Decimal, Decimal]:
    """(tick, lot): the largest steps that all prices and all sizes are multiples of."""
    prices: set[str] = set()
    sizes: set[str] = set()
    for part in parts:
        for _, _, message in _messages(part.path):
            match message:
                case DepthDiff() | BookSnapshot():
                    for levels in (message.bids, message.asks):
                        prices.update([price for price, _ in levels])
                        sizes.update([size for _, size in levels])
                case Trade():
                    prices.add(message.price)
                    sizes.add(message.quantity)
                case BookTicker():
                    prices.update((message.bid, message.ask))
    try:
        tick, lot = common_step(prices), common_step(sizes)
    except ValueError as error:
        raise BadInput("price or quantity", str(error), "expected a plain number") from None
    if tick is None or lot is None:
        raise BadInput(parts[0].path.name, "no prices", "give the steps with --tick and --lot")
    return tick, lot
