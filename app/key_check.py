"""Asking a venue what a key may do there, before it is trusted with live trading."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.live_venues import make_account, plain_session
from app.secrets import Credentials
from engine.core.clock import LiveClock
from engine.domain.claims import KeyPermissions
from engine.ports.live import FaultKind, VenueFault
from engine.venues.venue_clock import offset_trouble

if TYPE_CHECKING:
    from engine.venues.rest import SessionFactory

_FIRST_OF = {"binance": "binance_spot"}
"""Which of a family's venues is asked about a key that serves all of them."""


async def fetch_permissions(
    credentials: Credentials, folder: Path, session_factory: SessionFactory | None = None
) -> KeyPermissions:
    """What the key may do. VenueFault when the venue does not tell, wants to be left alone (also
    when another process has heard it, see `venue_folder`), or this machine's clock is too far from
    its; BadInput when there is no such venue. The credentials are forgotten."""
    venue = _FIRST_OF.get(credentials.venue, credentials.venue)
    session = (session_factory or plain_session)()
    try:
        account = make_account(
            venue, credentials, LiveClock(), session_factory=lambda: session, folder=folder
        )
        credentials.forget()
        try:
            reading = await account.measure_clock()
            if trouble := offset_trouble(reading.offset_ns):
                raise VenueFault(FaultKind.CLOCK, trouble)
            return await account.fetch_key_permissions()
        finally:
            await account.close()
    finally:
        credentials.forget()
        await session.close()
