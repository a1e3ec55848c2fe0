"""Binance spot: what its answers and its user stream say -> claims.

Every function raises `Unreadable` and nothing else for a message that is not what it should be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.domain.claims import (
    AccountNews,
    BalanceClaim,
    CashClaim,
    CashKind,
    ClaimStatus,
    OrderClaim,
    TradeClaim,
)
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, tidy
from engine.domain.order import OrderSpec, OrderType, Side
from engine.venues.binance.trades import fee_asset, streamed_trade
from engine.venues.binance.words import read_side, read_status, read_type
from engine.venues.fields import (
    JsonObject,
    Unreadable,
    amount,
    as_list,
    asset,
    flag,
    lots,
    name,
    need_name,
    ns,
    objects,
    optional_amount,
    optional_text,
    text,
    ticks,
    whole,
)
from engine.venues.fills import Worth, make_fill

_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)
Instruments = Mapping[str, Instrument]
"""By symbol; what is not among them is not ours to read."""


def read_event(event: JsonObject, instruments: Instruments, worth: Worth) -> Sequence[AccountNews]:
    """One event of the user stream, trades before the order that they belong to.

    Events that say nothing of orders or balances (listStatus, externalLockUpdate), and those of
    instruments that are not loaded, give nothing.
    """
    kind = text(event, "e")
    if kind == "executionReport":
        instrument = instruments.get(text(event, "s"))
        return [] if instrument is None else _execution_report(event, instrument, worth)
    if kind == "outboundAccountPosition":
        return _account_position(event)
    if kind == "balanceUpdate":
        return [_balance_update(event)]
    return []


def _execution_report(
    event: JsonObject, instrument: Instrument, worth: Worth
) -> Sequence[AccountNews]:
    """
    {"e": "executionReport", "E": 1709654401000, "s": "ETHUSDT", "c": "q0...", "S": "BUY",
     "o": "LIMIT", "f": "GTC", "q": "1.00000000", "p": "2500.00000000", "P": "0.00000000",
     "x": "TRADE", "X": "FILLED", "r": "NONE", "i": 12345678, "l": "1.00000000",
     "z": "1.00000000", "L": "2500.00000000", "n": "0.00100000", "N": "ETH",
     "T": 1709654401000, "t": 98765432, "w": false, "m": true, "C": ""}

    `C` is the order's id where `c` is that of the cancel request; `l`, `L`, `n`, `N`, `t` tell
    the one execution, `z` all of them together.
    """
    order_type = read_type(event, "o")
    qty_lots = lots(event, "q", instrument)
    filled_lots = lots(event, "z", instrument)
    status, words = read_status(text(event, "X"), filled_lots, qty_lots)
    client_order_id = name(event, "C") or name(event, "c")
    venue_order_id = need_name(event, "i")
    side = read_side(event, "S")
    venue_ns = ns(event, "T", "E")
    reject = optional_text(event, "r")
    claim = OrderClaim(
        instrument_id=instrument.instrument_id,
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        side=side,
        type=order_type,
        status=status,
        qty_lots=qty_lots,
        filled_lots=filled_lots,
        price_ticks=ticks(event, "p", instrument),
        trigger_ticks=ticks(event, "P", instrument),
        is_triggered=order_type in _STOPS and (flag(event, "w") or filled_lots > 0),
        venue_ns=venue_ns,
        words=words or optional_text(event, "eR") or ("" if reject == "NONE" else reject),
    )
    if text(event, "x") != "TRADE":
        return [claim]
    trade_id = need_name(event, "t")
    if trade_id.startswith("-"):
        raise Unreadable("t", trade_id, "expected the id of a trade")
    return [streamed_trade(event, claim, instrument, worth), claim]


def _account_position(event: JsonObject) -> Sequence[BalanceClaim]:
    """
    {"e": "outboundAccountPosition", "E": 1564034571105, "u": 1564034571073,
     "B": [{"a": "ETH", "f": "10000.000000", "l": "0.000000"}]}
    """
    venue_ns = ns(event, "u", "E")
    return [_balance(row, "a", "f", "l", venue_ns) for row in objects(event.get("B"), "B")]


def _balance_update(event: JsonObject) -> CashClaim:
    """
    {"e": "balanceUpdate", "E": 1573200697110, "a": "BTC", "d": "100.00000000",
     "T": 1573200697068}

    Deposits, withdrawals and transfers. The venue gives no id: time, asset and amount make one.
    """
    name_of_asset, change = asset(event, "a"), tidy(amount(event, "d"))
    stamp = whole(event, "T")
    return CashClaim(
        cash_id=f"{stamp}:{name_of_asset}:{change}",
        kind=CashKind.TRANSFER,
        asset=name_of_asset,
        amount=change,
        venue_ns=ns(event, "T"),
    )


def read_order(row: JsonObject, instrument: Instrument) -> OrderClaim:
    """An order as GET order, openOrders and allOrders give it, and DELETE order.

    {"symbol": "LTCBTC", "orderId": 1, "clientOrderId": "myOrder1", "price": "0.1",
     "origQty": "1.0", "executedQty": "0.0", "status": "NEW", "timeInForce": "GTC",
     "type": "LIMIT", "side": "BUY", "stopPrice": "0.0", "time": 1499827319559,
     "updateTime": 1499827319559, "isWorking": true}

    After a cancel `clientOrderId` is the request's id and `origClientOrderId` the order's.
    """
    order_type = read_type(row, "type")
    qty_lots = lots(row, "origQty", instrument)
    filled_lots = lots(row, "executedQty", instrument)
    status, words = read_status(text(row, "status"), filled_lots, qty_lots)
    return OrderClaim(
        instrument_id=instrument.instrument_id,
        client_order_id=name(row, "origClientOrderId", "clientOrderId"),
        venue_order_id=need_name(row, "orderId"),
        side=read_side(row, "side"),
        type=order_type,
        status=status,
        qty_lots=qty_lots,
        filled_lots=filled_lots,
        price_ticks=ticks(row, "price", instrument),
        trigger_ticks=ticks(row, "stopPrice", instrument),
        is_triggered=order_type in _STOPS and (flag(row, "isWorking") or filled_lots > 0),
        venue_ns=ns(row, "updateTime", "transactTime", "time"),
        words=words,
    )


def read_placed(
    row: JsonObject, spec: OrderSpec, instrument: Instrument, worth: Worth
) -> tuple[OrderClaim, Sequence[TradeClaim]]:
    """POST order with newOrderRespType=FULL: as `read_order`, and

    {"transactTime": 1507725176595, "fills": [{"price": "4000.00000000", "qty": "1.00000000",
     "commission": "4.00000000", "commissionAsset": "USDT", "tradeId": 56}]}

    Stops may be answered with the ids alone: then the claim is what was asked for, open.
    """
    if "status" not in row:
        return _acknowledged(row, spec, instrument), ()
    claim = read_order(row, instrument)
    trades = []
    for item in objects(row.get("fills", []), "fills"):
        fee = optional_amount(item, "commission")
        fill = make_fill(
            instrument,
            trade_id=need_name(item, "tradeId"),
            ticks=ticks(item, "price", instrument),
            lots=lots(item, "qty", instrument),
            fee=fee,
            fee_asset=fee_asset(item, "commissionAsset", fee, instrument),
            is_maker=False,  # What trades while it is being placed takes.
            venue_ns=ns(row, "transactTime"),
            worth=worth,
        )
        trades.append(
            TradeClaim(
                instrument_id=instrument.instrument_id,
                client_order_id=claim.client_order_id,
                venue_order_id=claim.venue_order_id,
                side=claim.side,
                fill=fill,
            )
        )
    return claim, trades


def _acknowledged(row: JsonObject, spec: OrderSpec, instrument: Instrument) -> OrderClaim:
    return OrderClaim(
        instrument_id=instrument.instrument_id,
        client_order_id=need_name(row, "clientOrderId"),
        venue_order_id=need_name(row, "orderId"),
        side=spec.side,
        type=spec.type,
        status=ClaimStatus.OPEN,
        qty_lots=spec.qty_lots,
        filled_lots=0,
        price_ticks=spec.price_ticks,
        trigger_ticks=spec.trigger_ticks,
        venue_ns=ns(row, "transactTime"),
    )


def read_trade(row: JsonObject, instrument: Instrument, worth: Worth) -> TradeClaim:
    """One row of myTrades.

    {"symbol": "BNBBTC", "id": 28457, "orderId": 100234, "price": "4.00000100",
     "qty": "12.00000000", "commission": "10.10000000", "commissionAsset": "BNB",
     "time": 1499865549590, "isBuyer": true, "isMaker": false}
    """
    fee = optional_amount(row, "commission")
    fill = make_fill(
        instrument,
        trade_id=need_name(row, "id"),
        ticks=ticks(row, "price", instrument),
        lots=lots(row, "qty", instrument),
        fee=fee,
        fee_asset=fee_asset(row, "commissionAsset", fee, instrument),
        is_maker=flag(row, "isMaker"),
        venue_ns=ns(row, "time"),
        worth=worth,
    )
    return TradeClaim(
        instrument_id=instrument.instrument_id,
        client_order_id="",
        venue_order_id=need_name(row, "orderId"),
        side=Side.BUY if _is_buyer(row) else Side.SELL,
        fill=fill,
    )


def read_account(answer: JsonObject) -> Sequence[BalanceClaim]:
    """GET account: `{"updateTime": 123456789, "balances": [{"asset": "BTC",
    "free": "4723846.89208129", "locked": "0.00000000"}], ...}`. Empty ones are left out."""
    venue_ns = ns(answer, "updateTime")
    rows = [
        _balance(row, "asset", "free", "locked", venue_ns)
        for row in objects(as_list(answer.get("balances"), "balances"), "balances")
    ]
    return [row for row in rows if row.total != 0]


def _balance(
    row: JsonObject, name_field: str, free_field: str, locked_field: str, venue_ns: int
) -> BalanceClaim:
    free, locked = amount(row, free_field), amount(row, locked_field)
    return BalanceClaim(
        asset=asset(row, name_field),
        total=tidy(MONEY.add(free, locked)),
        free=tidy(free),
        venue_ns=venue_ns,
    )


def _is_buyer(row: JsonObject) -> bool:
    if "isBuyer" not in row:
        raise Unreadable("isBuyer", None, "expected true or false")
    return flag(row, "isBuyer")
