"""Market data of the fake venue, and what an adapter's guard says of them."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.domain.instrument import Instrument
from engine.kernels import layout as k
from engine.ports.live import (
    BookDoubted,
    BookTrusted,
    FeedLinkChanged,
    FeedNews,
    InstrumentChanged,
    InstrumentHalted,
    LinkState,
    MarketSink,
)
from tests.simulation.loop import SimTime
from tests.simulation.venue import Wire


class SimFeed:
    """Implements `engine.ports.live.MarketFeed`: whole books, after every move of the market."""

    def __init__(self, wire: Wire, clock: SimTime) -> None:
        self._wire = wire
        self._loop = wire.loop
        self._exchange = wire.exchange
        self.clock = clock
        self._own = contextvars.copy_context()
        self._sink: MarketSink | None = None
        self._shown: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
        self._silent: set[str] = set()
        """Instruments of which nothing is shown until the next snapshot."""
        self.untrusted: dict[str, float] = {}
        """Since when the engine has been told not to trade on a book, or its stream is down."""

    async def open(self, instruments: Sequence[Instrument], sink: MarketSink) -> None:
        self._sink = sink
        self._wire.feeds.append(self)
        for one in instruments:
            self.untrusted[one.instrument_id] = 0.0
            self._silent.add(one.instrument_id)
            self.in_process(0.05, self._connect, one.instrument_id)

    async def close(self) -> None:
        self.detach()

    def detach(self) -> None:
        self._sink = None
        if self in self._wire.feeds:
            self._wire.feeds.remove(self)

    def in_process(self, delay_s: float, callback: Callable[..., object], *args: Any) -> None:
        self._loop.call_later(delay_s, callback, *args, context=self._own)

    def _connect(self, key: str) -> None:
        self._say(FeedLinkChanged(state=LinkState.UP, instrument_id=key))
        self.snapshot(key)
        if key in self._exchange.halted:
            self._say(InstrumentHalted(instrument_id=key, reason="BREAK"))

    def _say(self, news: FeedNews) -> None:
        if self._sink is not None:
            self._sink.on_feed(news)

    # -- rows ----------------------------------------------------------------------------------

    def snapshot(self, key: str) -> None:
        """The whole book anew: trusted from here on."""
        if self._sink is None:
            return
        rows = []
        for side, levels in zip((k.BUY, k.SELL), self._shown.get(key, ({}, {})), strict=True):
            if levels:
                rows.append((k.ROW_CLEAR, side, min(levels) if side == k.BUY else max(levels), 0))
        book = self._exchange.books[key]
        rows += [(k.ROW_SNAPSHOT, k.BUY, ticks, lots) for ticks, lots in book.bids.items()]
        rows += [(k.ROW_SNAPSHOT, k.SELL, ticks, lots) for ticks, lots in book.asks.items()]
        self._send(key, rows)
        self._silent.discard(key)
        self.untrusted.pop(key, None)
        self._say(BookTrusted(instrument_id=key))

    def moved(self, key: str) -> None:
        """The market has moved: what changed since the last message, and a trade."""
        if self._sink is None or key in self._silent:
            return
        book = self._exchange.books[key]
        rows = []
        shown = self._shown.get(key, ({}, {}))
        for side, old, new in ((k.BUY, shown[0], book.bids), (k.SELL, shown[1], book.asks)):
            rows += [(k.ROW_DEPTH, side, ticks, 0) for ticks in old if ticks not in new]
            rows += [
                (k.ROW_DEPTH, side, ticks, lots)
                for ticks, lots in new.items()
                if old.get(ticks) != lots
            ]
        rows.append((k.ROW_TRADE, self._wire.chance.pick((k.BUY, k.SELL)), book.last_ticks, 1))
        self._send(key, rows)

    def _send(self, key: str, rows: list[tuple[int, int, int, int]]) -> None:
        book = self._exchange.books[key]
        self._shown[key] = (dict(book.bids), dict(book.asks))
        venue_ns, now_ns = self._exchange.clock_ns(), self.clock.now_ns()
        array = np.array(
            [(venue_ns, now_ns, ticks, lots, kind, side) for kind, side, ticks, lots in rows],
            k.ROW,
        )
        if self._sink is not None:
            self._sink.on_rows(key, array)

    # -- what goes wrong ---------------------------------------------------------------------------

    def doubt(self, key: str, reason: str, healed_s: float) -> None:
        """The adapter's guard has seen something; a snapshot follows."""
        if key in self.untrusted or self._sink is None:
            return
        self.untrusted[key] = self._loop.time()
        self._silent.add(key)
        self._say(BookDoubted(instrument_id=key, reason=reason))
        self.in_process(healed_s, self.snapshot, key)

    def drop(self, key: str, down_s: float) -> None:
        if key in self.untrusted or self._sink is None:
            return
        self.untrusted[key] = self._loop.time()
        self._silent.add(key)
        self._say(FeedLinkChanged(state=LinkState.DOWN, instrument_id=key, reason="reset"))
        self.in_process(down_s, self._connect, key)

    def halt(self, key: str) -> None:
        self.in_process(0.01, self._say, InstrumentHalted(instrument_id=key, reason="BREAK"))

    def resume(self, key: str) -> None:
        self.in_process(0.01, self._say, InstrumentHalted(instrument_id=key, reason=""))

    def changed(self, instrument: Instrument) -> None:
        self.in_process(0.01, self._say, InstrumentChanged(instrument=instrument))
