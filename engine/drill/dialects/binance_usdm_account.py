"""Binance USD-M's pages of an account: balances, positions, trades, income, settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine.drill.dialects.binance_usdm_words import ms, position_json, trade_json
from engine.drill.dialects.binance_words import ApiError, Params
from engine.drill.exchange import Exchange
from engine.drill.margin import LEVERAGE_MAX, MarginSettlement
from engine.drill.units import text, value
from engine.drill.values import AccountSpec, Trade

_INCOME = {
    "realized": "REALIZED_PNL",
    "fee": "COMMISSION",
    "funding": "FUNDING_FEE",
}
"""Transfers are not told: the drill has none but the opening balance."""


class AccountPages:
    def __init__(self, exchange: Exchange, margin: MarginSettlement) -> None:
        self._exchange = exchange
        self._margin = margin

    def pages(self) -> Mapping[str, Callable[[AccountSpec, Params], Any]]:
        return {
            "GET account": self._account,
            "GET balance": self._balance,
            "GET positionRisk": self._positions,
            "GET leverageBracket": self._brackets,
            "POST leverage": self._set_leverage,
            "POST marginType": self._set_margin_type,
            "GET positionSide/dual": lambda account, params: {"dualSidePosition": False},
            "POST positionSide/dual": self._set_dual,
            "GET multiAssetsMargin": lambda account, params: {"multiAssetsMargin": False},
            "GET accountConfig": self._config,
            "GET symbolConfig": self._symbol_config,
            "GET commissionRate": self._commission,
            "GET userTrades": self._trades,
            "GET income": self._income,
        }

    # -- money -----------------------------------------------------------------------------------

    def _quotes(self, account: AccountSpec) -> list[str]:
        """Assets that margin is kept in, and whatever else the account holds."""
        quotes = dict.fromkeys(each.rules.quote for each in self._exchange.listings.values())
        held = dict.fromkeys(self._exchange.wallets.assets(account.name))
        return list(quotes | held)

    def _asset(self, account: AccountSpec, asset: str) -> dict[str, Any]:
        wallet = self._exchange.wallets.held(account.name, asset)
        unrealized = self._margin.unrealized(account.name, asset)
        needed = self._margin.margin(account.name, asset)
        available = text(max(0, wallet + unrealized - needed))
        return {
            "asset": asset,
            "walletBalance": text(wallet),
            "unrealizedProfit": text(unrealized),
            "marginBalance": text(wallet + unrealized),
            "maintMargin": text(needed // 2),
            "initialMargin": text(needed),
            "positionInitialMargin": text(needed),
            "openOrderInitialMargin": "0.00000000",
            "crossWalletBalance": text(wallet),
            "crossUnPnl": text(unrealized),
            "availableBalance": available,
            "maxWithdrawAmount": available,
            "marginAvailable": True,
            "updateTime": ms(self._exchange.clock.now_ns()),
        }

    def _account(self, account: AccountSpec, params: Params) -> Any:
        assets = [self._asset(account, asset) for asset in self._quotes(account)]
        main = next((asset for asset in assets if asset["asset"] == "USDT"), assets[0])
        return {
            "feeTier": 0,
            "canTrade": account.can_trade,
            "canDeposit": True,
            "canWithdraw": account.can_withdraw,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
            "totalInitialMargin": main["initialMargin"],
            "totalMaintMargin": main["maintMargin"],
            "totalWalletBalance": main["walletBalance"],
            "totalUnrealizedProfit": main["unrealizedProfit"],
            "totalMarginBalance": main["marginBalance"],
            "totalPositionInitialMargin": main["positionInitialMargin"],
            "totalOpenOrderInitialMargin": main["openOrderInitialMargin"],
            "totalCrossWalletBalance": main["crossWalletBalance"],
            "totalCrossUnPnl": main["crossUnPnl"],
            "availableBalance": main["availableBalance"],
            "maxWithdrawAmount": main["maxWithdrawAmount"],
            "assets": assets,
            "positions": self._positions(account, params),
        }

    def _balance(self, account: AccountSpec, params: Params) -> Any:
        return [
            {
                "accountAlias": account.name,
                "asset": asset["asset"],
                "balance": asset["walletBalance"],
                **{
                    name: asset[name]
                    for name in (
                        "crossWalletBalance",
                        "crossUnPnl",
                        "availableBalance",
                        "maxWithdrawAmount",
                        "marginAvailable",
                        "updateTime",
                    )
                },
            }
            for asset in (self._asset(account, name) for name in self._quotes(account))
        ]

    def _positions(self, account: AccountSpec, params: Params) -> Any:
        """Every symbol, as v2 has it; v3 leaves the flat ones out, which clients must bear, too."""
        symbol = params.text("symbol", "")
        found = []
        for listing in self._exchange.listings.values():
            if symbol not in ("", listing.rules.symbol):
                continue
            holding = self._margin.holding(account.name, listing.rules.symbol)
            leverage = self._margin.leverage(account.name, listing.rules.symbol)
            margin = value(listing.reference, abs(holding.qty)) // leverage
            found.append(position_json(holding, listing, leverage, margin))
        return found

    # -- history ---------------------------------------------------------------------------------

    def _trades(self, account: AccountSpec, params: Params) -> Any:
        symbol = params.text("symbol")
        self._exchange.listing(symbol)
        start, end = params.number("startTime", 0), params.number("endTime", 1 << 62)
        first, order_id = params.number("fromId", 0), params.number("orderId", 0)
        if first and (params.has("startTime") or params.has("endTime")):
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        found: Iterable[Trade] = self._exchange.trades[account.name, symbol]
        kept = [
            trade
            for trade in found
            if trade.trade_id >= first
            and start <= ms(trade.ts_ns) <= end
            and order_id in (0, trade.order_id)
        ]
        limit = min(1000, params.number("limit", 500))
        page = kept[:limit] if first or params.has("startTime") else kept[-limit:]
        return [trade_json(trade) for trade in page]

    def _income(self, account: AccountSpec, params: Params) -> Any:
        kind, symbol = params.text("incomeType", ""), params.text("symbol", "")
        start, end = params.number("startTime", 0), params.number("endTime", 1 << 62)
        found = []
        for each in self._margin.incomes:
            if each.account != account.name or symbol not in ("", each.symbol):
                continue
            if kind in ("", _INCOME[each.reason]) and start <= ms(each.ns) <= end:
                found.append(
                    {
                        "symbol": each.symbol,
                        "incomeType": _INCOME[each.reason],
                        "income": text(each.amount),
                        "asset": each.asset,
                        "info": each.reason,
                        "time": ms(each.ns),
                        "tranId": each.number,
                        "tradeId": str(each.trade_id) if each.trade_id else "",
                    }
                )
        limit = min(1000, params.number("limit", 100))
        return found[:limit] if params.has("startTime") else found[-limit:]

    # -- settings --------------------------------------------------------------------------------

    def _brackets(self, account: AccountSpec, params: Params) -> Any:
        return [
            {
                "symbol": listing.rules.symbol,
                "brackets": [
                    {
                        "bracket": 1,
                        "initialLeverage": LEVERAGE_MAX,
                        "notionalCap": 50_000_000,
                        "notionalFloor": 0,
                        "maintMarginRatio": 0.025,
                        "cum": 0.0,
                    }
                ],
            }
            for listing in self._exchange.listings.values()
        ]

    def _set_leverage(self, account: AccountSpec, params: Params) -> Any:
        symbol, leverage = params.text("symbol"), params.number("leverage")
        self._exchange.listing(symbol)
        if not 1 <= leverage <= LEVERAGE_MAX:
            raise ApiError(-4028, f"Leverage {leverage} is not valid")
        self._margin.set_leverage(account.name, symbol, leverage)
        return {"leverage": leverage, "maxNotionalValue": "250000000", "symbol": symbol}

    def _set_margin_type(self, account: AccountSpec, params: Params) -> Any:
        if params.text("marginType") == "CROSSED":
            raise ApiError(-4046, "No need to change margin type.")
        raise ApiError(-4047, "Margin type cannot be changed if there exists open orders.")

    def _set_dual(self, account: AccountSpec, params: Params) -> Any:
        if params.text("dualSidePosition").lower() == "false":
            raise ApiError(-4059, "No need to change position side.")
        raise ApiError(-4068, "Position side cannot be changed if there exists position.")

    def _config(self, account: AccountSpec, params: Params) -> Any:
        return {
            "feeTier": 0,
            "canTrade": account.can_trade,
            "canDeposit": True,
            "canWithdraw": account.can_withdraw,
            "dualSidePosition": False,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }

    def _symbol_config(self, account: AccountSpec, params: Params) -> Any:
        symbol = params.text("symbol", "")
        return [
            {
                "symbol": name,
                "marginType": "CROSSED",
                "isAutoAddMargin": False,
                "leverage": self._margin.leverage(account.name, name),
                "maxNotionalValue": "250000000",
            }
            for name in self._exchange.listings
            if symbol in ("", name)
        ]

    def _commission(self, account: AccountSpec, params: Params) -> Any:
        symbol = params.text("symbol")
        self._exchange.listing(symbol)
        spec = self._exchange.accounts[account.name]
        return {
            "symbol": symbol,
            "makerCommissionRate": f"{spec.maker:f}",
            "takerCommissionRate": f"{spec.taker:f}",
        }
