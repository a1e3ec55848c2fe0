"""Where the market's quantities come from: rows of a generator or a recording, as time passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import NamedTuple

from engine.drill.units import units
from engine.kernels.layout import BUY, ROW_CLEAR, ROW_DEPTH, ROW_TRADE
from engine.ports.rows import RowSource

FACTOR_ONE = 10_000


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
        self._factor_bp = FACTOR_ONE
        self._levels: dict[tuple[bool, int], int] = {}
        """(is_bid, price) -> quantity of the rows so far, as the source tells them."""
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
            self._remember(row)
            yield self._scaled(row)
            row = self._peek()
        self.now_ns = max(self.now_ns, until_ns)

    def scale(self, factor: Decimal) -> Iterator[MarketRow]:
        """From now on every price is `factor` times the source's. The rows that bring a book
        from where it was to there: the old levels go, and come again at their new prices."""
        self._factor_bp = max(1, int(factor * FACTOR_ONE))
        for is_bid, price in ((True, 0), (False, 1 << 62)):
            yield MarketRow(self.now_ns, ROW_CLEAR, is_bid, price, 0)
        for (is_bid, price), qty in self._levels.items():
            yield self._scaled(MarketRow(self.now_ns, ROW_DEPTH, is_bid, price, qty))

    def _scaled(self, row: MarketRow) -> MarketRow:
        if self._factor_bp == FACTOR_ONE or (row.kind == ROW_CLEAR and row.price == 0):
            return row
        ticks = row.price * self._factor_bp // (FACTOR_ONE * self._tick)
        return row._replace(price=max(1, ticks) * self._tick)

    def _remember(self, row: MarketRow) -> None:
        if row.kind == ROW_TRADE:
            return
        if row.kind == ROW_CLEAR:
            for is_bid, price in list(self._levels):
                is_gone = price >= row.price if is_bid else price <= row.price
                if is_bid is row.is_buy and is_gone:
                    del self._levels[is_bid, price]
        elif row.qty:
            self._levels[row.is_buy, row.price] = row.qty
        else:
            self._levels.pop((row.is_buy, row.price), None)

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
