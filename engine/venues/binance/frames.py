"""One instrument's raw frames as rows: by the kernel what it knows, by the typed decoder the rest.

Two roads, one meaning: `tests/property` holds them against each other. A frame is refused as a
whole; what is refused raises BadInput naming the field.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.text import clean
from engine.kernels import frames as kernel
from engine.kernels import layout as k
from engine.kernels.layout import Rows
from engine.venues import feed_dialect as feed
from engine.wire.binance import (
    NS_PER_MS,
    AggregateTrade,
    BookSnapshot,
    DepthDiff,
    Id,
    Levels,
    Market,
    Millis,
    Notice,
    Trade,
    decode_book,
    decode_frame,
    excerpt,
)
from engine.wire.decimals import Step, StepTexts

FRAME_BYTES_MAX = 10 << 20
"""Longer frames are refused unread; the deepest depth frame is a few hundred kilobytes."""
_ROWS = 4096


class Frame(NamedTuple):
    """What one frame was. Its rows are the first `rows` of `FrameReader.rows`."""

    kind: int
    """One of the FRAME_ codes."""
    rows: int = 0
    previous_id: int = -1
    """A depth frame tells of every change in (previous_id, last_id]."""
    last_id: int = -1
    """A trade's is its own id."""
    event_ms: int = 0
    """When it happened at the venue."""
    rounded: int = 0
    """Sizes between two lots, rounded to the nearest one."""


class _RestTrade(msgspec.Struct, gc=False):
    """One of the answer to the REST trades request.

    {"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012",
     "time":1499865549590,"isBuyerMaker":true,"isBestMatch":true}
    """

    trade_id: Id = msgspec.field(name="id")
    price: str
    quantity: str = msgspec.field(name="qty")
    time_ms: Millis = msgspec.field(name="time")
    is_buyer_maker: bool = msgspec.field(name="isBuyerMaker")


_decode_trades = msgspec.json.Decoder(list[_RestTrade]).decode


class FrameReader:
    """Reads frames of `instrument`. One reader a socket: `rows` is used again by the next frame."""

    def __init__(self, instrument: Instrument) -> None:
        self.rows: Rows = np.zeros(_ROWS, k.ROW)
        self._notice = Notice()
        self._market = Market(instrument.venue)
        self._symbol = instrument.symbol
        self._symbol_bytes = instrument.symbol.encode()
        self._tick_scales = kernel.step_scales(*Step.of(instrument.tick))
        self._lot_scales = kernel.step_scales(*Step.of(instrument.lot))
        self._ticks = StepTexts("price", instrument.tick)
        self._lots = StepTexts("quantity", instrument.lot, rounds=True)

    def read(self, raw: bytes, received_ns: int) -> feed.Read:
        """Raises BadInput for what is malformed, of another instrument, or off the price grid."""
        found = kernel.read_frame(
            raw, self._symbol_bytes, self._tick_scales, self._lot_scales, self.rows, received_ns
        )
        return found if found[0] else self._read_typed(raw, received_ns)

    def last_notice(self) -> feed.Notice:
        return _notice_of(self._notice)

    def read_book(self, answer: bytes, received_ns: int, ts_exch_ns: int) -> feed.BookAnswer:
        try:
            book = decode_book(answer)
        except msgspec.DecodeError as error:
            raise _refusal("order book", answer, error) from None
        if book.symbol not in ("", self._symbol):
            raise BadInput("symbol", book.symbol, f"expected {self._symbol}")
        return feed.BookAnswer(book.last_id, self._book_rows(book, received_ns, ts_exch_ns))

    def read_trades(self, answer: bytes, received_ns: int) -> list[feed.TradeAnswer]:
        try:
            trades = _decode_trades(answer)
        except msgspec.DecodeError as error:
            raise _refusal("trades", answer, error) from None
        found = []
        for trade in sorted(trades, key=lambda trade: trade.trade_id):
            ticks, lots = self._priced(trade.price, trade.quantity)
            side = k.SELL if trade.is_buyer_maker else k.BUY
            rows: Rows = np.zeros(1, k.ROW)
            rows[0] = (trade.time_ms * NS_PER_MS, received_ns, ticks, lots, k.ROW_TRADE, side)
            found.append(feed.TradeAnswer(trade.trade_id, trade.time_ms, rows))
        return found

    def _book_rows(self, book: BookSnapshot, received_ns: int, ts_exch_ns: int) -> Rows:
        levels = [*self._levels(k.BUY, book.bids), *self._levels(k.SELL, book.asks)]
        rows: Rows = np.zeros(2 + len(levels), k.ROW)
        rows["ts_exch_ns"] = book.transaction_ms * NS_PER_MS or ts_exch_ns
        rows["ts_local_ns"] = received_ns
        # A side's far levels would outlive the snapshot's worst one: nobody tells of them again.
        rows[0] = (*rows[0].item()[:2], 1, 0, k.ROW_CLEAR, k.BUY)
        rows[1] = (*rows[1].item()[:2], k.NO_ASK - 1, 0, k.ROW_CLEAR, k.SELL)
        rows["kind"][2:] = k.ROW_SNAPSHOT
        for index, name in enumerate(("price_ticks", "qty_lots", "side")):
            rows[name][2:] = [level[index] for level in levels]
        return rows

    def _read_typed(self, raw: bytes, received_ns: int) -> Frame:
        if len(raw) > FRAME_BYTES_MAX:
            raise BadInput("frame", f"{len(raw)} bytes", f"expected at most {FRAME_BYTES_MAX}")
        try:
            event = decode_frame(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _refusal("frame", raw, error) from None
        match event:
            case DepthDiff():
                frame = self._read_depth(event, received_ns)
            case Trade() | AggregateTrade():
                frame = self._read_trade(event, received_ns)
            case Notice():
                self._notice = event
                frame = Frame(kernel.FRAME_NEWS)
            case _:
                self._notice = Notice()
                frame = Frame(kernel.FRAME_NEWS)
        return frame

    def _read_depth(self, diff: DepthDiff, received_ns: int) -> Frame:
        self._check_symbol(diff.symbol)
        if diff.market is not self._market:
            raise BadInput("pu", diff.previous_id, f"this is not a depth frame of {self._market}")
        levels = [*self._levels(k.BUY, diff.bids), *self._levels(k.SELL, diff.asks)]
        if len(levels) > len(self.rows):
            self.rows = np.zeros(2 * len(levels), k.ROW)
        head = (diff.ts_exch_ns, received_ns)
        for index, (ticks, lots, side) in enumerate(levels):
            self.rows[index] = (*head, ticks, lots, k.ROW_DEPTH, side)
        off_grid = self._lots.off_grid
        rounded = sum(size in off_grid for side in (diff.bids, diff.asks) for _, size in side)
        return Frame(
            kernel.FRAME_DEPTH, len(levels), diff.follows_id, diff.last_id, diff.event_ms, rounded
        )

    def _read_trade(self, trade: Trade | AggregateTrade, received_ns: int) -> Frame:
        self._check_symbol(trade.symbol)
        if isinstance(trade, Trade) and trade.order_kind != "MARKET":
            return Frame(kernel.FRAME_OFF_BOOK, last_id=trade.trade_id, event_ms=trade.trade_ms)
        ticks, lots = self._priced(trade.price, trade.quantity)
        side = k.SELL if trade.buyer_is_maker else k.BUY
        head = (trade.trade_ms * NS_PER_MS, received_ns)
        self.rows[0] = (*head, ticks, lots, k.ROW_TRADE, side)
        rounded = int(trade.quantity in self._lots.off_grid)
        return Frame(kernel.FRAME_TRADE, 1, -1, trade.trade_id, trade.trade_ms, rounded)

    def _priced(self, price: str, quantity: str) -> tuple[int, int]:
        ticks, lots = self._ticks[price], self._lots[quantity]
        if not ticks or not lots:
            name = "quantity" if ticks else "price"
            raise BadInput(name, 0, "a trade's must be greater than zero")
        return ticks, lots

    def _levels(self, side: int, levels: Levels) -> list[tuple[int, int, int]]:
        found = [(self._ticks[price], self._lots[size], side) for price, size in levels]
        if any(ticks == 0 for ticks, _, _ in found):
            raise BadInput("price", 0, "must be greater than zero")
        return found

    def _check_symbol(self, symbol: str) -> None:
        if symbol != self._symbol:
            raise BadInput("symbol", symbol, f"expected {self._symbol} on this connection")


def _notice_of(notice: Notice) -> feed.Notice:
    error = bytes(notice.error)
    if error:
        words = clean(error.decode("utf-8", "replace"), 120)
        return feed.Notice(goodbye=f"the subscription was refused: {words}")
    if notice.event == "serverShutdown":
        return feed.Notice(goodbye="the venue shuts this connection down")
    return feed.Notice(is_ready=notice.request_id is not None)


def _refusal(what: str, raw: bytes, error: Exception) -> BadInput:
    reason, _, path = str(error).partition(" - at ")
    field = path.strip("`").removeprefix("$.").removeprefix("data.")
    return BadInput(f"{what} {field}".strip(), excerpt(raw), reason)
