"""Where the market's quantities come from: rows of a generator or a recording, as time passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import NamedTuple

from engine.drill.units import units
from engine.kernels.layout import BUY
from engine.ports.rows import RowSource


class MarketRow(NamedTuple):
    ts_ns: int
    """Of the market's own time."""
    kind: int
    """A ROW_ code."""
    is_buy: bool
    """A level of the bids, or a trade whose aggressor bought."""
    price: int
    qty: int


class MarketSource(NamedTuple):
    """Rows and what their whole numbers mean."""

    rows: RowSource
    tick: Decimal
    lot: Decimal
    crash: Callable[[int], None] | None = None
    """Start the generator's crash; given the market's own time."""


class Market:
    """One instrument's rows, in order of the venue's time."""

    def __init__(self, source: MarketSource) -> None:
        self._source = source
        self._tick, self._lot = units("tick", source.tick), units("lot", source.lot)
        self._ahead: list[MarketRow] = []
        self._at = 0
        self.has_ended = False
        first = self._peek()
        self.now_ns = first.ts_ns - 1 if first is not None else 0
        """The market's own time."""

    def advance(self, until_ns: int) -> Iterator[MarketRow]:
        """The rows until then, each once `now_ns` has moved there."""
        row = self._peek()
        while row is not None and row.ts_ns <= until_ns:
            self._at += 1
            self.now_ns = max(self.now_ns, row.ts_ns)
            yield row
            row = self._peek()
        self.now_ns = max(self.now_ns, until_ns)

    def crash(self) -> None:
        if self._source.crash is not None:
            self._source.crash(self.now_ns)

    def _peek(self) -> MarketRow | None:
        while self._at >= len(self._ahead) and not self.has_ended:
            block = self._source.rows.next_block()
            if block is None:
                self.has_ended = True
                return None
            order = block["ts_exch_ns"].argsort(kind="stable")
            columns = ("ts_exch_ns", "kind", "side", "price_ticks", "qty_lots")
            tick, lot = self._tick, self._lot
            self._ahead = [
                MarketRow(ts_ns, kind, side == BUY, ticks * tick, lots * lot)
                for ts_ns, kind, side, ticks, lots in zip(
                    *(block[name][order].tolist() for name in columns), strict=True
                )
            ]
            self._at = 0
        return self._ahead[self._at] if self._at < len(self._ahead) else None
