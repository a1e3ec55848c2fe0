"""Reading a market: a thin window over the arrays that the kernels advance."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from engine.domain.instrument import Instrument
from engine.domain.money import MONEY
from engine.domain.order import Side
from engine.kernels import layout as k
from engine.kernels.book import best_levels
from engine.ports.strategy import Bar


class MarketView:
    """Read-only view of one instrument. Cheap to call, never caches what the kernel may change.

    `timeframes` maps words to the index of their ring in `state.bars`.
    """

    def __init__(
        self, instrument: Instrument, state: k.MarketState, timeframes: dict[str, int]
    ) -> None:
        self.instrument = instrument
        self.state = state
        self.timeframes = timeframes
        self._scalars = state.scalars
        self.is_doubted = False
        """The feed does not vouch for this book: it is shown, and not traded on."""

    # -- touch -------------------------------------------------------------------------------

    @property
    def best_bid(self) -> int:
        return self._scalars.item(k.M_BEST_BID)

    @property
    def best_ask(self) -> int:
        return self._scalars.item(k.M_BEST_ASK)

    @property
    def is_ready(self) -> bool:
        """Complete, two-sided, not crossed and not doubted."""
        item = self._scalars.item
        if not item(k.M_READY) or self.is_doubted:
            return False
        bid, ask = item(k.M_BEST_BID), item(k.M_BEST_ASK)
        return bid != k.NO_BID and ask != k.NO_ASK and bid < ask

    @property
    def mid_x2(self) -> int:
        """Best bid + best ask in ticks: twice the mid, as an integer. Needs a two-sided book."""
        return self.best_bid + self.best_ask

    @property
    def has_both_sides(self) -> bool:
        return self.best_bid != k.NO_BID and self.best_ask != k.NO_ASK

    @property
    def mid(self) -> Decimal:
        half_tick = MONEY.multiply(self.instrument.tick, Decimal("0.5"))
        return MONEY.multiply(Decimal(self.mid_x2), half_tick)

    @property
    def now_ns(self) -> int:
        return self._scalars.item(k.M_NOW_NS)

    @property
    def last_ticks(self) -> int:
        return self._scalars.item(k.M_LAST_TICKS)

    @property
    def last_side(self) -> int:
        return self._scalars.item(k.M_LAST_SIDE)

    @property
    def volume_lots(self) -> int:
        """Traded since the start of what is known."""
        return self._scalars.item(k.M_VOLUME)

    # -- depth, tape, bars ---------------------------------------------------------------------

    def depth(self, side: Side, levels: int, within_ticks: int = 20_000) -> list[tuple[int, int]]:
        """(ticks, lots), best first, at most `levels`, not farther than `within_ticks`."""
        found = np.empty((levels, 2), np.int64)
        row = k.BID if side is Side.BUY else k.ASK
        count = best_levels(self.state.book, self._scalars, row, within_ticks, found)
        return [(ticks, lots) for ticks, lots in found[:count].tolist()]

    def tape(self, count: int) -> list[tuple[int, int, int, int]]:
        """The latest trades (local ns, ticks, lots, aggressor side), oldest first."""
        seen = self._scalars.item(k.M_TRADES)
        count = min(count, seen, k.TAPE_LENGTH)
        indices = np.arange(seen - count, seen) % k.TAPE_LENGTH
        return [tuple(row) for row in self.state.tape[indices].tolist()]

    def closed_bars(self, timeframe: str) -> int:
        """How many bars of `timeframe` have closed since the start."""
        return self.state.bar_scalars.item(self.timeframes[timeframe], k.F_CLOSED)

    def bars(self, timeframe: str, count: int, *, forming: bool = False) -> list[Bar]:
        """The latest closed bars, oldest first; with `forming` the open one comes last."""
        ring = self.timeframes[timeframe]
        end = self.closed_bars(timeframe)
        count = min(count, end, k.BARS_LENGTH - 1)
        if forming and self.state.bar_scalars.item(ring, k.F_OPEN):
            end, count = end + 1, count + 1
        indices = np.arange(end - count, end) % k.BARS_LENGTH
        return [Bar(*row[:6]) for row in self.state.bars[ring, indices].tolist()]

    def closes(self, timeframe: str, count: int) -> list[int]:
        """The closes of `bars`, oldest first."""
        ring, end = self.timeframes[timeframe], self.closed_bars(timeframe)
        first = max(0, end - min(count, k.BARS_LENGTH - 1))
        length = k.BARS_LENGTH
        column = self.state.bars[ring, :, k.B_CLOSE]
        if first % length <= end % length:
            found: list[int] = column[first % length : end % length].tolist()
            return found
        whole: list[int] = column[first % length :].tolist() + column[: end % length].tolist()
        return whole
