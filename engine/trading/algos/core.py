"""What every algo's step sees and says. Pure: no clock, no state but what is handed in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from engine.domain.algo import AlgoMemory, AlgoOutcome
from engine.domain.instrument import Instrument
from engine.domain.order import Order, OrderSpec, OrderType, Pending, Purpose, Side, TimeInForce
from engine.ports.venue import VenueAbilities
from engine.trading.algos.state import AlgoState


class Facts(NamedTuple):
    """One book at one instant. Prices in ticks; the touch means something while `is_ready`."""

    now_ns: int
    instrument: Instrument
    abilities: VenueAbilities
    is_ready: bool
    best_bid: int
    best_ask: int
    bid_lots: int
    ask_lots: int
    last_ticks: int
    """Last trade, 0 before the first."""
    volume_lots: int
    """Traded by the market since some beginning."""
    position_lots: int
    """Of the book that the algo trades for."""
    no_entry: str
    """Why risk may not be added now; empty while it may."""

    def best(self, side: Side) -> int:
        return self.best_bid if side is Side.BUY else self.best_ask

    def has_touched(self, ticks: int, side: Side) -> bool:
        """Whether the last trade is as good as `ticks` for an order of `side`, or better."""
        return self.last_ticks != 0 and (ticks - self.last_ticks) * side.sign >= 0


class Place(NamedTuple):
    leg: str
    spec: OrderSpec


class Withdraw(NamedTuple):
    client_order_id: str


class Remember(NamedTuple):
    memory: AlgoMemory
    note: str = ""


class Alarm(NamedTuple):
    """A protective leg is missing; "" takes it back."""

    text: str


class End(NamedTuple):
    outcome: AlgoOutcome
    reason: str


Decision = Place | Withdraw | Remember | Alarm | End


def remember(algo: AlgoState, note: str = "", **changes: Any) -> Remember:
    return Remember(msgspec.structs.replace(algo.memory, **changes), note)


def withdraw(algo: AlgoState, now_ns: int, *legs: str) -> list[Decision]:
    """Cancel what still works of `legs`; of all, when none is named."""
    orders = [order for order in algo.orders.values() if not legs or order.leg in legs]
    return cancels(algo, now_ns, orders)


def cancels(algo: AlgoState, now_ns: int, orders: Iterable[Order]) -> list[Decision]:
    """Cancel `orders` of the algo; after a cancel that the venue refused not at once again."""
    return [
        Withdraw(order.client_order_id)
        for order in orders
        if order.pending is not Pending.CANCELLING and now_ns >= algo.leg(order.leg).next_cancel_ns
    ]


def entry_over(algo: AlgoState, facts: Facts) -> Remember | None:
    """The decision to enter no further, when something forbids it that did not before."""
    if algo.memory.entry_over or not facts.no_entry:
        return None
    return remember(algo, f"no further entry: {facts.no_entry}", entry_over=facts.no_entry)


def market_order(
    facts: Facts, side: Side, lots: int, *, reduce_only: bool, purpose: Purpose
) -> OrderSpec:
    return OrderSpec(
        instrument_id=facts.instrument.instrument_id,
        side=side,
        qty_lots=lots,
        type=OrderType.MARKET,
        tif=TimeInForce.IOC,
        reduce_only=reduce_only,
        purpose=purpose,
    )


def limit_order(
    facts: Facts,
    side: Side,
    lots: int,
    price_ticks: int,
    tif: TimeInForce = TimeInForce.GTC,
    *,
    reduce_only: bool = False,
    purpose: Purpose | None = None,
) -> OrderSpec:
    return OrderSpec(
        instrument_id=facts.instrument.instrument_id,
        side=side,
        qty_lots=lots,
        price_ticks=price_ticks,
        tif=tif,
        reduce_only=reduce_only,
        purpose=purpose or (Purpose.EXIT if reduce_only else Purpose.ENTRY),
    )


def maker_tif(*, post_only: bool) -> TimeInForce:
    return TimeInForce.POST_ONLY if post_only else TimeInForce.GTC


def floor_lots(instrument: Instrument, price_ticks: int, *, reduce_only: bool) -> int:
    """The smallest order that the venue takes at this price."""
    lots = instrument.min_lots
    if reduce_only or not instrument.min_notional or price_ticks <= 0:
        return lots
    while instrument.notional(lots, price_ticks) < instrument.min_notional:
        # Values are proportional to lots up to rounding, so this settles in a step or two.
        have = instrument.notional(lots, price_ticks)
        need = int(lots * instrument.min_notional / have) if have else 2 * lots
        lots = max(lots + 1, need)
    return lots


def leaves(orders: list[Order]) -> int:
    return sum(order.leaves_lots for order in orders)


def fair_parts(total: int, weights: list[int]) -> list[int]:
    """`total` in whole parts in proportion to `weights`; the sum is exact, each part is within one
    of its share."""
    whole = sum(weights)
    marks = [0]
    seen = 0
    for weight in weights:
        seen += weight
        marks.append(total * seen // whole)
    return [after - before for before, after in itertools.pairwise(marks)]
