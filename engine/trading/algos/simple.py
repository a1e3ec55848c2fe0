"""What algos with one kind of order share: how much is left, and how they end."""

from __future__ import annotations

from engine.domain.algo import AlgoOutcome, is_reducing
from engine.trading.algos.core import Decision, End, Facts, entry_over, leaves, withdraw
from engine.trading.algos.guard import guarded_lots
from engine.trading.algos.state import AlgoState


def left_lots(algo: AlgoState, facts: Facts) -> int:
    """Still to be traded, live orders included; of a reducing algo no more than is held."""
    left = algo.spec.qty_lots - algo.entered_lots
    if is_reducing(algo.spec):
        return guarded_lots(left, algo.spec.side, facts.position_lots)
    return max(0, left)


def unsent_lots(algo: AlgoState, facts: Facts) -> int:
    return max(0, left_lots(algo, facts) - leaves(list(algo.orders.values())))


def finish(algo: AlgoState, facts: Facts, why: str = "") -> list[Decision] | None:
    """The last decisions, once there is nothing left, entries are forbidden, or `why` says so;
    None while there is work."""
    spec = algo.spec
    if not is_reducing(spec):
        halt = entry_over(algo, facts)
        if halt is not None:
            return [halt]
    left = left_lots(algo, facts)
    why = why or algo.memory.entry_over
    if left > 0 and not why:
        return None
    if algo.orders:
        return withdraw(algo, facts.now_ns)
    if algo.entered_lots >= spec.qty_lots:
        return [End(AlgoOutcome.DONE, "filled")]
    if not why:
        return [End(AlgoOutcome.DONE, "nothing left to reduce")]
    done = facts.instrument.qty(algo.entered_lots)
    whole = facts.instrument.qty(spec.qty_lots)
    return [End(AlgoOutcome.CANCELED, f"{why}; {done} of {whole} traded")]


def failed(algo: AlgoState, facts: Facts, leg: str) -> list[Decision]:
    """An order of the algo was refused and nothing else works: it ends, and says why."""
    if algo.orders:
        return withdraw(algo, facts.now_ns)
    return [End(AlgoOutcome.FAILED, algo.leg(leg).said or "its order is gone")]


def is_tried(algo: AlgoState, leg: str) -> bool:
    """Whether an order of this leg was ever sent or refused."""
    return bool(algo.leg(leg).orders or algo.leg(leg).failures)
