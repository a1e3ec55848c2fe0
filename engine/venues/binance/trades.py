"""What spot and USD-M tell of one execution in the same fields."""

from __future__ import annotations

from decimal import Decimal

from engine.domain.claims import OrderClaim, TradeClaim
from engine.domain.instrument import Instrument
from engine.venues.fields import (
    JsonObject,
    Unreadable,
    asset,
    flag,
    lots,
    need_name,
    optional_amount,
    ticks,
)
from engine.venues.fills import Worth, make_fill


def streamed_trade(
    row: JsonObject, order: OrderClaim, instrument: Instrument, worth: Worth
) -> TradeClaim:
    """The execution in an event of the user stream that also told `order`.

    {"t": 98765432, "l": "1.00000000", "L": "2500.00000000", "n": "0.00100000", "N": "ETH",
     "m": true}
    """
    fee = optional_amount(row, "n")
    fill = make_fill(
        instrument,
        trade_id=need_name(row, "t"),
        ticks=ticks(row, "L", instrument),
        lots=lots(row, "l", instrument),
        fee=fee,
        fee_asset=fee_asset(row, "N", fee, instrument),
        is_maker=flag(row, "m"),
        venue_ns=order.venue_ns,
        worth=worth,
    )
    return TradeClaim(
        instrument_id=order.instrument_id,
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id,
        side=order.side,
        fill=fill,
    )


def fee_asset(row: JsonObject, field: str, fee: Decimal, instrument: Instrument) -> str:
    """Without a fee the venue names no asset."""
    if row.get(field) in (None, ""):
        if fee != 0:
            raise Unreadable(field, row.get(field), "expected the asset of the fee")
        return instrument.settle
    return asset(row, field)
