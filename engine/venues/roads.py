"""Which dialect a venue is spoken to in."""

from __future__ import annotations

from engine.venues.binance.spot import BinanceSpot
from engine.venues.binance.usdm import BinanceUsdm
from engine.venues.ccxt_client import CcxtClient
from engine.venues.dialect import Asker, Dialect
from engine.venues.fills import Worth
from engine.venues.quirks import Road
from engine.venues.unified import Unified


def make_dialect(client: CcxtClient, ask: Asker, worth: Worth) -> Dialect:
    match client.quirks.road:
        case Road.BINANCE_SPOT:
            return BinanceSpot(client, ask, worth)
        case Road.BINANCE_USDM:
            return BinanceUsdm(client, ask, worth)
        case Road.UNIFIED:
            return Unified(client, worth)
