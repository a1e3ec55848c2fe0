"""Limit orders at even steps of price."""

from __future__ import annotations

from engine.domain.algo import ScaledLadder, Weighting
from engine.trading.algos.core import (
    Decision,
    Facts,
    Place,
    fair_parts,
    limit_order,
    maker_tif,
)
from engine.trading.algos.simple import failed, finish, is_tried
from engine.trading.algos.state import AlgoState


def rungs(spec: ScaledLadder) -> list[tuple[str, int, int]]:
    """(leg, price in ticks, lots) of every rung, the first price first; lots sum exactly."""
    steps = spec.rungs - 1
    width = spec.last_ticks - spec.first_ticks
    prices = [spec.first_ticks + width * index // max(1, steps) for index in range(spec.rungs)]
    weights = [1] * spec.rungs
    if spec.weighting is Weighting.FAR:
        weights = list(range(1, spec.rungs + 1))
    elif spec.weighting is Weighting.NEAR:
        weights = list(range(spec.rungs, 0, -1))
    parts = fair_parts(spec.qty_lots, weights)
    return [
        (f"rung-{index}", price, lots)
        for index, (price, lots) in enumerate(zip(prices, parts, strict=True), 1)
    ]


def step(algo: AlgoState, facts: Facts) -> list[Decision]:
    spec = algo.spec
    assert isinstance(spec, ScaledLadder)
    last = finish(algo, facts)
    if last is not None:
        return last
    missing = [rung for rung in rungs(spec) if not is_tried(algo, rung[0])]
    if not missing and not algo.orders:
        refused = (name for name, leg in algo.legs.items() if leg.said)
        return failed(algo, facts, next(refused, ""))
    tif = maker_tif(post_only=spec.post_only)
    return [
        Place(leg, limit_order(facts, spec.side, lots, price, tif, reduce_only=spec.reduce_only))
        for leg, price, lots in missing
    ]
