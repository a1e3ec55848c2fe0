"""How good the fills of a backtest were: what the price did after them.

Markout: side x (mid some seconds after the fill - price of the fill) / price, in basis points, side
1 for buys: what the fill has earned by then, before its fee. A resting order starts with half the
spread; what it keeps of that is the point. Times are ours: when the news of the fill arrived, and
when the mid was known.

Queue rank: quantity ahead when the order joined its level / the market's average trade up to then.
A fill from a rank over `DEEP_RANK` is flagged: those who stand far back are filled when everybody
ahead of them has been, which is when the price is about to go through.

Toxic: a resting order's fill with markout(5 s) < -(half spread + maker fee), all in basis points:
it has lost more by then than taking the other side would have cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from engine.domain.instrument import Instrument
from engine.research.numbers import rounded
from engine.runtime.backtest import BacktestResult, FillRow
from engine.runtime.recorder import MARKOUT_NS, UNKNOWN, FillMark

DEEP_RANK = 10.0
BUCKETS = ((0.0, 1.0), (1.0, 3.0), (3.0, DEEP_RANK), (DEEP_RANK, math.inf))
HORIZONS = tuple(f"{wait_ns // 1_000_000_000}s" for wait_ns in MARKOUT_NS)
_JUDGED = 1
"""Index of the horizon that toxicity and adverse selection are judged by: 5 s."""


class FillQuality(NamedTuple):
    is_maker: bool
    rank: float | None
    """None for takers, and before the market had traded."""
    markouts_bp: tuple[float | None, ...]
    """One for each of `HORIZONS`; None where the mid was not known then."""
    volume_resting: int
    """Lots that the market traded between the decision and the fill, at whatever price."""
    is_toxic: bool | None
    queue_left_lots: int
    level_volume_lots: int
    latency_ns: int

    @property
    def is_deep(self) -> bool:
        return self.rank is not None and self.rank > DEEP_RANK

    @property
    def judged_bp(self) -> float | None:
        return self.markouts_bp[_JUDGED]


def fill_qualities(result: BacktestResult, instrument: Instrument) -> list[FillQuality]:
    """One for each of `result.trades`."""
    pairs = zip(result.trades, result.marks, strict=True)
    return [_quality(row, mark, instrument) for row, mark in pairs]


def _quality(row: FillRow, mark: FillMark, instrument: Instrument) -> FillQuality:
    markouts = tuple(_markout_bp(mark, after_x2) for after_x2 in mark.after_x2)
    judged, toxic = markouts[_JUDGED], None
    if mark.is_maker and judged is not None and mark.mid_x2 != UNKNOWN:
        half_spread_bp = mark.spread_ticks / mark.price_ticks * 5e3
        fee_bp = float(row.fee / instrument.notional(mark.lots, mark.price_ticks)) * 1e4
        toxic = judged < -(half_spread_bp + fee_bp)
    rank = None
    if mark.queue_ahead_lots >= 0 and mark.volume_before:
        rank = mark.queue_ahead_lots * mark.trades_before / mark.volume_before
    return FillQuality(
        mark.is_maker,
        rank,
        markouts,
        mark.volume_resting,
        toxic,
        mark.queue_left_lots,
        mark.level_volume_lots,
        mark.latency_ns,
    )


def _markout_bp(mark: FillMark, after_x2: int) -> float | None:
    if after_x2 == UNKNOWN:
        return None
    return mark.sign * (after_x2 / (2 * mark.price_ticks) - 1.0) * 1e4


def summary(
    result: BacktestResult, qualities: Sequence[FillQuality], instrument: Instrument
) -> dict[str, Any]:
    """The block `fills_quality` of a backtest's document. Means and shares are of the fills of
    resting orders unless named otherwise; null where nothing is known."""
    makers = [one for one in qualities if one.is_maker]
    takers = [one for one in qualities if not one.is_maker]
    lot = float(instrument.lot)
    filled = len({row.order_id for row in result.trades})
    return {
        "orders": result.orders,
        "filled_orders": filled,
        # An order that rests at the end counts as not filled.
        "fill_probability_pct": _share(filled, result.orders),
        "maker_fills": len(makers),
        "taker_fills": len(takers),
        "adverse_selection_bp": _mean(makers, lambda one: one.judged_bp),
        "toxic_pct": _toxic_share(makers),
        "deep_queue_pct": _share(sum(one.is_deep for one in makers), len(makers)),
        "volume_while_resting": _mean(makers, lambda one: one.volume_resting * lot),
        "markout_bp": _by_horizon(makers),
        "taker_markout_bp": _by_horizon(takers),
        "by_queue_rank": [_bucket(makers, low, high) for low, high in BUCKETS],
    }


def _by_horizon(fills: Sequence[FillQuality]) -> dict[str, Any]:
    return {
        name: _mean(fills, lambda one, index=index: one.markouts_bp[index])  # type: ignore[misc]
        for index, name in enumerate(HORIZONS)
    }


def _bucket(makers: Sequence[FillQuality], low: float, high: float) -> dict[str, Any]:
    """Fills with low < rank <= high; the first bucket takes rank 0 as well."""
    inside = [
        one
        for one in makers
        if one.rank is not None and (low < one.rank <= high or one.rank == low == 0)
    ]
    return {
        "rank": f"{low:g}-{high:g}" if high < math.inf else f">{low:g}",
        "fills": len(inside),
        "markout_5s_bp": _mean(inside, lambda one: one.judged_bp),
        "toxic_pct": _toxic_share(inside),
    }


def _toxic_share(fills: Sequence[FillQuality]) -> Any:
    judged = [one.is_toxic for one in fills if one.is_toxic is not None]
    return _share(sum(judged), len(judged))


def _mean(fills: Sequence[FillQuality], value: Callable[[FillQuality], float | None]) -> Any:
    known = [found for one in fills if (found := value(one)) is not None]
    return rounded(math.fsum(known) / len(known)) if known else None


def _share(part: int, whole: int) -> Any:
    return rounded(100 * part / whole) if whole else None
