"""Algos in words, and where each of their legs is: at the venue or in the engine."""

from __future__ import annotations

from decimal import Decimal

from engine.domain import algo as a
from engine.domain.instrument import Instrument
from engine.domain.money import plain
from engine.domain.order import Order, OrderStatus, Pending, Side
from engine.domain.snapshots import LegSnapshot
from engine.trading.algos.bracket import stop_ticks
from engine.trading.algos.state import ENTRY, STOP, TARGET, AlgoState

_PRICES = (
    ("price_ticks", "@"),
    ("trigger_ticks", "trigger"),
    ("stop_price_ticks", "then limit"),
    ("first_ticks", "from"),
    ("last_ticks", "to"),
    ("stop_ticks", "stop"),
    ("target_ticks", "target"),
    ("trail_ticks", "trailing"),
    ("distance_ticks", "distance"),
    ("activate_ticks", "from"),
    ("limit_ticks", "limit"),
    ("chase_ticks", "chase"),
)
_COUNTS = (("rungs", "rungs"), ("slices", "slices"))
_SHARES = (
    ("trail_bp", "trailing {} %"),
    ("distance_bp", "distance {} %"),
    ("share_bp", "{} % of the volume"),
)


def algo_words(spec: a.AnyAlgo, instrument: Instrument) -> str:
    """`bracket buy 0.010 @ 60000.0 stop 59900.0 target 60100.0`."""
    words = [a.kind_words(spec), str(spec.side), plain(instrument.qty(spec.qty_lots))]
    for name, word in _PRICES:
        ticks = getattr(spec, name, 0)
        if ticks:
            words.append(f"{word} {instrument.price(ticks)}")
    for name, word in _COUNTS:
        if getattr(spec, name, 0):
            words.append(f"{getattr(spec, name)} {word}")
    for name, form in _SHARES:
        if getattr(spec, name, 0):
            words.append(form.format(plain(Decimal(getattr(spec, name)) / 100)))
    if isinstance(spec, a.Iceberg):
        words.append(f"showing {plain(instrument.qty(spec.show_lots))}")
    if isinstance(spec, a.Pegged):
        words.append("join" if not spec.improve_ticks else f"improve {spec.improve_ticks}")
    if getattr(spec, "post_only", False):
        words.append("post-only")
    if a.is_reducing(spec):
        words.append("reduce-only")
    return " ".join(words)


def legs_of(algo: AlgoState) -> list[LegSnapshot]:
    """Its live orders, oldest first, then what it holds back."""
    return [*(_sent(order) for order in algo.orders.values()), *_held(algo)]


def _sent(order: Order) -> LegSnapshot:
    where = "venue"
    if order.pending is Pending.CANCELLING:
        where = "leaving"
    elif order.status is OrderStatus.INTENT:
        where = "sending"
    return LegSnapshot(
        leg=order.leg,
        where=where,
        side=order.spec.side,
        lots=order.leaves_lots,
        price_ticks=order.spec.price_ticks,
        trigger_ticks=order.spec.trigger_ticks,
        client_order_id=order.client_order_id,
    )


def _held(algo: AlgoState) -> list[LegSnapshot]:
    """Orders that are decided on and wait in the engine; they are lost to a crash until it is
    back, unlike those at the venue."""
    spec = algo.spec
    if algo.ending:
        return []
    match spec:
        case a.Bracket():
            return _held_exits(algo, spec)
        case a.Oco() if spec.reduce_only:
            left = spec.qty_lots - algo.exited_lots
            ticks = (spec.trigger_ticks, spec.price_ticks)
            return _exits(algo, spec.side, left, ticks)
        case a.Oco() | a.IfTouched() | a.TakeProfit() if not algo.memory.is_touched:
            left = spec.qty_lots - algo.entered_lots
            return [
                _waiting(
                    STOP if isinstance(spec, a.Oco) else "order",
                    spec.side,
                    left,
                    trigger=spec.trigger_ticks,
                )
            ]
        case a.TrailingStop() if not algo.orders:
            trigger = algo.memory.stop_ticks or spec.activate_ticks
            return [_waiting(STOP, spec.side, spec.qty_lots, trigger=trigger)]
    sent = sum(order.leaves_lots for order in algo.orders.values())
    left = spec.qty_lots - algo.entered_lots - sent
    if isinstance(spec, a.Oco | a.IfTouched | a.TakeProfit | a.TrailingStop) or left <= 0:
        return []
    return [_waiting("rest", spec.side, left, price=getattr(spec, "price_ticks", 0))]


def _held_exits(algo: AlgoState, spec: a.Bracket) -> list[LegSnapshot]:
    """The exits of what has not entered yet, and those that the venue cannot hold."""
    open_lots = algo.entered_lots - algo.exited_lots
    entering = sum(order.leaves_lots for order in algo.live(ENTRY))
    side, ticks = spec.side.opposite, (stop_ticks(algo, spec), spec.target_ticks)
    return _exits(algo, side, open_lots + entering, ticks)


def _exits(algo: AlgoState, side: Side, lots: int, ticks: tuple[int, int]) -> list[LegSnapshot]:
    stop, target = ticks
    rows = []
    missing = lots - sum(order.leaves_lots for order in algo.live(STOP))
    if stop and missing > 0:
        rows.append(_waiting(STOP, side, missing, trigger=stop))
    missing = lots - sum(order.leaves_lots for order in algo.live(TARGET))
    if target and missing > 0:
        rows.append(_waiting(TARGET, side, missing, price=target))
    return rows


def _waiting(leg: str, side: Side, lots: int, price: int = 0, trigger: int = 0) -> LegSnapshot:
    return LegSnapshot(
        leg=leg, where="engine", side=side, lots=lots, price_ticks=price, trigger_ticks=trigger
    )
