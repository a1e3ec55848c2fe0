"""Messages to integer columns, the innermost loop of an import."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from engine.archive import recording as rec
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.kernels.layout import BUY, ROW_CLEAR, ROW_DEPTH, ROW_SNAPSHOT, SELL
from engine.wire.binance import NS_PER_MS, BookSnapshot, BookTicker, DepthDiff, Levels, Trade
from engine.wire.decimals import MAX_STEPS, StepTexts

CHUNK_ROWS = 1 << 19
"""Rows of one stream that are held before they are handed on."""

Chunk = dict[str, rec.Columns]


class ColumnWriter:
    """Messages to integer columns. Raises BadInput for prices and sizes that make no sense."""

    def __init__(self, instrument: Instrument) -> None:
        self.message = -1
        self.counts = rec.Counts()
        self.facts = {name: rec.StreamFacts() for name in rec.STREAMS}
        self._ticks = StepTexts("price", instrument.tick, hint="; give the right one with --tick")
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

    def add_diff(
        self, ts_local_ns: int, diff: DepthDiff, flags: int, not_before_ns: int = 0
    ) -> None:
        """`not_before_ns` is the earliest venue time that the rows may carry."""
        if not diff.bids and not diff.asks:
            # No row can carry the flag, so the next diff's rows do.
            self._carried_flags |= flags & rec.GAP
            return
        flags |= self._carried_flags
        self._carried_flags = 0
        self._messages["depth"] += 1
        ts_exch_ns = max(diff.ts_exch_ns, not_before_ns)
        head = (self.message, ts_exch_ns, ts_local_ns, diff.last_id, flags, ROW_DEPTH)
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
