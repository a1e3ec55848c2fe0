"""Guarding a position: a stop and a target of the right size, whatever happens to their orders.

The plan says what should be there; `guard` says what is missing. A leg is enlarged by one more
order, and replaced by placing the new order before the old one is cancelled, so that it is
never away for a moment: reduce-only lets the venue cut what is too much. A book that holds more
than the algo guards can still lose more than that, when stop and target trade within one round
trip; never more than it holds. Where the venue has no
reduce-only orders, the target waits in the engine and a stop is cancelled before it is placed anew.

A stop that the venue will not take is tried again at once, then with an alarm, and after
`FAILURES_MAX` times in a row the position is closed at the market.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.domain.order import (
    Order,
    OrderSpec,
    OrderStatus,
    OrderType,
    Pending,
    Purpose,
    Side,
    TimeInForce,
)
from engine.trading.algos.core import (
    Alarm,
    Decision,
    Facts,
    Place,
    cancels,
    leaves,
    limit_order,
    market_order,
    remember,
    withdraw,
)
from engine.trading.algos.state import CLOSE, STOP, TARGET, AlgoState

FAILURES_MAX = 10
"""Of a stop in a row, some five seconds."""
MISSED_NS = 1_000_000_000
"""How long a target held in the engine waits after it was reached and not filled."""
_FIRM = (OrderStatus.OPEN, OrderStatus.PARTIAL)


class Plan(NamedTuple):
    """What should guard `lots`. `side` is that of the exits; prices in ticks, 0: none."""

    side: Side
    lots: int
    stop_ticks: int = 0
    stop_price_ticks: int = 0
    target_ticks: int = 0


def guarded_lots(lots: int, side: Side, position_lots: int) -> int:
    """How much of `lots` there still is to exit by orders of `side`: the book may have been
    reduced by somebody else, or turned round."""
    return max(0, min(lots, -position_lots * side.sign))


def guard(algo: AlgoState, facts: Facts, plan: Plan) -> list[Decision]:
    if plan.lots == 0:
        return [*withdraw(algo, facts.now_ns, STOP, TARGET), *_alarm(algo, "")]
    if _is_stopping(algo):
        return _close(algo, facts, plan)
    if plan.stop_ticks and _must_close(algo, facts, plan):
        why = f"the stop could not be placed: {algo.leg(STOP).said}"
        if _is_hit(facts, plan):
            price = facts.instrument.price(plan.stop_ticks)
            why = f"stop {price} reached: closing at the market"
        return [remember(algo, why, is_stopping=True)]
    if plan.target_ticks and algo.memory.is_touched and not facts.abilities.has_reduce_only:
        return _take_target(algo, facts, plan)
    decisions = _cover_stop(algo, facts, plan)
    return [*decisions, *_cover_target(algo, facts, plan)]


def uncovered_lots(algo: AlgoState, plan_lots: int) -> int:
    """Lots without a stop that the venue holds or is being sent; for snapshots and tests."""
    return max(0, plan_lots - leaves([order for order in algo.live(STOP) if _counts(order)]))


# -- the stop ----------------------------------------------------------------------------------


def _is_stopping(algo: AlgoState) -> bool:
    """The stop was hit, here or at the venue. A stop-limit that triggered goes on as a limit."""
    if algo.memory.is_stopping:
        return True
    stops = algo.leg(STOP)
    return stops.has_triggered and not getattr(algo.spec, "stop_price_ticks", 0)


def _is_hit(facts: Facts, plan: Plan) -> bool:
    return facts.has_touched(plan.stop_ticks, plan.side.opposite)


def _must_close(algo: AlgoState, facts: Facts, plan: Plan) -> bool:
    """Whether no resting stop will do: reached with none at the venue, or refused too often."""
    if algo.leg(STOP).failures >= FAILURES_MAX:
        return True
    if algo.leg(STOP).has_triggered or not _is_hit(facts, plan):
        return False
    return not any(order.spec.trigger_ticks == plan.stop_ticks for order in algo.live(STOP))


def _cover_stop(algo: AlgoState, facts: Facts, plan: Plan) -> list[Decision]:
    if not plan.stop_ticks or not facts.abilities.has_stop:
        return _alarm(algo, "")
    wanted = OrderSpec(
        instrument_id=facts.instrument.instrument_id,
        side=plan.side,
        qty_lots=plan.lots,
        type=OrderType.STOP_LIMIT if plan.stop_price_ticks else OrderType.STOP,
        price_ticks=plan.stop_price_ticks,
        trigger_ticks=plan.stop_ticks,
        reduce_only=True,
        purpose=Purpose.PROTECTIVE,
    )
    return [*_cover(algo, facts, STOP, wanted), *_judge(algo, facts, plan)]


def _judge(algo: AlgoState, facts: Facts, plan: Plan) -> list[Decision]:
    """Raise the alarm while the stop is missing, and take it back when the venue holds it."""
    missing = uncovered_lots(algo, plan.lots)
    if not missing:
        firm = [order for order in algo.live(STOP) if order.status in _FIRM]
        return _alarm(algo, "") if leaves(firm) >= plan.lots else []
    if plan.lots < facts.instrument.min_lots:
        held = facts.instrument.qty(plan.lots)
        return _alarm(algo, f"{held} is less than the venue takes: no stop for it")
    stops = algo.leg(STOP)
    if stops.failures < 2:
        return []
    return _alarm(algo, f"no stop: {stops.said}")


def _alarm(algo: AlgoState, text: str) -> list[Decision]:
    return [Alarm(text)] if algo.alarm != text else []


def _close(algo: AlgoState, facts: Facts, plan: Plan) -> list[Decision]:
    """The stop was hit: everything else goes, what is left is closed now, again and again."""
    triggered = algo.live(STOP) if algo.leg(STOP).has_triggered else []
    decisions = withdraw(algo, facts.now_ns, TARGET)
    if not algo.leg(STOP).has_triggered:
        decisions += withdraw(algo, facts.now_ns, STOP)
    on_their_way = [order for order in [*algo.live(CLOSE), *triggered] if _counts(order)]
    missing = plan.lots - leaves(on_their_way)
    closing = algo.leg(CLOSE)
    if missing > 0 and facts.now_ns >= closing.urgent_ns:
        spec = market_order(facts, plan.side, missing, reduce_only=True, purpose=Purpose.PROTECTIVE)
        decisions.append(Place(CLOSE, spec))
    if closing.failures >= 2:
        decisions += _alarm(algo, f"the stop was hit and the position not closed: {closing.said}")
    return decisions


# -- the target --------------------------------------------------------------------------------


def _cover_target(algo: AlgoState, facts: Facts, plan: Plan) -> list[Decision]:
    if not plan.target_ticks:
        return withdraw(algo, facts.now_ns, TARGET)
    if not facts.abilities.has_reduce_only:
        return _watch_target(algo, facts, plan)
    if algo.leg(STOP).has_triggered:
        return []  # A stop-limit is working: two limits of which one fills first.
    wanted = limit_order(
        facts,
        plan.side,
        plan.lots,
        plan.target_ticks,
        reduce_only=True,
        purpose=Purpose.PROTECTIVE,
    )
    return _cover(algo, facts, TARGET, wanted)


def _watch_target(algo: AlgoState, facts: Facts, plan: Plan) -> list[Decision]:
    """No reduce-only at the venue: the target waits here, or both could fill."""
    missed = algo.leg(TARGET)
    if missed.failures and facts.now_ns < missed.failed_ns + MISSED_NS:
        return []
    if not facts.has_touched(plan.target_ticks, plan.side):
        return []
    price = facts.instrument.price(plan.target_ticks)
    return [remember(algo, f"target {price} reached", is_touched=True, due_ns=facts.now_ns)]


def _take_target(algo: AlgoState, facts: Facts, plan: Plan) -> list[Decision]:
    """The stop must be gone before the target is sent; if it does not fill, the stop comes back."""
    if algo.live(STOP):
        return withdraw(algo, facts.now_ns, STOP)
    if algo.live(TARGET):
        return []
    if algo.leg(TARGET).failures and algo.leg(TARGET).failed_ns >= algo.memory.due_ns:
        return [remember(algo, "target missed: the stop comes back", is_touched=False)]
    spec = limit_order(
        facts,
        plan.side,
        plan.lots,
        plan.target_ticks,
        TimeInForce.IOC,
        reduce_only=True,
        purpose=Purpose.PROTECTIVE,
    )
    return [Place(TARGET, spec)]


# -- one leg -----------------------------------------------------------------------------------


def _counts(order: Order) -> bool:
    """Whether the order can be relied on to be there."""
    return order.pending not in (Pending.CANCELLING, Pending.UNKNOWN)


def _cover(algo: AlgoState, facts: Facts, leg: str, wanted: OrderSpec) -> list[Decision]:
    """Make the orders of `leg` add up to `wanted`, never leaving the position bare."""
    live = algo.live(leg)
    fits = [order for order in live if _counts(order) and _is_like(order.spec, wanted)]
    stale = [order for order in live if _counts(order) and not _is_like(order.spec, wanted)]
    have = leaves(fits)
    if not facts.abilities.has_reduce_only:
        return _cover_alone(algo, facts, leg, wanted, live)
    if have < wanted.qty_lots:
        return _place(algo, facts, leg, wanted, have)
    firm = [order for order in fits if order.status in _FIRM]
    # While the book holds nothing else, the venue cuts what is too much by itself. Otherwise two
    # orders at a time would sell what is not to be guarded: the cancel goes out with the new one.
    is_alone = abs(facts.position_lots) <= wanted.qty_lots
    decisions: list[Decision] = []
    if leaves(firm) >= wanted.qty_lots or not is_alone:
        decisions += cancels(algo, facts.now_ns, stale)
    spare = leaves(firm) - wanted.qty_lots
    if have == wanted.qty_lots or is_alone or len(firm) < len(fits):
        return decisions
    needless = []
    for order in firm:
        if order.leaves_lots <= spare:
            spare -= order.leaves_lots
            needless.append(order)
    if not needless and not decisions and facts.instrument.min_lots <= wanted.qty_lots:
        return _place(algo, facts, leg, wanted, 0)
    return [*decisions, *cancels(algo, facts.now_ns, needless)]


def _cover_alone(
    algo: AlgoState, facts: Facts, leg: str, wanted: OrderSpec, live: list[Order]
) -> list[Decision]:
    """Without reduce-only one order at a time: the old one must be gone before the new."""
    if any(not _is_like(order.spec, wanted) for order in live) or leaves(live) > wanted.qty_lots:
        return withdraw(algo, facts.now_ns, leg)
    have = leaves(live)
    return _place(algo, facts, leg, wanted, have) if have < wanted.qty_lots else []


def _place(algo: AlgoState, facts: Facts, leg: str, wanted: OrderSpec, have: int) -> list[Decision]:
    least = facts.instrument.min_lots
    missing = wanted.qty_lots - have
    if missing < least:
        missing = wanted.qty_lots  # Too small an addition: a whole new one, then the old goes.
    if missing < least or facts.now_ns < algo.leg(leg).retry_ns:
        return []
    return [Place(leg, resized(wanted, missing))]


def _is_like(spec: OrderSpec, wanted: OrderSpec) -> bool:
    return (spec.type, spec.price_ticks, spec.trigger_ticks) == (
        wanted.type,
        wanted.price_ticks,
        wanted.trigger_ticks,
    )


def resized(spec: OrderSpec, lots: int) -> OrderSpec:
    return OrderSpec(
        instrument_id=spec.instrument_id,
        side=spec.side,
        qty_lots=lots,
        type=spec.type,
        price_ticks=spec.price_ticks,
        trigger_ticks=spec.trigger_ticks,
        tif=spec.tif,
        reduce_only=spec.reduce_only,
        purpose=spec.purpose,
    )
