"""What our own taking does to the book afterwards, and beyond its end; see `engine.sim.impact`."""

from __future__ import annotations

import math

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import ExchangeState

MARKS, X_EATEN, EATEN_MAX, EATEN_COLUMNS = k.MARKS, k.X_EATEN, k.EATEN_MAX, k.EATEN_COLUMNS
EATEN_SIDE, EATEN_TICKS, EATEN_NS, EATEN_PARTS = (
    k.EATEN_SIDE,
    k.EATEN_TICKS,
    k.EATEN_NS,
    k.EATEN_PARTS,
)
I_HALF_LIFE_NS, I_BEYOND = k.I_HALF_LIFE_NS, k.I_BEYOND
_PARTS_BITS = 20
_HALF = 1 << (_PARTS_BITS - 1)


@kernel
def parts_left(ex: ExchangeState, index: int, now_ns: int) -> int:
    """What is still gone of entry `index`, in 2^-20 lots."""
    halvings = (now_ns - ex.eaten[index, EATEN_NS]) / ex.impact[I_HALF_LIFE_NS]
    return int(ex.eaten[index, EATEN_PARTS] * 0.5**halvings)


@kernel
def forget(ex: ExchangeState, index: int) -> None:
    control, eaten = ex.control, ex.eaten
    ex.marks[eaten[index, EATEN_SIDE], eaten[index, EATEN_TICKS] % MARKS] -= 1
    control[X_EATEN] -= 1
    for later in range(index, control[X_EATEN]):
        for column in range(EATEN_COLUMNS):
            eaten[later, column] = eaten[later + 1, column]


@kernel
def find(ex: ExchangeState, which: int, ticks: int) -> int:
    for index in range(ex.control[X_EATEN]):
        if ex.eaten[index, EATEN_TICKS] == ticks and ex.eaten[index, EATEN_SIDE] == which:
            return index
    return -1


@kernel
def note_taken(ex: ExchangeState, now_ns: int, which: int, ticks: int, lots: int) -> None:
    """`lots` were taken from a level; of more levels than `EATEN_MAX` the oldest is forgotten."""
    if ex.impact[I_HALF_LIFE_NS] == 0.0:
        return
    index, parts = find(ex, which, ticks), 0
    if index >= 0:
        parts = parts_left(ex, index, now_ns)
        forget(ex, index)
    elif ex.control[X_EATEN] == EATEN_MAX:
        forget(ex, 0)
    row = ex.eaten[ex.control[X_EATEN]]
    row[EATEN_SIDE], row[EATEN_TICKS], row[EATEN_NS] = which, ticks, now_ns
    row[EATEN_PARTS] = parts + (lots << _PARTS_BITS)
    ex.control[X_EATEN] += 1
    # Rows of this level are not plain while it recovers.
    ex.marks[which, ticks % MARKS] += 1


@kernel
def standing(ex: ExchangeState, now_ns: int, which: int, ticks: int, lots: int) -> int:
    """What stands at a level of which the market says that it holds `lots`."""
    index = find(ex, which, ticks)
    if index < 0:
        return lots
    gone = (parts_left(ex, index, now_ns) + _HALF) >> _PARTS_BITS
    if gone == 0:
        forget(ex, index)
    return max(0, lots - gone)


@kernel
def ticks_beyond(ex: ExchangeState, lots: int, worst_ticks: int, side: int) -> int:
    """The price of `lots` beyond the last level, at `worst_ticks`; 0 where there is none."""
    share = ex.impact[I_BEYOND] * math.sqrt(lots)
    if share == 0.0 or worst_ticks == 0:
        return 0
    if side > 0:
        return math.ceil(worst_ticks * (1.0 + share))
    return max(1, math.floor(worst_ticks * (1.0 - share)))
