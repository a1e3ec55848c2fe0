"""TWAP, VWAP and POV: parts over time, each an IOC order; what one part leaves joins the next."""

from __future__ import annotations

from engine.domain.algo import BP, Pov, Twap, Vwap
from engine.domain.order import Side, TimeInForce
from engine.trading.algos.core import (
    Decision,
    Facts,
    Place,
    fair_parts,
    floor_lots,
    limit_order,
    remember,
)
from engine.trading.algos.simple import finish, unsent_lots
from engine.trading.algos.state import AlgoState

SLICE = "slice"
MS = 1_000_000
REACH_BP = 50
"""How far through the touch a slice without a limit of its own may reach."""


def step_scheduled(algo: AlgoState, facts: Facts) -> list[Decision]:
    spec = algo.spec
    assert isinstance(spec, Twap | Vwap)
    weights = spec.weights if isinstance(spec, Vwap) else [1] * spec.slices
    period_ns = spec.every_ms * MS
    end_ns = algo.started_ns + len(weights) * period_ns
    last = finish(algo, facts, "its time is up" if facts.now_ns >= end_ns else "")
    if last is not None:
        return last
    steps = min(len(weights), (facts.now_ns - algo.started_ns) // period_ns + 1)
    if steps <= algo.memory.steps:
        return []
    owed = sum(fair_parts(spec.qty_lots, weights)[:steps])
    due_ns = algo.started_ns + steps * period_ns
    noted = remember(algo, steps=steps, owed_lots=owed, due_ns=due_ns)
    return [noted, *_slice(algo, facts, spec, owed, is_last=steps == len(weights))]


def step_pov(algo: AlgoState, facts: Facts) -> list[Decision]:
    spec = algo.spec
    assert isinstance(spec, Pov)
    last = finish(algo, facts, "its time is up" if facts.now_ns >= spec.until_ns else "")
    if last is not None:
        return last
    memory = algo.memory
    if facts.now_ns < memory.due_ns:
        return []
    due_ns = facts.now_ns + spec.every_ms * MS
    if not memory.due_ns:
        return [remember(algo, volume_lots=facts.volume_lots, due_ns=due_ns)]
    traded = facts.volume_lots - memory.volume_lots
    if traded < 0:
        traded = facts.volume_lots  # The count began anew with the feed.
    more, rest = divmod(memory.share_rest + traded * spec.share_bp, BP)
    owed = min(spec.qty_lots, memory.owed_lots + more)
    noted = remember(
        algo,
        steps=memory.steps + 1,
        owed_lots=owed,
        volume_lots=facts.volume_lots,
        share_rest=rest,
        due_ns=due_ns,
    )
    return [noted, *_slice(algo, facts, spec, owed, is_last=owed == spec.qty_lots)]


def _slice(
    algo: AlgoState, facts: Facts, spec: Twap | Vwap | Pov, owed: int, *, is_last: bool
) -> list[Decision]:
    """The order that brings what was traded up to `owed`; none while it would be too small, while
    one is under way, or while the book cannot be believed."""
    if not facts.is_ready or algo.orders:
        return []
    unsent = unsent_lots(algo, facts)
    lots = min(owed - algo.entered_lots, unsent)
    price = spec.price_ticks or reach_ticks(facts, spec.side)
    least = floor_lots(facts.instrument, price, reduce_only=spec.reduce_only)
    if 0 < unsent - lots < least:
        # A rest that the venue would not take goes along with the last part it can join.
        lots = unsent if is_last else lots
    if lots < least:
        return []
    order = limit_order(
        facts, spec.side, lots, price, TimeInForce.IOC, reduce_only=spec.reduce_only
    )
    return [Place(SLICE, order)]


def reach_ticks(facts: Facts, side: Side) -> int:
    touch = facts.best(side.opposite)
    return max(1, touch + side.sign * (touch * REACH_BP // BP))
