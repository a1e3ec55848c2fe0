"""Binance spot's public questions, and those about an account that are not about orders."""

from __future__ import annotations

from typing import Any

from engine.core.clock import NS_PER_SECOND
from engine.domain.money import plain
from engine.drill.candles import MINUTE_NS, Candle
from engine.drill.dialects import binance_spot_json as js
from engine.drill.dialects.binance_words import NS_PER_MS, ApiError, Params, refused
from engine.drill.exchange import Exchange
from engine.drill.listing import DAY_NS, Listing
from engine.drill.rate_limits import RateLimits
from engine.drill.units import ONE, text
from engine.drill.values import AccountSpec, Refusal

HOUR_NS = 60 * MINUTE_NS
WIDTHS_NS = {
    "1m": MINUTE_NS,
    "3m": 3 * MINUTE_NS,
    "5m": 5 * MINUTE_NS,
    "15m": 15 * MINUTE_NS,
    "30m": 30 * MINUTE_NS,
    "1h": HOUR_NS,
    "2h": 2 * HOUR_NS,
    "4h": 4 * HOUR_NS,
    "6h": 6 * HOUR_NS,
    "8h": 8 * HOUR_NS,
    "12h": 12 * HOUR_NS,
    "1d": 24 * HOUR_NS,
}


class PublicQuestions:
    def __init__(self, core: Exchange, limits: RateLimits) -> None:
        self._core = core
        self._limits = limits

    def listing(self, params: Params) -> Listing:
        symbol = params.text("symbol")
        if not symbol.isalnum() or not symbol.isupper():
            raise ApiError(
                -1100,
                "Illegal characters found in parameter 'symbol'; "
                "legal range is '^[A-Z0-9-_.]{1,20}$'.",
            )
        try:
            return self._core.listing(symbol)
        except Refusal as refusal:
            raise refused(refusal.kind) from None

    def _wanted(self, params: Params) -> list[Listing]:
        return [self.listing(params)] if params.has("symbol") else list(self._all())

    def _all(self) -> list[Listing]:
        return list(self._core.listings.values())

    def ping(self, _: Params) -> Any:
        return {}

    def time(self, _: Params) -> Any:
        return {"serverTime": js.ms(self._core.clock.now_ns())}

    def exchange_info(self, params: Params) -> Any:
        limits = self._limits
        rows = [
            ("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_max),
            ("ORDERS", "SECOND", 10, limits.orders_10s_max),
            ("ORDERS", "DAY", 1, limits.orders_day_max),
        ]
        return {
            "timezone": "UTC",
            "serverTime": js.ms(self._core.clock.now_ns()),
            "rateLimits": [
                {"rateLimitType": kind, "interval": interval, "intervalNum": n, "limit": most}
                for kind, interval, n, most in rows
            ],
            "exchangeFilters": [],
            "symbols": [js.instrument(each.rules) for each in self._wanted(params)],
        }

    def depth(self, params: Params) -> Any:
        listing = self.listing(params)
        limit = min(params.number("limit", 100), 5000)
        return {
            "lastUpdateId": listing.update_id,
            "bids": js.levels(listing.bids.levels(limit)),
            "asks": js.levels(listing.asks.levels(limit)),
        }

    def trades(self, params: Params) -> Any:
        prints = list(self.listing(params).prints)
        return [js.public_trade(each) for each in prints[-self._limit(params, 500, 1000) :]]

    def aggregate_trades(self, params: Params) -> Any:
        prints = list(self.listing(params).prints)
        limit = self._limit(params, 500, 1000)
        from_id, start = params.number("fromId", 0), params.number("startTime", 0) * NS_PER_MS
        end = params.number("endTime", 1 << 43) * NS_PER_MS
        found = [each for each in prints if each.trade_id >= from_id and start <= each.ts_ns <= end]
        return [js.aggregate_trade(each) for each in (found[:limit] if from_id else found[-limit:])]

    @staticmethod
    def _limit(params: Params, default: int, most: int) -> int:
        return max(1, min(params.number("limit", default), most))

    def candles(self, params: Params) -> Any:
        listing = self.listing(params)
        width_ns = WIDTHS_NS.get(params.text("interval"))
        if width_ns is None:
            raise ApiError(-1120, "Invalid interval.")
        start = params.number("startTime", 0) * NS_PER_MS
        end = params.number("endTime", 1 << 43) * NS_PER_MS
        found = listing.candles.of(width_ns, start, end)
        limit = self._limit(params, 500, 1000)
        return [_candle(each, width_ns) for each in (found[:limit] if start else found[-limit:])]

    def day_ticker(self, params: Params) -> Any:
        found = [self._day(listing) for listing in self._wanted(params)]
        return found[0] if params.has("symbol") else found

    def _day(self, listing: Listing) -> dict[str, Any]:
        now_ns = self._core.clock.now_ns()
        day = listing.candles.since(now_ns - DAY_NS)
        opened, last = (day.open, day.close) if day is not None else (0, 0)
        volume = day.volume if day is not None else 0
        first_id = listing.prints[0].trade_id if listing.prints else -1
        average = day.quote_volume * ONE // volume if day is not None and volume else 0
        return {
            "symbol": listing.rules.symbol,
            "priceChange": text(last - opened),
            "priceChangePercent": f"{(last - opened) * 100 / opened if opened else 0:.3f}",
            "weightedAvgPrice": text(average),
            "prevClosePrice": text(opened),
            "lastPrice": text(last),
            "lastQty": text(listing.prints[-1].qty if listing.prints else 0),
            **js.touch(listing),
            "openPrice": text(opened),
            "highPrice": text(day.high if day is not None else 0),
            "lowPrice": text(day.low if day is not None else 0),
            "volume": text(volume),
            "quoteVolume": text(day.quote_volume if day is not None else 0),
            "openTime": js.ms(now_ns - DAY_NS),
            "closeTime": js.ms(now_ns),
            "firstId": first_id,
            "lastId": listing.trades if listing.prints else -1,
            "count": day.trades if day is not None else 0,
        }

    def price_ticker(self, params: Params) -> Any:
        found = [
            {"symbol": each.rules.symbol, "price": text(each.reference)}
            for each in self._wanted(params)
        ]
        return found[0] if params.has("symbol") else found

    def book_ticker(self, params: Params) -> Any:
        found = [{"symbol": each.rules.symbol, **js.touch(each)} for each in self._wanted(params)]
        return found[0] if params.has("symbol") else found

    def average_price(self, params: Params) -> Any:
        listing, now_ns = self.listing(params), self._core.clock.now_ns()
        recent = listing.candles.since(now_ns - 5 * 60 * NS_PER_SECOND)
        price = listing.reference
        if recent is not None and recent.volume:
            price = recent.quote_volume * ONE // recent.volume
        return {"mins": 5, "price": text(price), "closeTime": js.ms(now_ns)}

    # -- about an account ------------------------------------------------------------------------

    def account(self, params: Params, account: AccountSpec) -> Any:
        no_zeros = params.text("omitZeroBalances", "false") == "true"
        holdings = self._core.wallets.assets(account.name)
        return {
            "makerCommission": int(account.maker * 10_000),
            "takerCommission": int(account.taker * 10_000),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {
                "maker": format(account.maker, ".8f"),
                "taker": format(account.taker, ".8f"),
                "buyer": js.ZERO,
                "seller": js.ZERO,
            },
            "canTrade": True,
            "canWithdraw": True,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": js.ms(self._core.clock.now_ns()),
            "accountType": "SPOT",
            "balances": [
                {"asset": asset, "free": text(each.free), "locked": text(each.locked)}
                for asset, each in holdings.items()
                if each.free or each.locked or not no_zeros
            ],
            "permissions": ["SPOT"],
            "uid": 1 + list(self._core.accounts).index(account.name),
        }

    def coins(self, _: Params, account: AccountSpec) -> Any:
        """Every asset that anything here can be paid in: clients need to know them all."""
        assets = dict.fromkeys(
            asset for each in self._all() for asset in (each.rules.base, each.rules.quote)
        )
        assets |= dict.fromkeys(self._core.wallets.assets(account.name))
        assets |= {"BNB": None}
        return [self._coin(asset, account) for asset in assets]

    def _coin(self, asset: str, account: AccountSpec) -> dict[str, Any]:
        holding = self._core.wallets.assets(account.name)[asset]
        network = {
            "network": asset,
            "coin": asset,
            "name": asset,
            "isDefault": True,
            "depositEnable": True,
            "withdrawEnable": True,
            "withdrawFee": "0.0001",
            "withdrawMin": "0.001",
            "withdrawMax": "9999999",
            "withdrawIntegerMultiple": "0.00000001",
            "minConfirm": 1,
            "unLockConfirm": 1,
        }
        zeros = ("freeze", "withdrawing", "ipoing", "ipoable", "storage")
        return {
            "coin": asset,
            "name": asset,
            "depositAllEnable": True,
            "withdrawAllEnable": True,
            "free": text(holding.free),
            "locked": text(holding.locked),
            **dict.fromkeys(zeros, "0"),
            "isLegalMoney": False,
            "trading": True,
            "networkList": [network],
        }

    def nothing(self, _: Params, __: AccountSpec) -> Any:
        return []

    def fees(self, params: Params, account: AccountSpec) -> Any:
        return [
            {
                "symbol": each.rules.symbol,
                "makerCommission": plain(account.maker),
                "takerCommission": plain(account.taker),
            }
            for each in self._wanted(params)
        ]

    def commission(self, params: Params, account: AccountSpec) -> Any:
        zeros = {"maker": js.ZERO, "taker": js.ZERO, "buyer": js.ZERO, "seller": js.ZERO}
        rates = zeros | {
            "maker": format(account.maker, ".8f"),
            "taker": format(account.taker, ".8f"),
        }
        return {
            "symbol": self.listing(params).rules.symbol,
            "standardCommission": rates,
            "specialCommission": zeros,
            "taxCommission": zeros,
            "discount": {
                "enabledForAccount": account.burns_fee_asset,
                "enabledForSymbol": True,
                "discountAsset": "BNB",
                "discount": "0.75000000",
            },
        }

    def restrictions(self, _: Params, account: AccountSpec) -> Any:
        return {
            "ipRestrict": account.is_ip_restricted,
            "createTime": 1_700_000_000_000,
            "enableReading": account.can_read,
            "enableSpotAndMarginTrading": account.can_trade,
            "enableWithdrawals": account.can_withdraw,
            "enableInternalTransfer": account.can_transfer,
            "permitsUniversalTransfer": account.can_transfer,
            "enableMargin": False,
            "enableFutures": account.can_trade,
            "enableVanillaOptions": False,
            "enablePortfolioMarginTrading": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
        }

    def account_status(self, _: Params, __: AccountSpec) -> Any:
        return {"data": "Normal"}


def _candle(candle: Candle, width_ns: int) -> list[Any]:
    return [
        js.ms(candle.start_ns),
        text(candle.open),
        text(candle.high),
        text(candle.low),
        text(candle.close),
        text(candle.volume),
        js.ms(candle.start_ns + width_ns) - 1,
        text(candle.quote_volume),
        candle.trades,
        text(candle.taker_volume),
        text(candle.taker_quote_volume),
        "0",
    ]
