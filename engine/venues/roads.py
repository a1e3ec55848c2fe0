"""Which dialect a venue is spoken to in."""

from __future__ import annotations

from engine.venues.binance.fills import Worth
from engine.venues.binance.spot import BinanceSpot
from engine.venues.ccxt_client import CcxtClient
from engine.venues.dialect import Asker, Dialect
from engine.venues.quirks import Road


def make_dialect(client: CcxtClient, ask: Asker, worth: Worth) -> Dialect:
    road = client.quirks.road
    assert road is Road.BINANCE_SPOT, road
    return BinanceSpot(client, ask, worth)
