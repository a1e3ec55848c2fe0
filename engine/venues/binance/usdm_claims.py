"""Binance USD-M futures: what its answers and its user stream say -> claims.

Conditional orders live apart, as algo orders with ids of their own, until they trigger; then the
venue places an ordinary order for them (`AlgoLinks` remembers which). Every function raises
`Unreadable` and nothing else for a message that is not what it should be.
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
    PositionClaim,
    TradeClaim,
)
from engine.domain.instrument import Instrument
from engine.domain.money import ZERO, tidy
from engine.domain.order import OrderType, Side
from engine.venues.binance.trades import fee_asset, streamed_trade
from engine.venues.binance.words import read_side, read_status, read_type
from engine.venues.fields import (
    JsonObject,
    Unreadable,
    amount,
    as_list,
    as_object,
    asset,
    flag,
    lots,
    name,
    need_name,
    ns,
    objects,
    optional_amount,
    optional_text,
    signed_lots,
    text,
    ticks,
)
from engine.venues.fills import Worth, make_fill

Instruments = Mapping[str, Instrument]
_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)
_LINKS_MAX = 10_000

_ALGO_STATUSES = {
    "NEW": ClaimStatus.OPEN,
    "TRIGGERING": ClaimStatus.OPEN,
    "TRIGGERED": ClaimStatus.OPEN,
    "CANCELED": ClaimStatus.CANCELED,
    "EXPIRED": ClaimStatus.EXPIRED,
    "REJECTED": ClaimStatus.REJECTED,
}
"""FINISHED is not among them: the order it became says how it ended."""

_CASH_KINDS = {
    "FUNDING_FEE": CashKind.FUNDING,
    "TRANSFER": CashKind.TRANSFER,
    "INTERNAL_TRANSFER": CashKind.TRANSFER,
    "CROSS_COLLATERAL_TRANSFER": CashKind.TRANSFER,
}
_TOLD_BY_TRADES = frozenset({"REALIZED_PNL", "COMMISSION"})


ALGO = "algo-"
"""Before the venue's number of an algo order: they are counted apart from ordinary orders. Once it
has triggered, claims bear the number of the ordinary order that it became."""


class AlgoLinks:
    """Which ordinary order a triggered algo order became. The oldest are forgotten."""

    def __init__(self) -> None:
        self._client_ids: dict[str, str] = {}
        self._algo_ids: dict[str, None] = {}

    def learn(self, client_order_id: str, became: str) -> None:
        """An algo order of ours, and the ordinary one it has become ("" while it waits)."""
        if not client_order_id:
            return
        self._algo_ids[client_order_id] = None
        if became:
            self._client_ids[became] = client_order_id
        for known in (self._algo_ids, self._client_ids):
            if len(known) > _LINKS_MAX:
                del known[next(iter(known))]

    def client_id(self, venue_order_id: str) -> str:
        """Of the algo order that became this one; "" when it is none, or not known to be."""
        return self._client_ids.get(venue_order_id, "")

    def is_algo(self, client_order_id: str) -> bool:
        return client_order_id in self._algo_ids


def read_event(
    event: JsonObject, instruments: Instruments, worth: Worth, links: AlgoLinks
) -> Sequence[AccountNews]:
    """One event of the user stream, trades before the order that they belong to.

    TRADE_LITE says early, and without its fee, what ORDER_TRADE_UPDATE says in full: it gives
    nothing. So do margin calls, changes of leverage, and what is not of a loaded instrument.
    """
    kind = text(event, "e")
    if kind == "ORDER_TRADE_UPDATE":
        return _order_trade_update(event, instruments, worth, links)
    if kind == "ALGO_UPDATE":
        return _algo_update(event, instruments, links)
    if kind == "ACCOUNT_UPDATE":
        return _account_update(event, instruments)
    return []


def _order_trade_update(
    event: JsonObject, instruments: Instruments, worth: Worth, links: AlgoLinks
) -> Sequence[AccountNews]:
    """
    {"e": "ORDER_TRADE_UPDATE", "T": 1568879465651, "E": 1568879465651, "o": {
      "s": "BTCUSDT", "c": "TEST", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.001",
      "p": "7100.50", "ap": "7100.50", "sp": "0", "x": "TRADE", "X": "PARTIALLY_FILLED",
      "i": 8886774, "l": "0.001", "z": "0.001", "L": "7100.50", "N": "USDT", "n": "0.01000000",
      "T": 1568879465651, "t": 12345678, "m": true, "R": false, "ot": "LIMIT", "ps": "LONG"}}

    `o` is the type now, `ot` the one that was ordered: a triggered stop trades as a LIMIT or
    MARKET. `x` CALCULATED is the venue's own order that liquidates a position.
    """
    row = as_object(event.get("o"), "o")
    instrument = instruments.get(text(row, "s"))
    if instrument is None:
        return []
    venue_order_id = need_name(row, "i")
    algo_id = links.client_id(venue_order_id)
    client_order_id = algo_id or name(row, "c")
    order_type = read_type(row, "ot" if optional_text(row, "ot") else "o")
    qty_lots, filled_lots = lots(row, "q", instrument), lots(row, "z", instrument)
    status, words = read_status(text(row, "X"), filled_lots, qty_lots)
    side, venue_ns = read_side(row, "S"), ns(row, "T") or ns(event, "T", "E")
    claim = OrderClaim(
        instrument_id=instrument.instrument_id,
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        side=side,
        type=order_type,
        status=status,
        qty_lots=qty_lots,
        filled_lots=filled_lots,
        price_ticks=ticks(row, "p", instrument),
        trigger_ticks=ticks(row, "sp", instrument),
        is_triggered=bool(algo_id)
        or (order_type in _STOPS and (filled_lots > 0 or read_type(row, "o") not in _STOPS)),
        reduce_only=flag(row, "R"),
        venue_ns=venue_ns,
        words=words,
    )
    last_lots = lots(row, "l", instrument)
    if text(row, "x") not in ("TRADE", "CALCULATED") or last_lots == 0:
        return [claim]
    return [streamed_trade(row, claim, instrument, worth), claim]


def _algo_update(
    event: JsonObject, instruments: Instruments, links: AlgoLinks
) -> Sequence[AccountNews]:
    """
    {"e": "ALGO_UPDATE", "T": 1750515742297, "E": 1750515742303, "o": {
      "caid": "Q5xaq5EGKgXXa0fD7fs0Ip", "aid": 2148719, "at": "CONDITIONAL", "o": "TAKE_PROFIT",
      "s": "BNBUSDT", "S": "SELL", "ps": "BOTH", "f": "GTC", "q": "0.01", "X": "CANCELED",
      "ai": "", "ap": "0.00000", "aq": "0.00000", "act": "0", "tp": "750", "p": "750",
      "R": false, "tt": 0, "rm": "Reduce Only reject"}}

    `ai` is the ordinary order that it became, `aq` what of it has traded.
    """
    row = as_object(event.get("o"), "o")
    instrument = instruments.get(text(row, "s"))
    if instrument is None:
        return []
    client_order_id = name(row, "caid")
    became = _order_id(row, "ai")
    links.learn(client_order_id, became)
    word = text(row, "X")
    if word == "FINISHED":
        return []
    claim = OrderClaim(
        instrument_id=instrument.instrument_id,
        client_order_id=client_order_id,
        venue_order_id=became or ALGO + need_name(row, "aid"),
        side=read_side(row, "S"),
        type=read_type(row, "o"),
        status=_ALGO_STATUSES.get(word, ClaimStatus.STRANGE),
        qty_lots=lots(row, "q", instrument),
        # What traded is told by the order that it became: one source, or fills count twice.
        filled_lots=0,
        price_ticks=ticks(row, "p", instrument),
        trigger_ticks=ticks(row, "tp", instrument),
        is_triggered=became != "",
        reduce_only=flag(row, "R"),
        venue_ns=ns(event, "T", "E"),
        words=_algo_words(word, optional_text(row, "rm")),
    )
    return [claim]


def _account_update(event: JsonObject, instruments: Instruments) -> Sequence[AccountNews]:
    """
    {"e": "ACCOUNT_UPDATE", "T": 1564745798939, "E": 1564745798939, "a": {"m": "ORDER",
      "B": [{"a": "USDT", "wb": "122624.12345678", "cw": "100.12345678", "bc": "50.12345678"}],
      "P": [{"s": "BTCUSDT", "pa": "20", "ep": "6563.6", "ps": "BOTH"}]}}

    `wb` is the wallet, `cw` its part that is not isolated in positions. A change (`bc`) carries no
    id: funding and transfers are read from `income`, where each has one.
    """
    body = as_object(event.get("a"), "a")
    venue_ns = ns(event, "T", "E")
    news: list[AccountNews] = [
        BalanceClaim(
            asset=asset(row, "a"),
            total=tidy(amount(row, "wb")),
            free=tidy(amount(row, "cw")),
            venue_ns=venue_ns,
        )
        for row in objects(body.get("B", []), "B")
    ]
    rows = objects(body.get("P", []), "P")
    # In hedge mode an event may hold one of two sides: only a request tells the sum.
    hedged = {text(row, "s") for row in rows if text(row, "ps") != "BOTH"}
    for row in rows:
        instrument = instruments.get(text(row, "s"))
        if instrument is None or instrument.symbol in hedged:
            continue
        position = signed_lots(amount(row, "pa"), "pa", instrument)
        news.append(
            PositionClaim(
                instrument_id=instrument.instrument_id,
                lots=position,
                entry_price=tidy(amount(row, "ep")) if position else None,
                venue_ns=venue_ns,
            )
        )
    return news


def read_order(row: JsonObject, instrument: Instrument, links: AlgoLinks) -> OrderClaim:
    """An order as POST, GET and DELETE order, openOrders and allOrders give it.

    {"orderId": 12345678, "symbol": "BTCUSDT", "status": "NEW", "clientOrderId": "testOrder123",
     "price": "50000.00", "avgPrice": "0.00", "origQty": "0.001", "executedQty": "0.000",
     "timeInForce": "GTC", "type": "LIMIT", "reduceOnly": false, "closePosition": false,
     "side": "BUY", "positionSide": "BOTH", "stopPrice": "0.00", "origType": "LIMIT",
     "time": 1625474304765, "updateTime": 1625474304765}
    """
    venue_order_id = need_name(row, "orderId")
    algo_id = links.client_id(venue_order_id)
    order_type = read_type(row, "origType" if optional_text(row, "origType") else "type")
    qty_lots, filled_lots = lots(row, "origQty", instrument), lots(row, "executedQty", instrument)
    status, words = read_status(text(row, "status"), filled_lots, qty_lots)
    return OrderClaim(
        instrument_id=instrument.instrument_id,
        client_order_id=algo_id or name(row, "clientOrderId"),
        venue_order_id=venue_order_id,
        side=read_side(row, "side"),
        type=order_type,
        status=status,
        qty_lots=qty_lots,
        filled_lots=filled_lots,
        price_ticks=ticks(row, "price", instrument),
        trigger_ticks=ticks(row, "stopPrice", instrument),
        is_triggered=bool(algo_id)
        or (order_type in _STOPS and (filled_lots > 0 or read_type(row, "type") not in _STOPS)),
        reduce_only=flag(row, "reduceOnly"),
        venue_ns=ns(row, "updateTime", "time"),
        words=words,
    )


def read_algo_order(row: JsonObject, instrument: Instrument, links: AlgoLinks) -> OrderClaim:
    """A conditional order as POST and GET algoOrder and openAlgoOrders give it.

    {"algoId": 123456789, "clientAlgoId": "test-algo-order-1", "algoType": "CONDITIONAL",
     "orderType": "STOP_MARKET", "symbol": "BTCUSDT", "side": "BUY", "positionSide": "BOTH",
     "timeInForce": "GTC", "quantity": "0.001", "algoStatus": "NEW", "triggerPrice": "45000.00",
     "price": "0", "reduceOnly": false, "actualOrderId": "", "updateTime": 1625474304765}

    Older answers call the type `type`. Nothing traded is told here, but by the order it became.
    """
    client_order_id = name(row, "clientAlgoId")
    became = actual_order_id(row)
    links.learn(client_order_id, became)
    word = text(row, "algoStatus")
    return OrderClaim(
        instrument_id=instrument.instrument_id,
        client_order_id=client_order_id,
        venue_order_id=became or ALGO + need_name(row, "algoId"),
        side=read_side(row, "side"),
        type=read_type(row, "orderType" if optional_text(row, "orderType") else "type"),
        status=_ALGO_STATUSES.get(word, ClaimStatus.STRANGE),
        qty_lots=lots(row, "quantity", instrument),
        filled_lots=0,
        price_ticks=ticks(row, "price", instrument),
        trigger_ticks=ticks(row, "triggerPrice", instrument),
        is_triggered=became != "",
        reduce_only=flag(row, "reduceOnly"),
        venue_ns=ns(row, "updateTime", "createTime"),
        words=_algo_words(word, ""),
    )


def actual_order_id(row: JsonObject) -> str:
    """The ordinary order that an algo order became; "" while it waits."""
    return _order_id(row, "actualOrderId")


def read_trade(
    row: JsonObject, instrument: Instrument, worth: Worth, links: AlgoLinks
) -> TradeClaim:
    """One row of userTrades.

    {"buyer": false, "commission": "-0.07819010", "commissionAsset": "USDT", "id": 698759,
     "maker": false, "orderId": 25851813, "price": "7819.01", "qty": "0.002",
     "quoteQty": "15.63802", "realizedPnl": "-0.91539999", "side": "SELL",
     "positionSide": "SHORT", "symbol": "BTCUSDT", "time": 1569514978020}
    """
    venue_order_id = need_name(row, "orderId")
    fee = optional_amount(row, "commission")
    fill = make_fill(
        instrument,
        trade_id=need_name(row, "id"),
        ticks=ticks(row, "price", instrument),
        lots=lots(row, "qty", instrument),
        fee=fee,
        fee_asset=fee_asset(row, "commissionAsset", fee, instrument),
        is_maker=flag(row, "maker"),
        venue_ns=ns(row, "time"),
        worth=worth,
    )
    return TradeClaim(
        instrument_id=instrument.instrument_id,
        client_order_id=links.client_id(venue_order_id),
        venue_order_id=venue_order_id,
        side=_trade_side(row),
        fill=fill,
    )


def read_balances(answer: object) -> Sequence[BalanceClaim]:
    """GET balance: `[{"asset": "USDT", "balance": "122.12345678",
    "availableBalance": "122.12345678", "updateTime": 1617939110373}]`. Empty ones are left out."""
    rows = [
        BalanceClaim(
            asset=asset(row, "asset"),
            total=tidy(amount(row, "balance")),
            free=tidy(amount(row, "availableBalance")),
            venue_ns=ns(row, "updateTime"),
        )
        for row in objects(as_list(answer, "balances"), "balances")
    ]
    return [row for row in rows if row.total != 0]


def read_positions(answer: object, instruments: Instruments) -> Sequence[PositionClaim]:
    """GET positionRisk: `[{"symbol": "BTCUSDT", "positionAmt": "0.001", "entryPrice": "50000.0",
    "liquidationPrice": "45000.0", "positionSide": "BOTH", "updateTime": 1625474304765}]`.

    In hedge mode a symbol has two rows: their sum is the position, and it has no one price.
    """
    sums: dict[str, list[JsonObject]] = {}
    for row in objects(as_list(answer, "positions"), "positions"):
        sums.setdefault(text(row, "symbol"), []).append(row)
    return [
        _position(rows, instrument)
        for symbol, rows in sums.items()
        if (instrument := instruments.get(symbol)) is not None
    ]


def _position(rows: Sequence[JsonObject], instrument: Instrument) -> PositionClaim:
    held = [row for row in rows if amount(row, "positionAmt") != 0]
    lots_held = sum(
        signed_lots(amount(row, "positionAmt"), "positionAmt", instrument) for row in held
    )
    only = held[0] if len(held) == 1 else None
    liquidation = optional_amount(only, "liquidationPrice") if only else ZERO
    return PositionClaim(
        instrument_id=instrument.instrument_id,
        lots=lots_held,
        entry_price=tidy(amount(only, "entryPrice")) if only else None,
        liquidation_price=tidy(liquidation) if liquidation > 0 else None,
        venue_ns=max(ns(row, "updateTime") for row in rows),
    )


def read_income(row: JsonObject, instruments: Instruments) -> CashClaim | None:
    """One row of income; None for what trades tell already.

    {"symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "-0.37500000", "asset": "USDT",
     "info": "FUNDING_FEE", "time": 1570636800000, "tranId": 9689322392, "tradeId": ""}

    `tranId` is unique for one type and user.
    """
    word = text(row, "incomeType")
    if word in _TOLD_BY_TRADES:
        return None
    kind = _CASH_KINDS.get(word, CashKind.OTHER)
    symbol = optional_text(row, "symbol")
    instrument = instruments.get(symbol)
    return CashClaim(
        cash_id=f"{word}:{need_name(row, 'tranId')}:{symbol}",
        kind=kind,
        asset=asset(row, "asset"),
        amount=tidy(amount(row, "income")),
        instrument_id=instrument.instrument_id if instrument else "",
        venue_ns=ns(row, "time"),
        words="" if kind is CashKind.FUNDING else word,
    )


def _order_id(row: JsonObject, field: str) -> str:
    found = name(row, field)
    return "" if found == "0" else found


def _trade_side(row: JsonObject) -> Side:
    side = read_side(row, "side")
    if "buyer" in row and flag(row, "buyer") is not (side is Side.BUY):
        raise Unreadable("buyer", row["buyer"], f"contradicts the side {side.value}")
    return side


def _algo_words(word: str, reason: str) -> str:
    if word in ("CANCELED", "EXPIRED", "REJECTED"):
        return reason
    return word if word not in _ALGO_STATUSES else ""
