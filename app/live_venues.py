"""Makes accounts and feeds at live venues: which venue, whose key, through which session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.paths import Paths
from engine.core.clock import Clock
from engine.core.ids import session_rng
from engine.ports.live import MarketFeed
from engine.venues.account import VenueAccount, open_account
from engine.venues.budget import RateBudget
from engine.venues.ccxt_feed import PolledFeed
from engine.venues.feed import binance_feed
from engine.venues.fills import Worth
from engine.venues.quirks import FIRST_CLASS, quirks_of

if TYPE_CHECKING:
    import aiohttp

    from engine.venues.ccxt_client import ApiKey
    from engine.venues.rest import SessionFactory

PROVEN_VENUES = tuple(FIRST_CLASS)
"""Venues that are proven against the drill exchange; others go ccxt's general road."""


def plain_session() -> aiohttp.ClientSession:
    """A session to the world. It trusts what this machine trusts, and the usual authorities, which
    some Pythons come without."""
    import ssl

    import aiohttp
    import certifi

    trusted = ssl.create_default_context()
    trusted.load_verify_locations(certifi.where())
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted))


def venue_folder(paths: Paths, drill: Path | None, fingerprint: str) -> Path:
    """Where our processes share what the venues allow them together. Each drill exchange (its
    folder) is a world of its own, whose bans end with it; its key is made at its start."""
    return paths.state / "venues" if drill is None else drill / f"client-{fingerprint}"


def make_account(
    venue: str,
    key: ApiKey,
    clock: Clock,
    *,
    session_factory: SessionFactory = plain_session,
    worth: Worth | None = None,
    seed: int = 1,
    folder: Path | None = None,
) -> VenueAccount:
    """An account that is not connected yet; call it inside the event loop. `seed` spreads the
    reconnections of several engines; the drill exchange hands in its `session_factory`. In
    `folder` the processes of this machine share what the venue allows them together, and keep its
    rules; another for each drill exchange. BadInput when there is no such venue."""
    return open_account(
        quirks_of(venue),
        key,
        session_factory=session_factory,
        clock=clock,
        rng=session_rng(seed),
        worth=worth,
        folder=folder,
    )


def make_feed(
    venue: str,
    clock: Clock,
    *,
    session_factory: SessionFactory = plain_session,
    folder: Path | None = None,
) -> MarketFeed:
    """A market feed that is not opened yet; `folder` as with accounts. Frames of the proven venues
    are read as they come; others are asked through ccxt every few seconds. May compile for a minute
    in a fresh installation. BadInput when there is no such venue."""
    quirks = quirks_of(venue)
    budget = RateBudget(folder, quirks.venue, clock)
    if venue not in FIRST_CLASS:
        return PolledFeed(quirks, session_factory, clock, budget=budget)
    return binance_feed(venue, session_factory, clock, budget=budget)
