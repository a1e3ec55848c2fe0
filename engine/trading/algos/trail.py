"""A stop that follows the price: how far it may be moved now."""

from __future__ import annotations

from engine.domain.algo import BP, AlgoOutcome, TrailingStop
from engine.domain.order import Side
from engine.trading.algos.core import Decision, End, Facts, Remember, remember
from engine.trading.algos.guard import Plan, guard, guarded_lots
from engine.trading.algos.state import AlgoState


def trailed_ticks(last_ticks: int, side: Side, distance_ticks: int, distance_bp: int) -> int:
    """Where a stop of `side` belongs while the last trade is at `last_ticks`."""
    distance = distance_ticks or -(-last_ticks * distance_bp // BP)
    return max(1, last_ticks + side.sign * distance)


def least_step(distance_ticks: int) -> int:
    """A step that keeps a busy market from moving the stop with every trade."""
    return max(1, distance_ticks // 10)


def follow(
    algo: AlgoState,
    facts: Facts,
    side: Side,
    *,
    distance_ticks: int,
    distance_bp: int,
    step_ticks: int,
    from_ticks: int = 0,
) -> Remember | None:
    """Move the stop when it gains `step_ticks` or more on where it stands; never back. 0: a tenth
    of the distance."""
    if facts.last_ticks == 0 or not (distance_ticks or distance_bp):
        return None
    wanted = trailed_ticks(facts.last_ticks, side, distance_ticks, distance_bp)
    stands = algo.memory.stop_ticks or from_ticks
    step = step_ticks or least_step(abs(facts.last_ticks - wanted))
    if stands and (stands - wanted) * side.sign < step:
        return None
    note = "" if algo.memory.stop_ticks else f"trailing from {facts.instrument.price(wanted)}"
    return remember(algo, note, stop_ticks=wanted)


def step(algo: AlgoState, facts: Facts) -> list[Decision]:
    spec = algo.spec
    assert isinstance(spec, TrailingStop)
    lots = guarded_lots(spec.qty_lots - algo.exited_lots, spec.side, facts.position_lots)
    if lots == 0 and not algo.orders:
        return [over(algo, spec.qty_lots)]
    is_active = not spec.activate_ticks or algo.memory.is_touched
    if not is_active and facts.has_touched(spec.activate_ticks, spec.side):
        return [remember(algo, "activated", is_touched=True)]
    if is_active and lots and not algo.memory.is_stopping:
        moved = follow(
            algo,
            facts,
            spec.side,
            distance_ticks=spec.distance_ticks,
            distance_bp=spec.distance_bp,
            step_ticks=spec.step_ticks,
        )
        if moved is not None:
            return [moved]
    return guard(algo, facts, Plan(spec.side, lots, algo.memory.stop_ticks))


def over(algo: AlgoState, qty_lots: int) -> End:
    """What a guard without an entry ends with."""
    if algo.exited_lots >= qty_lots:
        return End(AlgoOutcome.DONE, "filled")
    return End(AlgoOutcome.DONE, "nothing left to guard: the position was closed elsewhere")
