"""Binance USD-M's public pages: rules, book, trades, prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from engine.drill.candles import Candle
from engine.drill.dialects.binance_spot_public import WIDTHS_NS
from engine.drill.dialects.binance_usdm_words import aggregate, ms, symbol_info
from engine.drill.dialects.binance_words import ApiError, Params, mandatory
from engine.drill.exchange import Exchange
from engine.drill.listing import DAY_NS, Listing
from engine.drill.units import text, value

DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
_RATE_LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
]


class MarketPages:
    def __init__(
        self, exchange: Exchange, next_funding_ns: Callable[[], int], funding_rate: Decimal
    ) -> None:
        self._exchange = exchange
        self._next_funding_ns = next_funding_ns
        self._funding_rate = funding_rate

    def pages(self) -> Mapping[str, Callable[[Params], Any]]:
        return {
            "GET ping": lambda params: {},
            "GET time": lambda params: {"serverTime": self._now_ms()},
            "GET exchangeInfo": self._exchange_info,
            "GET depth": self._depth,
            "GET trades": self._trades,
            "GET aggTrades": self._aggregates,
            "GET klines": self._klines,
            "GET ticker/24hr": lambda params: self._each(params, self.day),
            "GET ticker/price": lambda params: self._each(params, self._price),
            "GET ticker/bookTicker": lambda params: self._each(params, self._top),
            "GET premiumIndex": lambda params: self._each(params, self.premium),
        }

    def _now_ms(self) -> int:
        return ms(self._exchange.clock.now_ns())

    def _each(self, params: Params, page: Callable[[Listing], Any]) -> Any:
        if params.has("symbol"):
            return page(self._exchange.listing(params.text("symbol")))
        return [page(listing) for listing in self._exchange.listings.values()]

    def _exchange_info(self, params: Params) -> Any:
        listings = self._exchange.listings.values()
        assets = sorted({listing.rules.quote for listing in listings})
        return {
            "timezone": "UTC",
            "serverTime": self._now_ms(),
            "futuresType": "U_MARGINED",
            "rateLimits": _RATE_LIMITS,
            "exchangeFilters": [],
            "assets": [
                {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
                for asset in assets
            ],
            "symbols": [symbol_info(listing.rules) for listing in listings if listing.rules.status],
        }

    def _depth(self, params: Params) -> Any:
        listing = self._exchange.listing(params.text("symbol"))
        limit = params.number("limit", 500)
        if limit not in DEPTH_LIMITS:
            raise ApiError(-4021, "Invalid depth limit.")
        return {
            "lastUpdateId": listing.update_id,
            "E": self._now_ms(),
            "T": self._now_ms(),
            "bids": [[text(price), text(qty)] for price, qty in listing.bids.levels(limit)],
            "asks": [[text(price), text(qty)] for price, qty in listing.asks.levels(limit)],
        }

    def _trades(self, params: Params) -> Any:
        listing = self._exchange.listing(params.text("symbol"))
        return [
            {
                "id": print_.trade_id,
                "price": text(print_.price),
                "qty": text(print_.qty),
                "quoteQty": text(value(print_.price, print_.qty)),
                "time": ms(print_.ts_ns),
                "isBuyerMaker": print_.taker_side.value == "sell",
            }
            for print_ in list(listing.prints)[-_limit(params) :]
        ]

    def _aggregates(self, params: Params) -> Any:
        listing = self._exchange.listing(params.text("symbol"))
        start, end = params.number("startTime", 0), params.number("endTime", 1 << 62)
        first = params.number("fromId", 0)
        found = [
            print_
            for print_ in listing.prints
            if print_.aggregate_id >= first and start <= ms(print_.ts_ns) <= end
        ]
        page = found[: _limit(params)] if first or start else found[-_limit(params) :]
        return [aggregate(print_) for print_ in page]

    def _klines(self, params: Params) -> Any:
        listing = self._exchange.listing(params.text("symbol"))
        width_ns = WIDTHS_NS.get(params.text("interval"))
        if width_ns is None:
            raise ApiError(-1120, "Invalid interval.")
        found = listing.candles.of(
            width_ns,
            params.number("startTime", 0) * 1_000_000,
            params.number("endTime", 1 << 42) * 1_000_000,
        )
        return [_kline(candle, width_ns) for candle in found[-_limit(params) :]]

    def day(self, listing: Listing) -> dict[str, Any]:
        now_ns = self._exchange.clock.now_ns()
        day = listing.candles.since(now_ns - DAY_NS)
        first, last = (day.open, day.close) if day else (listing.reference, listing.reference)
        return {
            "symbol": listing.rules.symbol,
            "priceChange": text(last - first),
            "priceChangePercent": f"{100 * (last - first) / first:.3f}" if first else "0",
            "weightedAvgPrice": text(last),
            "lastPrice": text(last),
            "lastQty": text(listing.prints[-1].qty if listing.prints else 0),
            "openPrice": text(first),
            "highPrice": text(day.high if day else first),
            "lowPrice": text(day.low if day else first),
            "volume": text(day.volume if day else 0),
            "quoteVolume": text(day.quote_volume if day else 0),
            "openTime": ms(now_ns) - 86_400_000,
            "closeTime": ms(now_ns),
            "firstId": 1,
            "lastId": listing.trades,
            "count": day.trades if day else 0,
        }

    def _price(self, listing: Listing) -> Any:
        price = text(listing.reference)
        return {"symbol": listing.rules.symbol, "price": price, "time": self._now_ms()}

    def _top(self, listing: Listing) -> Any:
        bid, ask = listing.bids.levels(1), listing.asks.levels(1)
        return {
            "lastUpdateId": listing.update_id,
            "symbol": listing.rules.symbol,
            "bidPrice": text(bid[0][0] if bid else 0),
            "bidQty": text(bid[0][1] if bid else 0),
            "askPrice": text(ask[0][0] if ask else 0),
            "askQty": text(ask[0][1] if ask else 0),
            "time": self._now_ms(),
        }

    def premium(self, listing: Listing) -> dict[str, Any]:
        mark = text(listing.reference)
        return {
            "symbol": listing.rules.symbol,
            "markPrice": mark,
            "indexPrice": mark,
            "estimatedSettlePrice": mark,
            "lastFundingRate": f"{self._funding_rate:f}",
            "interestRate": "0.00010000",
            "nextFundingTime": ms(self._next_funding_ns()),
            "time": self._now_ms(),
        }


def _kline(candle: Candle, width_ns: int) -> list[Any]:
    return [
        ms(candle.start_ns),
        text(candle.open),
        text(candle.high),
        text(candle.low),
        text(candle.close),
        text(candle.volume),
        ms(candle.start_ns + width_ns) - 1,
        text(candle.quote_volume),
        candle.trades,
        text(candle.taker_volume),
        text(candle.taker_quote_volume),
        "0",
    ]


def _limit(params: Params) -> int:
    limit = params.number("limit", 500)
    if not 1 <= limit <= 1500:
        raise mandatory("limit")
    return limit
