"""Binance spot: requests and the user stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from engine.domain.claims import (
    BalanceClaim,
    CashClaim,
    KeyPermissions,
    OrderClaim,
    PositionClaim,
    TradeClaim,
)
from engine.domain.instrument import Instrument
from engine.domain.money import plain
from engine.domain.order import OrderSpec, OrderType, TimeInForce
from engine.ports.live import Placed, Priority
from engine.ports.venue import Submit
from engine.venues.binance.paging import all_trades, ms, trades_of_order
from engine.venues.binance.permissions import ask_permissions
from engine.venues.binance.rules import read_exchange_info
from engine.venues.binance.spot_claims import (
    read_account,
    read_event,
    read_order,
    read_placed,
    read_trade,
)
from engine.venues.ccxt_client import CcxtClient
from engine.venues.classify import AskFailed
from engine.venues.dialect import Asker, Request, StreamEnded, Told
from engine.venues.fields import (
    NS_PER_MS,
    Unreadable,
    amount,
    as_object,
    objects,
    of_loaded,
    text,
    whole,
)
from engine.venues.fills import Worth
from engine.venues.rules import MarketRules
from engine.venues.ws_subscribe import confirmed

_TYPES = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
}
SUBSCRIBE_WEIGHT = 4
"""Two for the connection, two for the signed subscription."""
_TIFS = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}


def order_params(submit: Submit, instrument: Instrument) -> Mapping[str, str]:
    """POST order. Numbers are the exact decimals of ticks and lots, as text."""
    spec = submit.spec
    params = {
        "symbol": instrument.symbol,
        "side": spec.side.value.upper(),
        "type": _TYPES[spec.type],
        "quantity": plain(instrument.qty(spec.qty_lots)),
        "newClientOrderId": submit.client_order_id,
        "newOrderRespType": "FULL",
    }
    if spec.type in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        params["price"] = plain(instrument.price(spec.price_ticks))
        params |= _time_in_force(spec)
    if spec.type in (OrderType.STOP, OrderType.STOP_LIMIT):
        params["stopPrice"] = plain(instrument.price(spec.trigger_ticks))
    return params


def _time_in_force(spec: OrderSpec) -> Mapping[str, str]:
    if spec.tif is not TimeInForce.POST_ONLY:
        return {"timeInForce": _TIFS[spec.tif]}
    # LIMIT_MAKER has no time in force. A stop-limit cannot be post-only at this venue.
    return {"type": "LIMIT_MAKER"} if spec.type is OrderType.LIMIT else {"timeInForce": "GTC"}


class BinanceSpot:
    """The `Dialect` of Binance spot."""

    def __init__(self, client: CcxtClient, ask: Asker, worth: Worth) -> None:
        self.instruments: dict[str, Instrument] = {}
        self._client = client
        self._ask = ask
        self._worth = worth

    # -- what the venue is ---------------------------------------------------------------------

    async def fetch_time_ns(self) -> int:
        answer = as_object(await self._ask(Request("public", "GET", "time", {})))
        return whole(answer, "serverTime") * NS_PER_MS

    async def fetch_rules(self, symbols: Sequence[str]) -> Mapping[str, MarketRules]:
        # One by one: with several, a single unknown symbol spoils the answer.
        found: dict[str, MarketRules] = {}
        for symbol in symbols:
            request = Request("public", "GET", "exchangeInfo", {"symbol": symbol}, 20)
            try:
                answer = as_object(await self._ask(request))
            except AskFailed as fault:
                if fault.code in ("-1121", "-1100"):
                    continue
                raise
            found |= read_exchange_info(answer, self._client.quirks.venue)
        return {symbol: found[symbol] for symbol in symbols if symbol in found}

    async def fetch_key_permissions(self) -> KeyPermissions:
        return await ask_permissions(self._ask, "enableSpotAndMarginTrading")

    async def fetch_price(self, symbol: str) -> Decimal:
        request = Request("public", "GET", "ticker/price", {"symbol": symbol}, 2, Priority.DATA)
        return amount(as_object(await self._ask(request)), "price")

    # -- orders --------------------------------------------------------------------------------

    async def place(self, submit: Submit, instrument: Instrument) -> Placed:
        params = order_params(submit, instrument)
        request = Request("private", "POST", "order", params, 1, Priority.ORDER, is_order=True)
        answer = as_object(await self._ask(request))
        claim, trades = read_placed(answer, submit.spec, instrument, self._worth)
        if claim.client_order_id != submit.client_order_id:
            raise Unreadable(
                "clientOrderId", claim.client_order_id, "expected the id that was sent"
            )
        return Placed(order=claim, trades=trades)

    async def cancel(self, instrument: Instrument, client_order_id: str) -> OrderClaim:
        params = {"symbol": instrument.symbol, "origClientOrderId": client_order_id}
        request = Request("private", "DELETE", "order", params, 1, Priority.CANCEL)
        return read_order(as_object(await self._ask(request)), instrument)

    async def cancel_all(self, instrument: Instrument) -> None:
        request = Request(
            "private", "DELETE", "openOrders", {"symbol": instrument.symbol}, 1, Priority.CANCEL
        )
        try:
            await self._ask(request)
        except AskFailed as fault:
            if not fault.is_not_working:  # There is nothing to cancel.
                raise

    async def find_order(self, instrument: Instrument, client_order_id: str) -> OrderClaim | None:
        params = {"symbol": instrument.symbol, "origClientOrderId": client_order_id}
        try:
            answer = await self._ask(Request("private", "GET", "order", params, 4))
        except AskFailed as fault:
            if fault.is_not_working:
                return None
            raise
        return read_order(as_object(answer), instrument)

    # -- the account ---------------------------------------------------------------------------

    async def fetch_open_orders(self) -> Sequence[OrderClaim]:
        rows = objects(await self._ask(Request("private", "GET", "openOrders", {}, 80)))
        return [read_order(row, item) for row, item in of_loaded(rows, self.instruments)]

    async def fetch_trades(
        self, instrument: Instrument, since_ns: int, venue_order_id: str
    ) -> Sequence[TradeClaim]:
        quirks = self._client.quirks

        async def page(params: Mapping[str, str]) -> object:
            weight = 5 if "orderId" in params else 20
            whole_params = {"symbol": instrument.symbol, **params}
            return await self._ask(Request("private", "GET", "myTrades", whole_params, weight))

        if venue_order_id:
            rows = await trades_of_order(page, venue_order_id, quirks.trades_page)
        else:
            rows = await all_trades(
                page,
                since_ms=ms(since_ns),
                now_ms=self._client.venue_ms(),
                window_ms=quirks.trades_window_s * 1000,
                page_rows=quirks.trades_page,
            )
        return [read_trade(row, instrument, self._worth) for row in rows]

    async def fetch_balances(self) -> Sequence[BalanceClaim]:
        params = {"omitZeroBalances": "true"}
        return read_account(
            as_object(await self._ask(Request("private", "GET", "account", params, 20)))
        )

    async def fetch_positions(self) -> Sequence[PositionClaim]:
        return ()

    async def fetch_cash(self, since_ns: int) -> Sequence[CashClaim]:
        """Nothing: deposits and transfers come with the stream (balanceUpdate), whose ids no
        request knows. One that was missed shows as a balance that nothing explains."""
        return ()

    async def renew_dead_man(self, timeout_s: int) -> None:
        raise AssertionError("Binance spot has no such timer")

    # -- the user stream -----------------------------------------------------------------------

    async def subscribe(self) -> None:
        exchange, budget = self._client.exchange, self._client.budget
        # ccxt asks over the socket: without this a ban would be answered with reconnections.
        ticket = await budget.take_when_free(Priority.RECONCILE, SUBSCRIBE_WEIGHT)
        try:
            await confirmed(
                self._client, exchange.ensure_user_data_stream_ws_subscribe_signature("spot")
            )
        except AskFailed as fault:
            if fault.until_ns:
                budget.stopped(fault, ticket)
            raise
        budget.answered(ticket, {})

    async def keep_alive(self) -> None:
        """Nothing to do: the signed subscription lasts as long as its socket."""

    def read_event(self, message: object) -> Told:
        """`{"subscriptionId": 0, "event": {...}}`, or an answer to a request."""
        outer = as_object(message, "message")
        if "event" not in outer and "e" not in outer:
            return ()
        event = as_object(outer.get("event", outer), "event")
        kind = text(event, "e")
        if kind in ("eventStreamTerminated", "serverShutdown"):
            return StreamEnded(f"the venue ended the stream ({kind})")
        return read_event(event, self.instruments, self._worth)
