"""If-touched and take-profit: wait in the engine for a price, then send the order."""

from __future__ import annotations

from engine.domain.algo import IfTouched, TakeProfit
from engine.domain.order import OrderSpec, Purpose
from engine.trading.algos.core import (
    Decision,
    Facts,
    Place,
    limit_order,
    market_order,
    remember,
)
from engine.trading.algos.simple import failed, finish, left_lots
from engine.trading.algos.state import AlgoState

ORDER = "order"


def step(algo: AlgoState, facts: Facts) -> list[Decision]:
    spec = algo.spec
    assert isinstance(spec, IfTouched | TakeProfit)
    last = finish(algo, facts)
    if last is not None:
        return last
    if not algo.memory.is_touched:
        if not facts.has_touched(spec.trigger_ticks, spec.side):
            return []
        price = facts.instrument.price(spec.trigger_ticks)
        return [remember(algo, f"{price} touched", is_touched=True)]
    if algo.orders:
        return []
    if algo.leg(ORDER).failures and isinstance(spec, IfTouched):
        return failed(algo, facts, ORDER)
    if facts.now_ns < algo.leg(ORDER).retry_ns:
        return []
    return [Place(ORDER, _order(facts, spec, left_lots(algo, facts)))]


def _order(facts: Facts, spec: IfTouched | TakeProfit, lots: int) -> OrderSpec:
    if isinstance(spec, TakeProfit):
        reduce_only, purpose = True, Purpose.PROTECTIVE
    else:
        reduce_only = spec.reduce_only
        purpose = Purpose.EXIT if reduce_only else Purpose.ENTRY
    if spec.price_ticks:
        return limit_order(
            facts, spec.side, lots, spec.price_ticks, reduce_only=reduce_only, purpose=purpose
        )
    return market_order(facts, spec.side, lots, reduce_only=reduce_only, purpose=purpose)
