"""A limit order shown one clip at a time."""

from __future__ import annotations

from engine.domain.algo import Iceberg
from engine.trading.algos.core import (
    Decision,
    Facts,
    Place,
    floor_lots,
    limit_order,
    maker_tif,
)
from engine.trading.algos.simple import failed, finish, left_lots
from engine.trading.algos.state import AlgoState

CLIP = "clip"


def next_clip(left: int, show: int, least: int) -> int:
    """The next part to show. A rest too small for the venue is shown with the part before it."""
    return left if left - show < least else show


def step(algo: AlgoState, facts: Facts) -> list[Decision]:
    spec = algo.spec
    assert isinstance(spec, Iceberg)
    last = finish(algo, facts)
    if last is not None:
        return last
    if algo.orders:
        return []
    if algo.leg(CLIP).failures:
        return failed(algo, facts, CLIP)
    least = floor_lots(facts.instrument, spec.price_ticks, reduce_only=spec.reduce_only)
    clip = next_clip(left_lots(algo, facts), spec.show_lots, least)
    order = limit_order(
        facts,
        spec.side,
        clip,
        spec.price_ticks,
        maker_tif(post_only=spec.post_only),
        reduce_only=spec.reduce_only,
    )
    return [Place(CLIP, order)]
