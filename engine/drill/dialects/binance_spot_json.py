"""Binance spot's documents: orders, trades, instruments, as the venue writes them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.domain.money import plain
from engine.domain.order import Side
from engine.drill.dialects.binance_words import NS_PER_MS
from engine.drill.listing import Listing, Print
from engine.drill.units import text, value
from engine.drill.values import InstrumentRules, Kind, Order, SelfTrade, Trade

ZERO = "0.00000000"
KIND_NAMES = [kind.value for kind in Kind]


def ms(ns: int) -> int:
    return ns // NS_PER_MS


def side_name(side: Side) -> str:
    return "BUY" if side is Side.BUY else "SELL"


# -- instruments -----------------------------------------------------------------------------------


def instrument(rules: InstrumentRules) -> dict[str, Any]:
    return {
        "symbol": rules.symbol,
        "status": rules.status,
        "baseAsset": rules.base,
        "baseAssetPrecision": 8,
        "quoteAsset": rules.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": KIND_NAMES,
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(rules),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": rules.self_trade.value,
        "allowedSelfTradePreventionModes": [mode.value for mode in SelfTrade],
    }


def _fixed(number: Decimal) -> str:
    return format(number, ".8f")


def _filters(rules: InstrumentRules) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": _fixed(rules.min_price),
            "maxPrice": _fixed(rules.max_price),
            "tickSize": _fixed(rules.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": _fixed(rules.min_qty),
            "maxQty": _fixed(rules.max_qty),
            "stepSize": _fixed(rules.lot),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": ZERO,
            "maxQty": _fixed(rules.market_max_qty),
            "stepSize": ZERO,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": plain(rules.bid_multiplier_up),
            "bidMultiplierDown": plain(rules.bid_multiplier_down),
            "askMultiplierUp": plain(rules.ask_multiplier_up),
            "askMultiplierDown": plain(rules.ask_multiplier_down),
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": _fixed(rules.min_notional),
            "applyMinToMarket": True,
            "maxNotional": _fixed(rules.max_notional),
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": rules.max_stops},
    ]
    if rules.max_position is not None:
        found.append({"filterType": "MAX_POSITION", "maxPosition": _fixed(rules.max_position)})
    return found


# -- orders ----------------------------------------------------------------------------------------


def _common(order: Order) -> dict[str, Any]:
    document: dict[str, Any] = {
        "price": text(order.price),
        "origQty": text(order.qty),
        "executedQty": text(order.filled),
        "origQuoteOrderQty": text(order.quote_qty),
        "cummulativeQuoteQty": text(order.filled_value),
        "status": order.status.value,
        "timeInForce": order.tif.value,
        "type": order.kind.value,
        "side": side_name(order.side),
    }
    if order.kind.has_trigger:
        document["stopPrice"] = text(order.trigger)
    if order.prevented:
        document["preventedQuantity"] = text(order.prevented)
    return document


def placed(order: Order, detail: str) -> dict[str, Any]:
    """Answer to a new order: ACK, RESULT or FULL."""
    document: dict[str, Any] = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": ms(order.updated_ns),
    }
    if detail == "ACK":
        return document
    document |= _common(order)
    if order.working_ns:
        document["workingTime"] = ms(order.working_ns)
    if detail == "FULL":
        document["fills"] = [
            {
                "price": text(trade.price),
                "qty": text(trade.qty),
                "commission": text(trade.fee),
                "commissionAsset": trade.fee_asset,
                "tradeId": trade.trade_id,
            }
            for trade in order.trades
        ]
    document["selfTradePreventionMode"] = order.self_trade.value
    return document


def queried(order: Order) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        **_common(order),
        "stopPrice": text(order.trigger),
        "icebergQty": ZERO,
        "time": ms(order.created_ns),
        "updateTime": ms(order.updated_ns),
        "isWorking": not order.is_parked,
        "workingTime": ms(order.working_ns) if order.working_ns else -1,
        "selfTradePreventionMode": order.self_trade.value,
    }


def canceled(order: Order) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_order_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.cancel_client_order_id,
        "transactTime": ms(order.updated_ns),
        **_common(order),
        "selfTradePreventionMode": order.self_trade.value,
    }


def own_trade(trade: Trade) -> dict[str, Any]:
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": text(trade.price),
        "qty": text(trade.qty),
        "quoteQty": text(value(trade.price, trade.qty)),
        "commission": text(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": ms(trade.ts_ns),
        "isBuyer": trade.side is Side.BUY,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


CHANGES = {
    "TRIGGERED": "NEW",
    "NEW": "NEW",
    "TRADE": "TRADE",
    "CANCELED": "CANCELED",
    "EXPIRED": "EXPIRED",
    "TRADE_PREVENTION": "TRADE_PREVENTION",
}


def execution_report(order: Order, change: str, trade: Trade | None, now_ns: int) -> dict[str, Any]:
    """What the user stream says of every change of an order."""
    is_cancel = change == "CANCELED" and bool(order.cancel_client_order_id)
    report: dict[str, Any] = {
        "e": "executionReport",
        "E": ms(now_ns),
        "s": order.symbol,
        "c": order.cancel_client_order_id if is_cancel else order.client_order_id,
        "S": side_name(order.side),
        "o": order.kind.value,
        "f": order.tif.value,
        "q": text(order.qty),
        "p": text(order.price),
        "P": text(order.trigger),
        "F": ZERO,
        "g": -1,
        "C": order.client_order_id if is_cancel else "",
        "x": CHANGES[change],
        "X": order.status.value,
        "r": "NONE",
        "i": order.order_id,
        "l": text(trade.qty) if trade is not None else ZERO,
        "z": text(order.filled),
        "L": text(trade.price) if trade is not None else ZERO,
        "n": text(trade.fee) if trade is not None else "0",
        "N": trade.fee_asset if trade is not None else None,
        "T": ms(trade.ts_ns if trade is not None else order.updated_ns),
        "t": trade.trade_id if trade is not None else -1,
        "I": order.order_id,
        "w": order.status.is_open and not order.is_parked,
        "m": trade is not None and trade.is_maker,
        "M": False,
        "O": ms(order.created_ns),
        "Z": text(order.filled_value),
        "Y": text(value(trade.price, trade.qty)) if trade is not None else ZERO,
        "Q": text(order.quote_qty),
        "V": order.self_trade.value,
    }
    if order.working_ns:
        report["W"] = ms(order.working_ns)
    return report


# -- the market ------------------------------------------------------------------------------------


def levels(pairs: list[tuple[int, int]]) -> list[list[str]]:
    return [[text(price), text(qty)] for price, qty in pairs]


def public_trade(print_: Print) -> dict[str, Any]:
    return {
        "id": print_.trade_id,
        "price": text(print_.price),
        "qty": text(print_.qty),
        "quoteQty": text(value(print_.price, print_.qty)),
        "time": ms(print_.ts_ns),
        "isBuyerMaker": print_.taker_side is Side.SELL,
        "isBestMatch": True,
    }


def aggregate_trade(print_: Print) -> dict[str, Any]:
    return {
        "a": print_.trade_id,
        "p": text(print_.price),
        "q": text(print_.qty),
        "f": print_.trade_id,
        "l": print_.trade_id,
        "T": ms(print_.ts_ns),
        "m": print_.taker_side is Side.SELL,
        "M": True,
    }


def touch(listing: Listing) -> dict[str, str]:
    bid, ask = listing.bids.best, listing.asks.best
    return {
        "bidPrice": text(bid or 0),
        "bidQty": text(listing.bids.total(bid) if bid is not None else 0),
        "askPrice": text(ask or 0),
        "askQty": text(listing.asks.total(ask) if ask is not None else 0),
    }
