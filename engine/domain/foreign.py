"""Orders of the account that no engine of this ledger has sent: shown, counted, never touched."""

from __future__ import annotations

import msgspec

from engine.domain.order import Side


class ForeignOrder(msgspec.Struct, frozen=True, kw_only=True):
    venue_order_id: str
    client_order_id: str
    """Whatever its owner called it; "" where it has no name."""
    instrument_id: str
    side: Side
    leaves_lots: int
    price_ticks: int
    reduce_only: bool = False
