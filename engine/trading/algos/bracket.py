"""Entry, stop and target as one object."""

from __future__ import annotations

from engine.domain.algo import AlgoOutcome, Bracket
from engine.domain.order import OrderSpec, Purpose, Side
from engine.trading.algos.core import (
    Decision,
    End,
    Facts,
    Place,
    Remember,
    entry_over,
    limit_order,
    maker_tif,
    market_order,
    remember,
    withdraw,
)
from engine.trading.algos.guard import Plan, guard, guarded_lots
from engine.trading.algos.state import CLOSE, ENTRY, STOP, TARGET, AlgoState
from engine.trading.algos.trail import follow


def step(algo: AlgoState, facts: Facts) -> list[Decision]:
    spec = algo.spec
    assert isinstance(spec, Bracket)
    over = _entry_over(algo, facts, spec)
    if over is not None:
        return [over]
    lots = open_lots(algo, facts)
    moved = _trail(algo, facts, spec) if lots else None
    if moved is not None:
        return [moved]
    decisions = _enter(algo, facts, spec)
    decisions += guard(algo, facts, plan_of(algo, spec, lots))
    if not decisions and algo.memory.entry_over and not algo.orders and lots == 0:
        return [_end(algo)]
    return decisions


def open_lots(algo: AlgoState, facts: Facts) -> int:
    """What has entered and not left yet, as far as the book still holds it."""
    net = algo.entered_lots - algo.exited_lots
    return guarded_lots(net, algo.spec.side.opposite, facts.position_lots)


def plan_of(algo: AlgoState, spec: Bracket, lots: int) -> Plan:
    return Plan(
        side=spec.side.opposite,
        lots=lots,
        stop_ticks=stop_ticks(algo, spec),
        target_ticks=spec.target_ticks,
    )


def stop_ticks(algo: AlgoState, spec: Bracket) -> int:
    """The better one of where it was set and where it has trailed to."""
    trailed = algo.memory.stop_ticks
    if not trailed:
        return spec.stop_ticks
    return max(spec.stop_ticks, trailed) if spec.side is Side.BUY else min(spec.stop_ticks, trailed)


# -- entry -------------------------------------------------------------------------------------


def _entry_over(algo: AlgoState, facts: Facts, spec: Bracket) -> Remember | None:
    if algo.memory.entry_over:
        return None
    entry = algo.leg(ENTRY)
    if algo.exited_lots or algo.memory.is_stopping or algo.leg(STOP).has_triggered:
        return remember(algo, entry_over="the exit has begun")
    if spec.until_ns and facts.now_ns >= spec.until_ns:
        return remember(algo, "no further entry: its time is up", entry_over="its time is up")
    if algo.live(ENTRY) or not (entry.orders or entry.failures):
        return entry_over(algo, facts)
    if entry.filled_lots >= spec.qty_lots:
        return remember(algo, entry_over="entered")
    words = entry.said if entry.failures else "the rest was not filled"
    return remember(algo, f"entry is over: {words}", entry_over=words)


def _enter(algo: AlgoState, facts: Facts, spec: Bracket) -> list[Decision]:
    if algo.memory.entry_over:
        return withdraw(algo, facts.now_ns, ENTRY)
    return [] if algo.leg(ENTRY).orders else [Place(ENTRY, entry_order(facts, spec))]


def entry_order(facts: Facts, spec: Bracket) -> OrderSpec:
    if not spec.price_ticks:
        return market_order(
            facts, spec.side, spec.qty_lots, reduce_only=False, purpose=Purpose.ENTRY
        )
    tif = maker_tif(post_only=spec.post_only)
    return limit_order(facts, spec.side, spec.qty_lots, spec.price_ticks, tif)


# -- exit --------------------------------------------------------------------------------------


def _trail(algo: AlgoState, facts: Facts, spec: Bracket) -> Remember | None:
    if algo.memory.is_stopping or algo.leg(STOP).has_triggered:
        return None
    return follow(
        algo,
        facts,
        spec.side.opposite,
        distance_ticks=spec.trail_ticks,
        distance_bp=spec.trail_bp,
        step_ticks=spec.step_ticks,
        from_ticks=spec.stop_ticks,
    )


def _end(algo: AlgoState) -> End:
    if not algo.entered_lots:
        return End(AlgoOutcome.CANCELED, f"did not enter: {algo.memory.entry_over}")
    if algo.exited_lots < algo.entered_lots:
        return End(AlgoOutcome.DONE, "the position was closed elsewhere")
    if algo.leg(TARGET).filled_lots == algo.exited_lots:
        return End(AlgoOutcome.DONE, "target filled")
    if algo.leg(TARGET).filled_lots:
        return End(AlgoOutcome.DONE, "closed partly at the target, partly by the stop")
    closed_here = algo.leg(CLOSE).filled_lots
    return End(AlgoOutcome.DONE, "stopped out" if not closed_here else "stopped out by the engine")
