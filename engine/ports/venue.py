"""What the trader asks of a venue. Answers come back as `engine.domain.reports`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from engine.domain.order import OrderSpec


class Submit(msgspec.Struct, frozen=True, kw_only=True):
    """Send this order. Its intent is already durable; it is never sent twice."""

    client_order_id: str
    bot_id: str
    spec: OrderSpec


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    client_order_id: str


VenueRequest = Submit | Cancel


class Venue(Protocol):
    def submit(self, requests: Sequence[VenueRequest], now_ns: int) -> None:
        """Hand over `requests` at local time `now_ns`. Returns at once; reports come later."""
