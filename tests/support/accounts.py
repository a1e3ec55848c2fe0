"""Accounts at a scripted venue, and a sink that remembers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from engine.core.clock import LiveClock
from engine.core.ids import session_rng
from engine.domain.claims import AccountNews, OrderClaim, TradeClaim
from engine.domain.order import OrderSpec, OrderType, Side, TimeInForce
from engine.ports.live import LinkState, UserLinkChanged
from engine.ports.venue import Submit
from engine.venues.account import VenueAccount, open_account
from engine.venues.quirks import Quirks, quirks_of
from tests.support.scripted_venue import ScriptedVenue

SPOT_INFO = {
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "0.01",
                    "maxPrice": "1000000.00",
                    "tickSize": "0.01",
                },
                {
                    "filterType": "LOT_SIZE",
                    "minQty": "0.00001",
                    "maxQty": "9000.0",
                    "stepSize": "0.00001",
                },
                {
                    "filterType": "MARKET_LOT_SIZE",
                    "minQty": "0.0",
                    "maxQty": "120.5",
                    "stepSize": "0.0",
                },
                {
                    "filterType": "NOTIONAL",
                    "minNotional": "5.0",
                    "applyMinToMarket": True,
                    "maxNotional": "9000000.0",
                    "applyMaxToMarket": False,
                    "avgPriceMins": 5,
                },
            ],
        }
    ]
}
USDM_INFO = {
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "contractType": "PERPETUAL",
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "556.80",
                    "maxPrice": "4529764",
                    "tickSize": "0.10",
                },
                {
                    "filterType": "LOT_SIZE",
                    "minQty": "0.001",
                    "maxQty": "1000",
                    "stepSize": "0.001",
                },
                {"filterType": "MIN_NOTIONAL", "notional": "100"},
                {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95"},
            ],
        }
    ]
}
SPOT = "binance_spot.BTCUSDT"
USDM = "binance_usdm.BTCUSDT"


class TestKey:
    """A key that opens nothing."""

    __test__ = False

    def reveal(self) -> tuple[str, str, str]:
        return "k" * 64, "s" * 64, ""


class Remembering:
    """An `AccountSink` that keeps everything, and can be waited on."""

    def __init__(self) -> None:
        self.news: list[AccountNews] = []
        self.links: list[UserLinkChanged] = []
        self._changed = asyncio.Event()

    def on_account(self, news: AccountNews, received_ns: int) -> None:
        assert received_ns > 0
        self.news.append(news)
        self._changed.set()

    def on_user_link(self, news: UserLinkChanged) -> None:
        self.links.append(news)
        self._changed.set()

    @property
    def orders(self) -> list[OrderClaim]:
        return [item for item in self.news if isinstance(item, OrderClaim)]

    @property
    def trades(self) -> list[TradeClaim]:
        return [item for item in self.news if isinstance(item, TradeClaim)]

    @property
    def states(self) -> list[LinkState]:
        return [link.state for link in self.links]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until `is_so`; the test's own time limit ends what never comes."""
        while not is_so():
            self._changed.clear()
            if not is_so():
                await self._changed.wait()


def fixed_worth(asset: str, settle: str, amount: Decimal) -> Decimal | None:
    """BNB is worth 600."""
    return amount * 600 if (asset, settle) == ("BNB", "USDT") else None


async def spot_account(venue: ScriptedVenue, quirks: Quirks | None = None) -> VenueAccount:
    """A loaded Binance spot account whose clock has been measured."""
    venue.answer("GET /api/v3/time", {"serverTime": time.time_ns() // 1_000_000})
    venue.answer("GET /api/v3/exchangeInfo", SPOT_INFO)
    return await _loaded(venue, quirks or quirks_of("binance_spot"))


async def usdm_account(venue: ScriptedVenue) -> VenueAccount:
    """The same at Binance USD-M."""
    venue.answer("GET /fapi/v1/time", {"serverTime": time.time_ns() // 1_000_000})
    venue.answer("GET /fapi/v1/exchangeInfo", USDM_INFO)
    return await _loaded(venue, quirks_of("binance_usdm"))


async def _loaded(venue: ScriptedVenue, quirks: Quirks) -> VenueAccount:
    account = open_account(
        quirks,
        TestKey(),
        session_factory=venue.session,
        clock=LiveClock(),
        rng=session_rng(1),
        worth=fixed_worth,
    )
    try:
        await account.measure_clock()
        await account.load_instruments(["BTCUSDT"])
    except BaseException:
        await account.close()
        raise
    return account


def submit(
    side: Side = Side.BUY,
    qty_lots: int = 1_000,
    price_ticks: int = 6_000_000,
    *,
    instrument_id: str = SPOT,
    client_order_id: str = "q00000000000000001",
    type: OrderType = OrderType.LIMIT,
    trigger_ticks: int = 0,
    tif: TimeInForce = TimeInForce.GTC,
    reduce_only: bool = False,
) -> Submit:
    spec = OrderSpec(
        instrument_id=instrument_id,
        side=side,
        qty_lots=qty_lots,
        type=type,
        price_ticks=price_ticks,
        trigger_ticks=trigger_ticks,
        tif=tif,
        reduce_only=reduce_only,
    )
    return Submit(client_order_id=client_order_id, bot_id="manual", spec=spec)


def spot_order(**changes: Any) -> Mapping[str, Any]:
    """An order of the REST interface."""
    return {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": "q00000000000000001",
        "transactTime": 1507725176595,
        "price": "60000.00000000",
        "origQty": "0.01000000",
        "executedQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "fills": [],
        **changes,
    }


def execution_report(**changes: Any) -> Mapping[str, Any]:
    """An event of the spot user stream, as it comes on the wire."""
    event = {
        "e": "executionReport",
        "E": 1709654401000,
        "s": "BTCUSDT",
        "c": "q00000000000000001",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.01000000",
        "p": "60000.00000000",
        "P": "0.00000000",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": 28,
        "l": "0.00000000",
        "z": "0.00000000",
        "L": "0.00000000",
        "n": "0",
        "N": None,
        "T": 1709654401000,
        "t": -1,
        "w": True,
        "m": False,
        "C": "",
    }
    return {"subscriptionId": 0, "event": {**event, **changes}}
