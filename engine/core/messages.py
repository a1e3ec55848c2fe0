"""What the trader is told besides commands and reports."""

from __future__ import annotations

import msgspec

from engine.domain.commands import AnyCommand
from engine.domain.reports import AnyVenueReport


class MarketAdvanced(msgspec.Struct, frozen=True, kw_only=True):
    """The market views now include everything received up to this instant."""

    instrument_id: str
    reasons: int
    """`WAKE_` codes of `engine.kernels.layout`."""


class TimersDue(msgspec.Struct, frozen=True, kw_only=True):
    """Time has passed; timers at or before now may fire."""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """The runtime cannot, or can again, vouch for the venue or one of its markets."""

    instrument_id: str
    """"" for all of them."""
    reason: str
    """"" when trading goes on."""


Message = AnyCommand | AnyVenueReport | MarketAdvanced | TimersDue | Hold
