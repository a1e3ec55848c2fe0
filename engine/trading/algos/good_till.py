"""A limit order with an end."""

from __future__ import annotations

from engine.domain.algo import GoodTill
from engine.trading.algos.core import Decision, Facts, Place, limit_order, maker_tif
from engine.trading.algos.simple import failed, finish, left_lots
from engine.trading.algos.state import AlgoState

LIMIT = "limit"


def step(algo: AlgoState, facts: Facts) -> list[Decision]:
    spec = algo.spec
    assert isinstance(spec, GoodTill)
    last = finish(algo, facts, "its time is up" if facts.now_ns >= spec.until_ns else "")
    if last is not None:
        return last
    if algo.orders:
        return []
    if algo.leg(LIMIT).failures:
        return failed(algo, facts, LIMIT)
    order = limit_order(
        facts,
        spec.side,
        left_lots(algo, facts),
        spec.price_ticks,
        maker_tif(post_only=spec.post_only),
        reduce_only=spec.reduce_only,
    )
    return [Place(LIMIT, order)]
