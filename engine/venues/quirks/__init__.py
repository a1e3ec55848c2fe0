"""Venue differences as data: `quirks_of` names them all, known or not."""

from __future__ import annotations

from engine.venues.quirks.binance import BINANCE_SPOT, BINANCE_USDM
from engine.venues.quirks.shape import Quirks, Road

FIRST_CLASS = {quirks.venue: quirks for quirks in (BINANCE_SPOT, BINANCE_USDM)}
"""Venues with a road of their own, proven against the drill exchange."""


def quirks_of(venue: str) -> Quirks:
    """The venue's quirks. One that is not listed is taken for ccxt's id, with defaults that trust
    it in nothing; whether ccxt has it shows when its client is made."""
    return FIRST_CLASS.get(venue) or Quirks(venue=venue, ccxt_id=venue)


__all__ = ["FIRST_CLASS", "Quirks", "Road", "quirks_of"]
