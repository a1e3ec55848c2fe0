"""Bars as a market: each bar becomes a walk of prices with a touch around it, as market rows.

What a bar does not tell is assumed, and the assumptions lean against the trader:

- Path. Open, one extreme, the other, close, in straight lines of four steps each, a sixteenth of
  the bar apart; the last quarter of the bar the price stands at the close. WORST_FIRST visits
  first the extreme against the bar's direction: the low of a bar that closes at or above its
  open, else the high. So the side that the bar pays meets its stop before its target. The
  position is not known here, so this is no bound: for one, run LOW_FIRST and HIGH_FIRST too.
  BEST_FIRST is its mirror, to see how much of a result hangs on this assumption.
- Touch. One tick below and one above the price; nothing behind it. Who takes pays that tick.
- Size. At each of the 13 points an equal share of the bar's volume trades and as much stands on
  either side of the touch, one lot at least. Bars without volume get UNKNOWN_LOTS: deep enough.
- Resting orders fill only when the price goes through theirs by a tick. A trade is printed with
  its aggressor behind the move, so being touched fills nobody. Stops fire at the touch.
- Gaps stay gaps: no row lies in a missing bar, and orders stand still meanwhile.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np

from engine.domain.errors import BadInput
from engine.kernels import layout as k
from engine.kernels.layout import Int64s, Rows

LEG_STEPS = 4
POINTS = 3 * LEG_STEPS + 1
"""Prices of a bar: the open and the steps of three legs."""
SLOTS = 4 * LEG_STEPS
"""Parts of a bar's time; point i lies at i / SLOTS of it."""
UNKNOWN_LOTS = 1_000_000_000
TICKS_MAX = 1 << 40
"""Highest price: sums of 2000 closes times 2000 stay inside 64 bits."""
_BLOCK_BARS = 2048
_ROWS_A_POINT = 5


class BarPath(enum.StrEnum):
    WORST_FIRST = "worst-first"
    BEST_FIRST = "best-first"
    LOW_FIRST = "low-first"
    HIGH_FIRST = "high-first"


_OTHER_WORDS = {
    "pessimistic": BarPath.WORST_FIRST,
    "optimistic": BarPath.BEST_FIRST,
    "olhc": BarPath.LOW_FIRST,
    "ohlc": BarPath.HIGH_FIRST,
}


def parse_path(word: str) -> BarPath:
    """A path by its name, or by one of those that others give it. BadInput otherwise."""
    name = word.strip().lower()
    found = _OTHER_WORDS.get(name)
    if found is None and name not in list(BarPath):
        raise BadInput("--path", word, f"expected {', '.join((*BarPath, *_OTHER_WORDS))}")
    return found or BarPath(name)


class BarColumns(NamedTuple):
    """`n` bars, oldest first; all arrays int64[n]. Prices in ticks, volume in lots."""

    period_ns: int
    start_ns: Int64s
    open: Int64s
    high: Int64s
    low: Int64s
    close: Int64s
    volume: Int64s
    """-1 where it is not known."""

    @property
    def end_ns(self) -> int:
        return int(self.start_ns[-1]) + self.period_ns


def touch_lots(volume: Int64s) -> Int64s:
    """Lots on each side of the touch during bars of these volumes."""
    return np.where(volume < 0, UNKNOWN_LOTS, np.maximum(1, volume // POINTS))


def step_ns(period_ns: int) -> int:
    """How long a price stands."""
    return period_ns // SLOTS


class BarFeed:
    """A `RowSource`: some 2,000 bars a block, both clocks alike, so its memory is constant."""

    def __init__(self, bars: BarColumns, path: BarPath = BarPath.WORST_FIRST) -> None:
        """BadInput when prices are too small for a touch or too large for whole numbers."""
        assert len(bars.start_ns), "no bars"
        lowest, highest = int(bars.low.min()), int(bars.high.max())
        if lowest < 2:
            raise BadInput("low", f"{lowest} ticks", "no room for a touch: import a finer --tick")
        if highest > TICKS_MAX:
            raise BadInput("high", f"{highest} ticks", "too many: import with a coarser --tick")
        self._bars = bars
        self._path = path
        self._next = 0
        self._last = int(bars.open[0])
        # The exchange's book is a window around the price that follows it in small strides only.
        self._stride = k.window_for(self._last - 1) // 16

    def next_block(self) -> Rows | None:
        first, self._next = self._next, min(self._next + _BLOCK_BARS, len(self._bars.start_ns))
        if first == self._next:
            return None
        part = slice(first, self._next)
        bars = self._bars._replace(
            **{name: getattr(self._bars, name)[part] for name in BarColumns._fields[1:]}
        )
        prices = path_points(bars, self._path).ravel()
        rows = self._rows(bars, prices)
        self._last = int(prices[-1])
        return rows

    def _rows(self, bars: BarColumns, prices: Int64s) -> Rows:
        """Rows of one block. A move longer than a stride becomes several at the same instant."""
        count = len(prices)
        before = np.concatenate([[self._last], prices[:-1]])
        moves = prices - before
        strides = np.maximum(1, -(-np.abs(moves) // self._stride))
        point = np.repeat(np.arange(count), strides)
        ends = np.cumsum(strides)
        number = np.arange(len(point)) - (ends - strides)[point] + 1
        to = before[point] + moves[point] * number // strides[point]
        since = np.concatenate([[self._last], to[:-1]])
        times = (bars.start_ns[:, None] + np.arange(POINTS) * bars.period_ns // SLOTS).ravel()[
            point
        ]
        depth = np.repeat(touch_lots(bars.volume), POINTS)[point]
        rows = np.zeros((len(point), _ROWS_A_POINT), k.ROW)
        rows["ts_exch_ns"] = rows["ts_local_ns"] = times[:, None]
        rows["kind"] = (*(k.ROW_DEPTH,) * 4, k.ROW_TRADE)
        # The side ahead of the move first, each new level before the old one goes: so nothing
        # crosses, and no side is ever empty, which would cost a search through the whole book.
        ahead = np.where(moves[point] >= 0, 1, -1)
        rows["side"][:, 0] = rows["side"][:, 1] = -ahead
        rows["side"][:, 2] = rows["side"][:, 3] = ahead
        rows["side"][:, 4] = -ahead  # A trade behind the move: being touched fills nobody.
        rows["price_ticks"] = np.stack(
            [to + ahead, since + ahead, to - ahead, since - ahead, to], 1
        )
        rows["qty_lots"][:, 0] = rows["qty_lots"][:, 2] = depth
        rows["qty_lots"][:, 1] = rows["qty_lots"][:, 3] = np.where(to == since, depth, 0)
        rows["qty_lots"][:, 4] = traded_lots(bars.volume).ravel()[point]
        kept = np.ones(rows.shape, bool)
        kept[:, 4] = number == strides[point]
        found: Rows = rows[kept]
        return found


def path_points(bars: BarColumns, path: BarPath) -> Int64s:
    """int64[n, POINTS]: the prices that each bar visits, in ticks, in order."""
    low_first = {
        BarPath.WORST_FIRST: bars.close >= bars.open,
        BarPath.BEST_FIRST: bars.close < bars.open,
        BarPath.LOW_FIRST: np.ones(len(bars.open), bool),
        BarPath.HIGH_FIRST: np.zeros(len(bars.open), bool),
    }[path]
    first = np.where(low_first, bars.low, bars.high)
    second = np.where(low_first, bars.high, bars.low)
    steps = np.arange(1, LEG_STEPS + 1)
    legs = [
        start[:, None] + (end - start)[:, None] * steps // LEG_STEPS
        for start, end in ((bars.open, first), (first, second), (second, bars.close))
    ]
    return np.concatenate([bars.open[:, None], *legs], axis=1)


def traded_lots(volume: Int64s) -> Int64s:
    """int64[n, POINTS]: equal shares of each bar's volume, the remainder at the close."""
    known = np.maximum(volume, 0)
    lots = np.repeat((known // POINTS)[:, None], POINTS, axis=1)
    lots[:, -1] += known - lots.sum(axis=1)
    return lots
