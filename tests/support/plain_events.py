"""Numbered events for processes that tests start: no test library is loaded for them."""

from __future__ import annotations

from engine.domain.events import Noted

T0_NS = 1_723_104_000_000_000_000
"""2024-08-08 08:00 UTC: a usual beginning."""


def numbered(number: int) -> Noted:
    return Noted(ts_ns=T0_NS + number, bot_id="bot-1", text=f"note {number}")
