"""A post-only order that follows the best price of its own side."""

from __future__ import annotations

from engine.domain.algo import Pegged
from engine.domain.order import Order, Side, TimeInForce
from engine.trading.algos.core import Decision, Facts, Place, limit_order, remember, withdraw
from engine.trading.algos.simple import failed, finish, left_lots
from engine.trading.algos.state import AlgoState

PEG = "peg"
MS = 1_000_000
REFUSALS_MAX = 10


def peg_ticks(spec: Pegged, best_bid: int, best_ask: int, anchor_ticks: int) -> int:
    """Where the order belongs: never through the other side, the limit or the chase cap."""
    sign = spec.side.sign
    own, other = (best_bid, best_ask) if spec.side is Side.BUY else (best_ask, best_bid)
    bounds = [own + sign * spec.improve_ticks, other - sign]
    if spec.limit_ticks:
        bounds.append(spec.limit_ticks)
    if spec.chase_ticks and anchor_ticks:
        bounds.append(anchor_ticks + sign * spec.chase_ticks)
    return max(1, min(bounds) if spec.side is Side.BUY else max(bounds))


def step(algo: AlgoState, facts: Facts) -> list[Decision]:
    spec = algo.spec
    assert isinstance(spec, Pegged)
    last = finish(algo, facts)
    if last is not None:
        return last
    if algo.leg(PEG).failures >= REFUSALS_MAX:
        return failed(algo, facts, PEG)
    if not facts.is_ready:
        return []
    price = peg_ticks(spec, facts.best_bid, facts.best_ask, algo.memory.anchor_ticks)
    live = algo.live(PEG)
    if live:
        is_due = facts.now_ns >= algo.memory.due_ns
        stays = live[0].spec.price_ticks == price or _is_alone(live[0], facts)
        return [] if stays or not is_due else withdraw(algo, facts.now_ns, PEG)
    if facts.now_ns < algo.leg(PEG).retry_ns:
        return []
    order = limit_order(
        facts,
        spec.side,
        left_lots(algo, facts),
        price,
        TimeInForce.POST_ONLY,
        reduce_only=spec.reduce_only,
    )
    noted = remember(
        algo,
        steps=algo.memory.steps + 1,
        anchor_ticks=algo.memory.anchor_ticks or price,
        due_ns=facts.now_ns + spec.every_ms * MS,
    )
    return [noted, Place(PEG, order)]


def _is_alone(order: Order, facts: Facts) -> bool:
    """Whether the best price that we see is only our own order: following it would be a chase
    after ourselves."""
    if not facts.abilities.shows_own_orders:
        return False
    is_buy = order.spec.side is Side.BUY
    best, lots = (facts.best_bid, facts.bid_lots) if is_buy else (facts.best_ask, facts.ask_lots)
    return order.spec.price_ticks == best and lots <= order.leaves_lots
