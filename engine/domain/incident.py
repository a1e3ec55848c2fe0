"""Incidents: where the venue and we do not tell the same story, until a person has decided.

While one is open its instrument takes orders that reduce risk and no others.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec


class IncidentKind(enum.StrEnum):
    CONTRADICTION = "contradiction"
    """An answer of the venue that does not fit what we know of the order."""
    UNKNOWN = "unknown"
    """A placement without an answer for longer than any answer takes."""
    FOREIGN = "foreign"
    """An order at the venue that we never sent, or have long forgotten."""
    POSITION = "position"
    """The venue holds another quantity for a book than our fills add up to."""
    BALANCE = "balance"
    """The venue holds another amount of an asset than opening, fills, fees and transfers add up
    to: it is unexplained."""


class Choice(enum.StrEnum):
    """What a person can decide, or what ended it without one."""

    ADOPT = "adopt"
    """The venue is right: our record becomes what it says."""
    IGNORE = "ignore"
    """Our record is right: nothing changes."""
    FLATTEN = "flatten"
    """As adopt, then the book is closed."""
    ANSWERED = "answered"
    """The venue's late answer settled it; nobody decided."""


CHOICES: dict[IncidentKind, tuple[Choice, ...]] = {
    IncidentKind.CONTRADICTION: (Choice.ADOPT, Choice.FLATTEN),
    IncidentKind.UNKNOWN: (Choice.ADOPT, Choice.IGNORE, Choice.FLATTEN),
    IncidentKind.FOREIGN: (Choice.IGNORE, Choice.FLATTEN),
    IncidentKind.POSITION: (Choice.ADOPT, Choice.IGNORE, Choice.FLATTEN),
    IncidentKind.BALANCE: (Choice.ADOPT, Choice.IGNORE),
}
"""A contradiction is in the books already: what the venue said was booked when it said it. A
foreign order has no record of ours that could become anything."""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    incident_id: str
    kind: IncidentKind
    since_ns: int
    instrument_id: str
    """"" where the venue's message does not say: then every instrument is reduce-only."""
    bot_id: str = ""
    client_order_id: str = ""
    ours: str
    """What our record says, in words."""
    venues: str
    """What the venue says, in words."""
    last_event: str
    missing_lots: int = 0
    """The venue's position minus ours, for POSITION."""
    asset: str = ""
    missing: Decimal = Decimal(0)
    """The venue's amount of `asset` minus ours, for BALANCE."""

    @property
    def ignore_key(self) -> str:
        """What it is remembered by once a person has ignored it; "" where nothing is."""
        if self.kind is IncidentKind.POSITION:
            return position_key(self.bot_id, self.instrument_id, self.missing_lots)
        if self.kind is IncidentKind.BALANCE:
            return balance_key(self.asset, self.missing)
        named = (IncidentKind.UNKNOWN, IncidentKind.FOREIGN)
        return self.client_order_id if self.kind in named else ""


def position_key(bot_id: str, instrument_id: str, missing_lots: int) -> str:
    return f"{bot_id}/{instrument_id}/{missing_lots}"


def balance_key(asset: str, missing: Decimal) -> str:
    return f"{asset}/{missing.normalize()}"
