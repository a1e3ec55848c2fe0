"""What Binance USD-M says of orders, trades, positions and balances, as its JSON."""

from __future__ import annotations

from typing import Any

from engine.drill.dialects.binance_words import NS_PER_MS, ApiError, refused
from engine.drill.listing import Listing, Print
from engine.drill.margin import Holding
from engine.drill.units import ONE, text, value
from engine.drill.values import InstrumentRules, Kind, Order, RefusalKind, Status, Tif, Trade

FAR_FUTURE_MS = 4_133_404_800_000
"""When perpetuals are delivered."""
ALGO_ID_OFFSET = 2_000_000_000
"""Ids of algo orders are numbers apart from those of orders."""
ENUM_STATUS = {Status.EXPIRED_IN_MATCH: "EXPIRED_IN_MATCH"}
KINDS = {
    "LIMIT": Kind.LIMIT,
    "MARKET": Kind.MARKET,
    "STOP": Kind.STOP_LOSS_LIMIT,
    "STOP_MARKET": Kind.STOP_LOSS,
    "TAKE_PROFIT": Kind.TAKE_PROFIT_LIMIT,
    "TAKE_PROFIT_MARKET": Kind.TAKE_PROFIT,
}
_NAMES = {kind: name for name, kind in KINDS.items()} | {Kind.LIMIT_MAKER: "LIMIT"}
_REFUSALS = {
    RefusalKind.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    RefusalKind.NOT_TRADING: (-4108, "Symbol is on delivering or delivered or settling or closed."),
    RefusalKind.BAD_PRICE: (-4014, "Price not increased by tick size."),
    RefusalKind.BAD_QTY: (-1111, "Precision is over the maximum defined for this asset."),
    RefusalKind.BAD_MARKET_QTY: (-4005, "Quantity greater than max quantity."),
    RefusalKind.BAD_NOTIONAL: (
        -4164,
        "Order's notional must be no smaller than the minimum (unless you choose reduce only).",
    ),
    RefusalKind.BAD_PERCENT_PRICE: (
        -4131,
        "The counterparty's best price does not meet the limit.",
    ),
    RefusalKind.TOO_MANY_ORDERS: (-2025, "Reach max open order limit."),
    RefusalKind.TOO_MANY_STOPS: (-4045, "Reach max stop order limit."),
    RefusalKind.MAX_POSITION: (-2027, "Exceeded the maximum allowable position."),
    RefusalKind.DUPLICATE_ID: (-4116, "ClientOrderId is duplicated."),
    RefusalKind.NO_FUNDS: (-2019, "Margin is insufficient."),
    RefusalKind.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected.",
    ),
    RefusalKind.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    RefusalKind.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    RefusalKind.UNKNOWN_ORDER: (-2013, "Order does not exist."),
}


def futures_refusal(kind: RefusalKind) -> ApiError:
    return ApiError(*_REFUSALS[kind]) if kind in _REFUSALS else refused(kind)


def ms(ns: int) -> int:
    return ns // NS_PER_MS


# -- instruments -----------------------------------------------------------------------------------


def symbol_info(rules: InstrumentRules) -> dict[str, Any]:
    return {
        "symbol": rules.symbol,
        "pair": rules.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": FAR_FUTURE_MS,
        "onboardDate": 1_569_398_400_000,
        "status": rules.status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": rules.base,
        "quoteAsset": rules.quote,
        "marginAsset": rules.quote,
        "pricePrecision": 8,
        "quantityPrecision": 8,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "orderTypes": [
            "LIMIT",
            "MARKET",
            "STOP",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": f"{rules.min_price:f}",
                "maxPrice": f"{rules.max_price:f}",
                "tickSize": f"{rules.tick:f}",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": f"{rules.min_qty:f}",
                "maxQty": f"{rules.max_qty:f}",
                "stepSize": f"{rules.lot:f}",
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": f"{rules.min_qty:f}",
                "maxQty": f"{rules.market_max_qty:f}",
                "stepSize": f"{rules.lot:f}",
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": rules.max_orders},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": rules.max_stops},
            {"filterType": "MIN_NOTIONAL", "notional": f"{rules.min_notional:f}"},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": f"{rules.bid_multiplier_up:f}",
                "multiplierDown": f"{rules.ask_multiplier_down:f}",
                "multiplierDecimal": "4",
            },
        ],
    }


# -- orders ----------------------------------------------------------------------------------------


def type_name(order: Order) -> str:
    """The type as ordered; of a stop that works: what became of it."""
    if order.is_triggered:
        return "LIMIT" if order.kind.has_price else "MARKET"
    return _NAMES[order.kind]


def tif_name(order: Order) -> str:
    return "GTX" if order.kind is Kind.LIMIT_MAKER else order.tif.value


def average(order: Order) -> int:
    return order.filled_value * ONE // order.filled if order.filled else 0


def order_json(order: Order) -> dict[str, Any]:
    """As GET order tells it; a request's own answer has the same fields and two more."""
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": order.status.value,
        "clientOrderId": order.client_order_id,
        "price": text(order.price),
        "avgPrice": text(average(order)),
        "origQty": text(order.qty),
        "executedQty": text(order.filled),
        "cumQty": text(order.filled),
        "cumQuote": text(order.filled_value),
        "timeInForce": tif_name(order),
        "type": type_name(order),
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side.value.upper(),
        "positionSide": "BOTH",
        "stopPrice": text(0 if order.is_triggered else order.trigger),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": type_name(order),
        "priceMatch": "NONE",
        "selfTradePreventionMode": order.self_trade.value,
        "goodTillDate": 0,
        "time": ms(order.working_ns or order.created_ns),
        "updateTime": ms(order.updated_ns),
    }


def algo_status(order: Order) -> str:
    if order.is_triggered:
        return "TRIGGERED" if order.status.is_open else "FINISHED"
    return "NEW" if order.status.is_open else order.status.value


def algo_json(order: Order) -> dict[str, Any]:
    return {
        "algoId": order.order_id + ALGO_ID_OFFSET,
        "clientAlgoId": order.client_order_id,
        "algoType": "CONDITIONAL",
        "orderType": _NAMES[order.kind],
        "type": _NAMES[order.kind],
        "symbol": order.symbol,
        "side": order.side.value.upper(),
        "positionSide": "BOTH",
        "timeInForce": tif_name(order),
        "quantity": text(order.qty),
        "algoStatus": algo_status(order),
        "actualOrderId": str(order.order_id) if order.is_triggered else "",
        "actualPrice": text(average(order)),
        "triggerPrice": text(order.trigger),
        "price": text(order.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": order.self_trade.value,
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": order.close_position,
        "priceProtect": False,
        "reduceOnly": order.reduce_only,
        "createTime": ms(order.created_ns),
        "updateTime": ms(order.updated_ns),
        "triggerTime": ms(order.working_ns),
        "goodTillDate": 0,
    }


def trade_json(trade: Trade) -> dict[str, Any]:
    return {
        "buyer": trade.side.value == "buy",
        "commission": text(trade.fee),
        "commissionAsset": trade.fee_asset,
        "id": trade.trade_id,
        "maker": trade.is_maker,
        "orderId": trade.order_id,
        "price": text(trade.price),
        "qty": text(trade.qty),
        "quoteQty": text(value(trade.price, trade.qty)),
        "realizedPnl": text(trade.realized),
        "side": trade.side.value.upper(),
        "positionSide": "BOTH",
        "symbol": trade.symbol,
        "time": ms(trade.ts_ns),
    }


# -- positions -------------------------------------------------------------------------------------


def position_json(holding: Holding, listing: Listing, leverage: int, margin: int) -> dict[str, Any]:
    mark = listing.reference
    worth = value(mark, abs(holding.qty)) * (1 if holding.qty >= 0 else -1)
    return {
        "symbol": listing.rules.symbol,
        "positionSide": "BOTH",
        "positionAmt": text(holding.qty),
        "entryPrice": text(holding.entry),
        "breakEvenPrice": text(holding.entry),
        "markPrice": text(mark),
        "unRealizedProfit": text(holding.unrealized(mark)),
        "unrealizedProfit": text(holding.unrealized(mark)),
        "liquidationPrice": "0",
        "isolatedMargin": "0",
        "isolatedWallet": "0",
        "notional": text(worth),
        "marginAsset": listing.rules.quote,
        "initialMargin": text(margin),
        "maintMargin": text(abs(worth) // 40),
        "positionInitialMargin": text(margin),
        "openOrderInitialMargin": "0",
        "leverage": str(leverage),
        "marginType": "cross",
        "isolated": False,
        "isAutoAddMargin": "false",
        "maxNotionalValue": "250000000",
        "adl": 2,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": ms(holding.updated_ns),
    }


# -- events ----------------------------------------------------------------------------------------

_EXECUTIONS = {"TRIGGERED": "NEW", "TRADE_PREVENTION": "EXPIRED"}
"""The core's word for a change -> execution type; others are the same."""


def order_event(order: Order, change: str, trade: Trade | None) -> dict[str, Any]:
    now_ms = ms(order.updated_ns)
    detail: dict[str, Any] = {
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side.value.upper(),
        "o": type_name(order),
        "f": tif_name(order),
        "q": text(order.qty),
        "p": text(order.price),
        "ap": text(average(order)),
        "sp": text(0 if order.is_triggered else order.trigger),
        "x": _EXECUTIONS.get(change, change),
        "X": order.status.value,
        "i": order.order_id,
        "l": text(trade.qty if trade else 0),
        "z": text(order.filled),
        "L": text(trade.price if trade else 0),
        "T": ms(trade.ts_ns) if trade else now_ms,
        "t": trade.trade_id if trade else 0,
        "b": "0",
        "a": "0",
        "m": trade.is_maker if trade else False,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": type_name(order),
        "ps": "BOTH",
        "cp": order.close_position,
        "rp": text(trade.realized if trade else 0),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": order.self_trade.value,
        "pm": "NONE",
        "gtd": 0,
    }
    if trade is not None:
        detail |= {"N": trade.fee_asset, "n": text(trade.fee)}
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": now_ms, "o": detail}


def trade_lite_event(order: Order, trade: Trade) -> dict[str, Any]:
    return {
        "e": "TRADE_LITE",
        "E": ms(trade.ts_ns),
        "T": ms(trade.ts_ns),
        "s": order.symbol,
        "q": text(order.qty),
        "p": text(order.price),
        "m": trade.is_maker,
        "c": order.client_order_id,
        "S": order.side.value.upper(),
        "L": text(trade.price),
        "l": text(trade.qty),
        "t": trade.trade_id,
        "i": order.order_id,
    }


def algo_event(order: Order) -> dict[str, Any]:
    now_ms = ms(order.updated_ns)
    return {
        "e": "ALGO_UPDATE",
        "E": now_ms,
        "T": now_ms,
        "o": {
            "caid": order.client_order_id,
            "aid": order.order_id + ALGO_ID_OFFSET,
            "at": "CONDITIONAL",
            "o": _NAMES[order.kind],
            "s": order.symbol,
            "S": order.side.value.upper(),
            "ps": "BOTH",
            "f": tif_name(order),
            "q": text(order.qty),
            "X": algo_status(order),
            "ai": str(order.order_id) if order.is_triggered else "",
            "ap": text(average(order)),
            "aq": text(order.filled),
            "act": _NAMES[order.kind] if order.is_triggered else "0",
            "tp": text(order.trigger),
            "p": text(order.price),
            "V": order.self_trade.value,
            "wt": "CONTRACT_PRICE",
            "pm": "NONE",
            "cp": order.close_position,
            "pP": False,
            "R": order.reduce_only,
            "tt": ms(order.working_ns),
            "gtd": 0,
            "rm": order.reason,
        },
    }


def aggregate(print_: Print) -> dict[str, Any]:
    """As REST tells it; streams add a head."""
    return {
        "a": print_.aggregate_id,
        "p": text(print_.price),
        "q": text(print_.qty),
        "f": print_.trade_id,
        "l": print_.trade_id,
        "T": ms(print_.ts_ns),
        "m": print_.taker_side.value == "sell",
    }


def is_post_only(tif: str) -> bool:
    return tif == "GTX"


def tif_of(word: str) -> Tif:
    try:
        return Tif.GTC if is_post_only(word) else Tif(word)
    except ValueError:
        raise ApiError(-1115, "Invalid timeInForce.") from None
