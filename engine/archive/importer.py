"""Raw Binance captures to columns: parts joined, sequences followed, text turned into integers."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from engine.archive import binance
from engine.archive import recording as rec
from engine.archive.binance import (
    NS_PER_MS,
    BookSnapshot,
    BookTicker,
    DepthDiff,
    Levels,
    Market,
    Message,
    Trade,
)
from engine.archive.decimals import MAX_STEPS, StepTexts, common_step
from engine.archive.files import line_blocks, sha256_of
from engine.archive.instruments import known_instruments, unlisted_instrument
from engine.domain.errors import BadInput, shorten
from engine.domain.instrument import Instrument
from engine.domain.money import plain
from engine.kernels.layout import BUY, ROW_CLEAR, ROW_DEPTH, ROW_SNAPSHOT, SELL

CHUNK_ROWS = 1 << 19
"""Rows of one stream that are held before they are handed on."""
PROGRESS_LINES = 4096
RECENT_DIFFS = 1024
"""Diffs remembered for a snapshot that is answered late; at 10 ms a diff this is 10 s."""

Chunk = dict[str, rec.Columns]


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
    progress: Callable[[int], object] = id,
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
    different instruments and for parts that do not continue each other. `progress` is called
    with the number of lines read so far.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        overrides: Overrides,
        progress: Callable[[int], object] = id,
    ) -> None:
        self._parts = _sorted_parts(paths)
        self._notices: list[str] = []
        self.instrument = self._find_instrument(overrides)
        self._market = self._parts[0].market
        self._progress = progress
        self._columns = _ColumnWriter(self.instrument)
        self._book = _BookSequence(self._columns.counts, self._market is not Market.SPOT)
        self._sources: list[rec.Source] = []
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
        for part in self._parts:
            lines = 0
            self._at_seam = part is not self._parts[0]
            for ts_local_ns, message in _messages(part.path):
                lines += 1
                columns.message += 1
                try:
                    self._take[type(message)](ts_local_ns, message)
                except BadInput as error:
                    raise _located(part.path, lines, error) from None
                if lines % PROGRESS_LINES == 0:
                    self._progress(columns.message)
                    if columns.is_full:
                        yield columns.flush()
            source = rec.Source(name=part.path.name, sha256=sha256_of(part.path), lines=lines)
            self._sources.append(source)
        yield columns.flush()

    def meta(self) -> rec.Meta:
        counts = self._columns.counts
        notices = list(self._notices)
        if not counts.snapshots:
            notices.append(
                "no order book snapshot: the book stays incomplete; "
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
            self._columns.add_diff(ts_local_ns, diff, flags)

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


class _BookSequence:
    """Follows the update ids of depth diffs and snapshots; says which diffs count."""

    def __init__(self, counts: rec.Counts, futures: bool) -> None:
        self.last_id = -1
        self._counts = counts
        self._futures = futures
        self._snapshot_id = -1
        self._joined = False
        self._recent: deque[DepthDiff] = deque(maxlen=RECENT_DIFFS)

    def follow(self, diff: DepthDiff) -> int:
        """Flags of a diff that was just received."""
        base_id = self.last_id
        if self._snapshot_id >= 0 and not self._joined:
            if self._is_stale(diff):
                self._counts.stale += 1
                return rec.STALE
            self._joined = True
            base_id = self._snapshot_id
        elif diff.last_id <= base_id:
            self._counts.repeated += 1
            return rec.REPEATED
        self._recent.append(diff)
        self.last_id = diff.last_id
        flags = 0
        if self._snapshot_id < 0:
            flags |= rec.EARLY
            self._counts.early += 1
        if 0 <= base_id < diff.follows_id:
            flags |= rec.GAP
            self._counts.gaps += 1
        return flags

    def restart(self, snapshot_id: int) -> list[tuple[DepthDiff, int]]:
        """A snapshot was received: the diffs, with flags, to be applied on top of it again."""
        self._snapshot_id = snapshot_id
        self._counts.snapshots += 1
        newer = [diff for diff in self._recent if not self._is_stale(diff)]
        self._joined = bool(newer)
        if not newer:
            self.last_id = snapshot_id
            return []
        flags = [rec.AGAIN] * len(newer)
        if newer[0].follows_id > snapshot_id:
            flags[0] |= rec.GAP
            self._counts.gaps += 1
        self._counts.again += len(newer)
        return list(zip(newer, flags, strict=True))

    def _is_stale(self, diff: DepthDiff) -> bool:
        # Binance's own rule differs by one between futures and spot.
        if self._futures:
            return diff.last_id < self._snapshot_id
        return diff.last_id <= self._snapshot_id


class _ColumnWriter:
    """Messages to integer columns. Raises BadInput for prices and sizes that make no sense."""

    def __init__(self, instrument: Instrument) -> None:
        self.message = -1
        self.counts = rec.Counts()
        self.facts = {name: rec.StreamFacts() for name in rec.STREAMS}
        self._ticks = StepTexts("price", instrument.tick)
        self._lots = StepTexts("quantity", instrument.lot, rounds=True)
        self._messages = dict.fromkeys(rec.STREAMS, 0)
        self._carried_flags = 0
        self._clear()

    def _clear(self) -> None:
        self._segments = array("q")
        self._level_ticks = array("q")
        self._level_lots = array("q")
        self._trades = array("q")
        self._tickers = array("q")

    @property
    def is_full(self) -> bool:
        fullest = max(len(self._level_ticks), len(self._trades) // 8, len(self._tickers) // 8)
        return fullest >= CHUNK_ROWS

    def add_diff(self, ts_local_ns: int, diff: DepthDiff, flags: int) -> None:
        if not diff.bids and not diff.asks:
            # No row can carry the flag, so the next diff's rows do.
            self._carried_flags |= flags & rec.GAP
            return
        flags |= self._carried_flags
        self._carried_flags = 0
        self._messages["depth"] += 1
        head = (self.message, diff.ts_exch_ns, ts_local_ns, diff.last_id, flags, ROW_DEPTH)
        self._add_levels(head, BUY, diff.bids)
        self._add_levels(head, SELL, diff.asks)

    def add_snapshot(self, ts_local_ns: int, ts_exch_ns: int, snapshot: BookSnapshot) -> None:
        self._messages["depth"] += 1
        ticks = self._ticks
        base = (self.message, ts_exch_ns, ts_local_ns, snapshot.last_id, 0)
        worst_bid = min((ticks[price] for price, _ in snapshot.bids), default=0)
        worst_ask = max((ticks[price] for price, _ in snapshot.asks), default=MAX_STEPS)
        for side, worst in ((BUY, worst_bid), (SELL, worst_ask)):
            self._segments.extend((*base, ROW_CLEAR, side, 1))
            self._level_ticks.append(worst)
            self._level_lots.append(0)
        head = (*base, ROW_SNAPSHOT)
        self._add_levels(head, BUY, snapshot.bids)
        self._add_levels(head, SELL, snapshot.asks)

    def _add_levels(self, head: tuple[int, ...], side: int, levels: Levels) -> None:
        if not levels:
            return
        ticks, lots = self._ticks, self._lots
        self._segments.extend((*head, side, len(levels)))
        prices = [ticks[price] for price, _ in levels]
        if 0 in prices:
            raise BadInput("price", 0, "must be greater than zero")
        self._level_ticks.extend(prices)
        self._level_lots.extend([lots[quantity] for _, quantity in levels])
        if lots.off_grid:
            self.counts.off_lot += sum(quantity in lots.off_grid for _, quantity in levels)

    def add_trade(self, ts_local_ns: int, trade: Trade, flags: int) -> None:
        ticks, lots = self._ticks[trade.price], self._lots[trade.quantity]
        if not ticks or not lots:
            name = "quantity" if ticks else "price"
            raise BadInput(name, 0, "a trade's must be greater than zero")
        self.counts.off_lot += trade.quantity in self._lots.off_grid
        self._messages["trades"] += 1
        side = SELL if trade.buyer_is_maker else BUY
        ts_exch_ns = trade.trade_ms * NS_PER_MS
        self._trades.extend(
            (self.message, ts_exch_ns, ts_local_ns, trade.trade_id, ticks, lots, side, flags)
        )

    def add_ticker(self, ts_local_ns: int, ticker: BookTicker) -> None:
        self._messages["ticker"] += 1
        ts_exch_ns = ticker.transaction_ms * NS_PER_MS
        bid_lots, ask_lots = self._lots[ticker.bid_quantity], self._lots[ticker.ask_quantity]
        # An empty side is told as price and size zero.
        bid = self._ticks[ticker.bid] if bid_lots else 0
        ask = self._ticks[ticker.ask] if ask_lots else 0
        self._tickers.extend(
            (self.message, ts_exch_ns, ts_local_ns, ticker.update_id, bid, bid_lots, ask, ask_lots)
        )

    def flush(self) -> Chunk:
        """Columns of everything added since the last flush."""
        segments = _matrix(self._segments, 8)
        counts = segments[:, 7]
        spread = np.repeat(segments[:, :7], counts, axis=0)
        names = ("message", "ts_exch_ns", "ts_local_ns", "seq", "flags", "kind", "side")
        depth: dict[str, Any] = {name: spread[:, i] for i, name in enumerate(names)}
        depth["price_ticks"] = np.frombuffer(self._level_ticks, np.int64)
        depth["qty_lots"] = np.frombuffer(self._level_lots, np.int64)
        chunk = {
            "depth": _typed("depth", depth),
            "trades": _typed_matrix("trades", self._trades),
            "ticker": _typed_matrix("ticker", self._tickers),
        }
        self._note_facts(chunk)
        self._clear()
        return chunk

    def _note_facts(self, chunk: Chunk) -> None:
        for name, columns in chunk.items():
            times = columns["ts_local_ns"]
            facts = self.facts[name]
            if len(times):
                facts = rec.StreamFacts(
                    rows=facts.rows + len(times),
                    messages=self._messages[name],
                    start_ns=facts.start_ns or int(times[0]),
                    end_ns=int(times[-1]),
                )
            self.facts[name] = facts


def _matrix(values: array[int], columns: int) -> Any:
    return np.frombuffer(values, np.int64).reshape(-1, columns)


def _typed(stream: str, columns: dict[str, Any]) -> rec.Columns:
    # Copies, so that the buffers behind them can be let go.
    return {name: columns[name].astype(dtype) for name, dtype in rec.STREAMS[stream].items()}


def _typed_matrix(stream: str, values: array[int]) -> rec.Columns:
    matrix = _matrix(values, len(rec.STREAMS[stream]))
    return _typed(stream, {name: matrix[:, i] for i, name in enumerate(rec.STREAMS[stream])})


# -- files -----------------------------------------------------------------------------------


def _messages(path: Path) -> Iterator[tuple[int, Message]]:
    """Every message of a file with its receive time; BadInput names file and line."""
    decode = binance.decode_line
    number = 0
    line = b""
    try:
        for block in line_blocks(path):
            for line in block:
                number += 1
                if line:
                    yield decode(line)
    except msgspec.ValidationError as error:
        field, _, reason = _reason(str(error))
        raise BadInput(f"{path.name} line {number}, {field}", _body(line), reason) from None
    except msgspec.DecodeError as error:
        reason = f"not valid JSON: {error}"
        raise BadInput(f"{path.name} line {number}", _body(line), reason) from None
    except BadInput as error:
        raise error if error.field == "file" else _located(path, number, error) from None


def _reason(text: str) -> tuple[str, str, str]:
    """msgspec's "Expected `str`, got `int` - at `$.p`" as (field, "", reason)."""
    reason, _, path = text.partition(" - at ")
    return path.strip("`").removeprefix("$.") or "message", "", reason


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
    for ts_local_ns, message in _messages(path):
        first_ns = first_ns or ts_local_ns
        if isinstance(message, DepthDiff | BookTicker):
            if not message.symbol.isascii() or not message.symbol:
                raise BadInput(path.name, message.symbol, "not a symbol")
            return _Part(path, first_ns, message.market, message.symbol)
    raise BadInput(path.name, str(path), "holds neither depth diffs nor tickers")


def _smallest_steps(parts: Sequence[_Part]) -> tuple[Decimal, Decimal]:
    """(tick, lot): the largest steps that all prices and all sizes are multiples of."""
    prices: set[str] = set()
    sizes: set[str] = set()
    for part in parts:
        for _, message in _messages(part.path):
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
