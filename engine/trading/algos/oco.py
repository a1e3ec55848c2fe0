"""A limit order and a stop of which one cancels the other."""

from __future__ import annotations

from engine.domain.algo import AlgoOutcome, Oco
from engine.domain.order import OrderSpec, Purpose
from engine.trading.algos.core import (
    Decision,
    End,
    Facts,
    Place,
    entry_over,
    limit_order,
    market_order,
    remember,
    withdraw,
)
from engine.trading.algos.guard import Plan, guard, guarded_lots
from engine.trading.algos.state import STOP, AlgoState
from engine.trading.algos.trail import over

LIMIT = "limit"


def step(algo: AlgoState, facts: Facts) -> list[Decision]:
    spec = algo.spec
    assert isinstance(spec, Oco)
    if not spec.reduce_only:
        return _step_entry(algo, facts, spec)
    lots = guarded_lots(spec.qty_lots - algo.exited_lots, spec.side, facts.position_lots)
    if lots == 0 and not algo.orders:
        return [over(algo, spec.qty_lots)]
    plan = Plan(spec.side, lots, spec.trigger_ticks, spec.stop_price_ticks, spec.price_ticks)
    return guard(algo, facts, plan)


def _step_entry(algo: AlgoState, facts: Facts, spec: Oco) -> list[Decision]:
    """The limit rests at the venue, the stop waits here: the limit is gone, confirmed, before the
    stop is sent, so that both never fill beyond the quantity."""
    halt = entry_over(algo, facts)
    if halt is not None:
        return [halt]
    left = spec.qty_lots - algo.entered_lots
    if left <= 0 or algo.memory.entry_over:
        return withdraw(algo, facts.now_ns) if algo.orders else [_end(algo, left)]
    if algo.memory.is_touched:
        if algo.live(LIMIT):
            return withdraw(algo, facts.now_ns, LIMIT)
        return _send_stop(algo, facts, spec, left)
    if facts.has_touched(spec.trigger_ticks, spec.side.opposite):
        price = facts.instrument.price(spec.trigger_ticks)
        return [remember(algo, f"stop {price} reached", is_touched=True)]
    resting = algo.leg(LIMIT)
    if algo.orders:
        return []
    if resting.failures:
        return [End(AlgoOutcome.FAILED, resting.said)]
    return [Place(LIMIT, limit_order(facts, spec.side, left, spec.price_ticks))]


def _send_stop(algo: AlgoState, facts: Facts, spec: Oco, left: int) -> list[Decision]:
    stop = algo.leg(STOP)
    if not (stop.orders or stop.failures):
        return [Place(STOP, _stop_order(facts, spec, left))]
    return [] if algo.live(STOP) else [_end(algo, left)]


def _stop_order(facts: Facts, spec: Oco, lots: int) -> OrderSpec:
    if spec.stop_price_ticks:
        return limit_order(facts, spec.side, lots, spec.stop_price_ticks)
    return market_order(facts, spec.side, lots, reduce_only=False, purpose=Purpose.ENTRY)


def _end(algo: AlgoState, left: int) -> End:
    if left <= 0:
        return End(AlgoOutcome.DONE, "filled")
    if algo.memory.entry_over:
        return End(AlgoOutcome.CANCELED, algo.memory.entry_over)
    return End(AlgoOutcome.FAILED, algo.leg(STOP).said or "the stop was not filled whole")
