"""The orders of a backtest as rows for a file."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, ZERO
from engine.domain.order import Order, OrderStatus, OrderType, Purpose, Side, TimeInForce


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One order from the decision to its end."""

    order_id: str
    created_ns: int
    ended_ns: int
    """0: it was still working when the data ended."""
    side: Side
    type: OrderType
    tif: TimeInForce
    purpose: Purpose
    placed_by: str
    price: Decimal
    """0 where it had no limit."""
    trigger: Decimal
    qty: Decimal
    filled: Decimal
    average_price: Decimal
    """To a hundredth of a tick; 0 without a fill."""
    queue_ahead: Decimal
    """Quantity ahead when it joined its level; -1 where it never rested."""
    status: OrderStatus
    reason: str


def order_row(order: Order, instrument: Instrument, ended_ns: int, reason: str) -> OrderRow:
    spec = order.spec
    ticks = instrument.entry_ticks(order.filled_lots, order.filled_value_units)
    ahead = order.queue_ahead_lots
    return OrderRow(
        order_id=order.client_order_id,
        created_ns=order.created_ns,
        ended_ns=ended_ns,
        side=spec.side,
        type=spec.type,
        tif=spec.tif,
        purpose=spec.purpose,
        placed_by=order.placed_by,
        price=instrument.price(spec.price_ticks),
        trigger=instrument.price(spec.trigger_ticks),
        qty=instrument.qty(spec.qty_lots),
        filled=instrument.qty(order.filled_lots),
        average_price=ZERO if ticks is None else MONEY.multiply(ticks, instrument.tick),
        queue_ahead=instrument.qty(ahead) if ahead >= 0 else Decimal(-1),
        status=order.status,
        reason=reason,
    )
