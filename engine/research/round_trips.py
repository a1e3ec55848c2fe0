"""Trades in the sense of a trader: something bought and sold again, first in, first out.

Each fill that reduces the position makes one round trip with the oldest fills that it closes, of
which it may take parts. Fees go along in proportion. What is still open at the end is not in it:
its profit is in the equity, and no trade until it is closed.

Money here is float: these are statistics. The exact sums are those of the ledger.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from engine.kernels.layout import Float64s, Int64s
from engine.research.returns import mean, ratio, spread


class Execution(NamedTuple):
    ts_ns: int
    qty: float
    """Signed: sold is negative."""
    price: float
    fee: float


class RoundTrip(NamedTuple):
    start_ns: int
    """Mean time of the fills that opened it, by quantity."""
    end_ns: int
    side: int
    """1: bought first; -1: sold first."""
    qty: float
    entry: float
    exit: float
    profit: float
    """After the fees of both ends."""


class _Lot:
    __slots__ = ("fee", "price", "qty", "ts_ns")

    def __init__(self, fill: Execution, qty: float, fee: float) -> None:
        self.ts_ns, self.price, self.qty, self.fee = fill.ts_ns, fill.price, qty, fee


def round_trips(
    fills: Iterable[Execution], *, contract_size: float, is_inverse: bool, lot: float
) -> list[RoundTrip]:
    """In the order of their ends. `lot` is the smallest quantity: less than half of it is none."""
    found: list[RoundTrip] = []
    held: deque[_Lot] = deque()
    side = 0
    for fill in fills:
        sign, left = (1 if fill.qty > 0 else -1), abs(fill.qty)
        fee_of_one = fill.fee / left
        if held and sign != side:
            taken = _take(held, left, lot)
            closed = sum(part.qty for part in taken)
            found.append(
                _trip(taken, fill, closed, fee_of_one * closed, side, contract_size, is_inverse)
            )
            left -= closed
        if left > lot / 2:
            side = sign
            held.append(_Lot(fill, left, fee_of_one * left))
    return found


def _take(held: deque[_Lot], wanted: float, lot: float) -> list[_Lot]:
    """The oldest `wanted`, or all there is, removed from `held`."""
    taken = []
    while held and wanted > lot / 2:
        oldest = held[0]
        if oldest.qty <= wanted + lot / 2:
            taken.append(held.popleft())
            wanted -= oldest.qty
            continue
        part = _Lot(Execution(oldest.ts_ns, 0, oldest.price, 0), wanted, 0)
        part.fee = oldest.fee * wanted / oldest.qty
        oldest.fee -= part.fee
        oldest.qty -= wanted
        taken.append(part)
        break
    return taken


def _trip(
    taken: Sequence[_Lot],
    last: Execution,
    qty: float,
    exit_fee: float,
    side: int,
    contract_size: float,
    is_inverse: bool,
) -> RoundTrip:
    def worth(price: float) -> float:
        return -contract_size / price if is_inverse else contract_size * price

    gross = sum(side * part.qty * (worth(last.price) - worth(part.price)) for part in taken)
    waited = sum((last.ts_ns - part.ts_ns) * (part.qty / qty) for part in taken)
    return RoundTrip(
        start_ns=last.ts_ns - round(waited),
        end_ns=last.ts_ns,
        side=side,
        qty=qty,
        entry=sum(part.price * part.qty for part in taken) / qty,
        exit=last.price,
        profit=gross - sum(part.fee for part in taken) - exit_fee,
    )


# -- statistics of their profits, float64[n] in the settle asset -----------------------------------


def hit_rate(profits: Float64s) -> float:
    """Trades with a profit among all. Fraction."""
    return float(np.count_nonzero(profits > 0) / len(profits))


def profit_factor(profits: Float64s) -> float:
    """Sum of the gains / sum of the losses; infinite without a loss."""
    return ratio(float(profits[profits > 0].sum()), -float(profits[profits < 0].sum()))


def payoff(profits: Float64s) -> float:
    """Mean gain / mean loss; infinite without a loss, NaN without a gain and a loss."""
    gains, losses = profits[profits > 0], profits[profits < 0]
    gain = mean(gains) if len(gains) else 0.0
    return ratio(gain, -mean(losses) if len(losses) else 0.0)


def quality_number(profits: Float64s) -> float:
    """SQN = sqrt(n) x mean(profit) / std(profit, ddof=1) (Tharp 2008)."""
    return ratio(mean(profits), spread(profits)) * math.sqrt(len(profits))


def kelly(profits: Float64s) -> float:
    """p - (1 - p) / payoff: the share of the capital at risk that grows fastest (Kelly 1956), p
    the share of gains among the trades that were not 0. Negative: do not play."""
    decided = profits[profits != 0]
    if not len(decided):
        return math.nan
    wins = hit_rate(decided)
    return -math.inf if wins == 0 else wins - (1 - wins) / payoff(decided)


def losses_in_a_row(profits: Float64s) -> float:
    """The longest run of trades with a loss. Count."""
    losing = np.concatenate([[False], profits < 0, [False]])
    edges = np.flatnonzero(losing[1:] != losing[:-1])
    runs = edges[1::2] - edges[::2]
    return float(runs.max(initial=0))


# -- time and price --------------------------------------------------------------------------------


def exposure(fills: Iterable[Execution], start_ns: int, end_ns: int, lot: float) -> float:
    """Share of the time with a position. Fraction."""
    held_ns, since_ns, position = 0, start_ns, 0.0
    for fill in fills:
        held_ns += (fill.ts_ns - since_ns) if abs(position) > lot / 2 else 0
        since_ns, position = fill.ts_ns, position + fill.qty
    held_ns += (end_ns - since_ns) if abs(position) > lot / 2 else 0
    return ratio(held_ns, end_ns - start_ns)


def excursions(trips: Sequence[RoundTrip], ts_ns: Int64s, mids: Float64s) -> tuple[float, float]:
    """(MAE, MFE): the mean over trades of how far the mid went against, and for, the position
    while it was open, at the samples and at both ends. Basis points of the entry price, both
    positive (Sweeney 1996)."""
    against, with_it = [], []
    for trip in trips:
        first, last = np.searchsorted(ts_ns, [trip.start_ns, trip.end_ns])
        seen = np.concatenate([mids[first:last], [trip.entry, trip.exit]])
        moves = trip.side * (seen / trip.entry - 1.0) * 1e4
        against.append(-float(moves.min()))
        with_it.append(float(moves.max()))
    return float(np.mean(against)), float(np.mean(with_it))
