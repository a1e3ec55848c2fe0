"""Raw Binance captures made by hand: a small USD-M or spot recording, line by line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

START_MS = 1_723_161_256_000
Levels = Sequence[tuple[str, str]]


class CaptureWriter:
    """Collects lines; each message is received 10 ms after the one before."""

    def __init__(self, symbol: str = "BTCUSDT", *, futures: bool = True) -> None:
        self.symbol = symbol
        self.futures = futures
        self.lines: list[str] = []
        self._last_id = 0
        self._trade_id = 0

    @property
    def now_ms(self) -> int:
        return START_MS + 10 * len(self.lines)

    def raw(self, body: str) -> CaptureWriter:
        self.lines.append(f"{self.now_ms * 1_000_000} {body}")
        return self

    def stream(self, name: str, data: Mapping[str, Any]) -> CaptureWriter:
        stream = f"{self.symbol.lower()}@{name}"
        return self.raw(json.dumps({"stream": stream, "data": data}))

    def diff(
        self, last_id: int, bids: Levels = (), asks: Levels = (), *, after: int | None = None
    ) -> CaptureWriter:
        """`after`: the id that it says it follows; by default it follows the one before."""
        follows = self._last_id if after is None else after
        self._last_id = last_id
        data: dict[str, Any] = {
            "e": "depthUpdate",
            "E": self.now_ms,
            "s": self.symbol,
            "U": follows + 1,
            "u": last_id,
            "b": bids,
            "a": asks,
        }
        if self.futures:
            data |= {"T": self.now_ms - 1, "pu": follows}
        return self.stream("depth@0ms", data)

    def snapshot(self, last_id: int, bids: Levels, asks: Levels) -> CaptureWriter:
        data: dict[str, Any] = {"lastUpdateId": last_id, "bids": bids, "asks": asks}
        if self.futures:
            data |= {"E": self.now_ms, "T": self.now_ms - 1}
        return self.raw(json.dumps(data))

    def trade(
        self, price: str, quantity: str, *, sold: bool = False, trade_id: int | None = None
    ) -> CaptureWriter:
        self._trade_id = self._trade_id + 1 if trade_id is None else trade_id
        data = {
            "e": "trade",
            "E": self.now_ms,
            "T": self.now_ms,
            "s": self.symbol,
            "t": self._trade_id,
            "p": price,
            "q": quantity,
            "m": sold,
        }
        return self.stream("trade", data)

    def ticker(self, last_id: int, bid: tuple[str, str], ask: tuple[str, str]) -> CaptureWriter:
        names = dict(zip("bBaA", (*bid, *ask), strict=True))
        data: dict[str, Any] = {"u": last_id, "s": self.symbol, **names}
        if self.futures:
            data |= {"e": "bookTicker", "T": self.now_ms - 1, "E": self.now_ms}
        return self.stream("bookTicker", data)

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    def write(self, path: Path) -> Path:
        """Gzip when the name ends in .gz, else plain."""
        raw = self.text().encode("latin-1")
        path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
        return path


def small_capture() -> CaptureWriter:
    """A clean USD-M recording of a few messages: early diffs, snapshot, diffs, trades, tickers."""
    return (
        CaptureWriter()
        .diff(100, bids=[("60000.00", "1.000")], after=90)
        .diff(110, asks=[("60000.50", "2.000")])
        .snapshot(105, [("60000.00", "1.500"), ("59999.90", "3.000")], [("60000.40", "0.500")])
        .ticker(110, ("60000.00", "1.500"), ("60000.40", "0.500"))
        .trade("60000.40", "0.200")
        .diff(120, asks=[("60000.40", "0.300")])
        .ticker(120, ("60000.00", "1.500"), ("60000.40", "0.300"))
        .trade("60000.00", "0.100", sold=True)
        .diff(130, bids=[("60000.00", "1.400"), ("59999.90", "0.000")])
        .ticker(130, ("60000.00", "1.400"), ("60000.40", "0.300"))
    )
