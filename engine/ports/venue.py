"""What the trader asks of a venue. Answers come back as `engine.domain.reports`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from engine.domain.order import OrderSpec


class VenueAbilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue does by itself; what it does not, the engine does in its place."""

    has_stop: bool = True
    """Stops and stop-limits rest there; otherwise the engine watches the trades."""
    has_reduce_only: bool = True
    """It cuts a reduce-only order to the position, so a stop and a target may rest side by side
    and a new stop may be placed before the old one is gone."""
    shows_own_orders: bool = False
    """Our resting orders are part of the book that we see."""


SIMULATED = VenueAbilities()
"""What the simulated exchange does."""


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
