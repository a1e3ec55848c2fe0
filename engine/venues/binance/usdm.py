"""Binance USD-M futures: requests and the user stream.

One-way position mode: in hedge mode the venue refuses every order (-4061), with its own words.
Stops are algo orders there: another endpoint, other ids, until they trigger.
"""

from __future__ import annotations

import asyncio
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
from engine.domain.order import OrderType, TimeInForce
from engine.ports.live import Placed, Priority
from engine.ports.venue import Submit
from engine.venues.binance.paging import all_trades, ms, trades_of_order
from engine.venues.binance.permissions import ask_permissions
from engine.venues.binance.rules import read_exchange_info
from engine.venues.binance.usdm_claims import (
    ALGO,
    AlgoLinks,
    actual_order_id,
    read_algo_order,
    read_balances,
    read_event,
    read_income,
    read_order,
    read_positions,
    read_trade,
)
from engine.venues.ccxt_client import CcxtClient
from engine.venues.classify import AskFailed
from engine.venues.dialect import Asker, Request, StreamEnded, Told
from engine.venues.fields import (
    NS_PER_MS,
    JsonObject,
    Unreadable,
    amount,
    as_object,
    objects,
    of_loaded,
    optional_text,
    text,
    whole,
)
from engine.venues.fills import Worth
from engine.venues.rules import MarketRules
from engine.venues.ws_subscribe import confirmed

PRIVATE = "fapiPrivate"
INCOME_ROWS = 1_000
INCOME_PAGES_MAX = 200

_TIFS = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "GTX",
}
_ALGO_TYPES = {OrderType.STOP: "STOP_MARKET", OrderType.STOP_LIMIT: "STOP"}


def order_params(submit: Submit, instrument: Instrument) -> Mapping[str, str]:
    """POST order, or POST algoOrder for stops. Numbers are exact decimals, as text."""
    spec = submit.spec
    params = {
        "symbol": instrument.symbol,
        "side": spec.side.value.upper(),
        "quantity": plain(instrument.qty(spec.qty_lots)),
        "newOrderRespType": "RESULT",
    }
    if spec.type in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        params["price"] = plain(instrument.price(spec.price_ticks))
        params["timeInForce"] = _TIFS[spec.tif]
    if spec.reduce_only:
        params["reduceOnly"] = "true"
    if spec.type not in _ALGO_TYPES:
        return params | {
            "type": spec.type.value.upper(),
            "newClientOrderId": submit.client_order_id,
        }
    return params | {
        "algoType": "CONDITIONAL",
        "type": _ALGO_TYPES[spec.type],
        "triggerPrice": plain(instrument.price(spec.trigger_ticks)),
        "workingType": "CONTRACT_PRICE",
        "clientAlgoId": submit.client_order_id,
    }


class BinanceUsdm:
    """The `Dialect` of Binance USD-M futures."""

    def __init__(self, client: CcxtClient, ask: Asker, worth: Worth) -> None:
        self.instruments: dict[str, Instrument] = {}
        self._client = client
        self._ask = ask
        self._worth = worth
        self._links = AlgoLinks()

    # -- what the venue is ---------------------------------------------------------------------

    async def fetch_time_ns(self) -> int:
        answer = as_object(await self._ask(Request("fapiPublic", "GET", "time", {})))
        return whole(answer, "serverTime") * NS_PER_MS

    async def fetch_rules(self, symbols: Sequence[str]) -> Mapping[str, MarketRules]:
        answer = as_object(await self._ask(Request("fapiPublic", "GET", "exchangeInfo", {})))
        found = read_exchange_info(answer, self._client.quirks.venue)
        return {symbol: found[symbol] for symbol in symbols if symbol in found}

    async def fetch_key_permissions(self) -> KeyPermissions:
        return await ask_permissions(self._ask, "enableFutures")

    async def fetch_price(self, symbol: str) -> Decimal:
        request = Request("fapiPublic", "GET", "ticker/price", {"symbol": symbol}, 2, Priority.DATA)
        return amount(as_object(await self._ask(request)), "price")

    # -- orders --------------------------------------------------------------------------------

    async def place(self, submit: Submit, instrument: Instrument) -> Placed:
        is_algo = submit.spec.type in _ALGO_TYPES
        if is_algo:
            # Before it is sent: whatever becomes of it, this id is asked for in the right place.
            self._links.learn(submit.client_order_id, "")
        request = Request(
            PRIVATE,
            "POST",
            "algoOrder" if is_algo else "order",
            order_params(submit, instrument),
            1,
            Priority.ORDER,
            is_order=True,
        )
        answer = as_object(await self._ask(request))
        claim = self._read(answer, instrument)
        if claim.client_order_id != submit.client_order_id:
            raise Unreadable(
                "clientOrderId", claim.client_order_id, "expected the id that was sent"
            )
        return Placed(order=claim)

    async def cancel(self, instrument: Instrument, client_order_id: str) -> OrderClaim:
        if self._links.is_algo(client_order_id):
            return await self._cancel_algo(instrument, client_order_id)
        try:
            answer = await self._ask(
                self._of_order("DELETE", instrument, "origClientOrderId", client_order_id)
            )
        except AskFailed as fault:
            if not fault.is_not_working:
                raise
            return await self._cancel_algo(instrument, client_order_id)
        return self._read(as_object(answer), instrument)

    async def _cancel_algo(self, instrument: Instrument, client_order_id: str) -> OrderClaim:
        params = {"clientAlgoId": client_order_id}
        request = Request(PRIVATE, "DELETE", "algoOrder", params, 1, Priority.CANCEL)
        try:
            await self._ask(request)
        except AskFailed as fault:
            if not fault.is_not_working:
                raise
            row = await self._algo_row(client_order_id)
            became = actual_order_id(row)
            if not became:
                raise
            self._links.learn(client_order_id, became)
            answer = await self._ask(self._of_order("DELETE", instrument, "orderId", became))
            return self._read(as_object(answer), instrument)
        return self._read(await self._algo_row(client_order_id), instrument)

    async def cancel_all(self, instrument: Instrument) -> None:
        for path in ("allOpenOrders", "algoOpenOrders"):
            params = {"symbol": instrument.symbol}
            try:
                await self._ask(Request(PRIVATE, "DELETE", path, params, 1, Priority.CANCEL))
            except AskFailed as fault:
                if not fault.is_not_working:  # There is nothing to cancel.
                    raise

    async def find_order(self, instrument: Instrument, client_order_id: str) -> OrderClaim | None:
        if not self._links.is_algo(client_order_id):
            request = self._of_order("GET", instrument, "origClientOrderId", client_order_id)
            found = await self._maybe(request)
            if found is not None:
                return self._read(found, instrument)
        row = await self._maybe(self._of_algo(client_order_id))
        if row is None:
            return None
        claim = self._read(row, instrument)
        became = actual_order_id(row)
        if became:
            order = await self._maybe(self._of_order("GET", instrument, "orderId", became))
            return claim if order is None else self._read(order, instrument)
        return claim

    def _read(self, row: JsonObject, instrument: Instrument) -> OrderClaim:
        read = read_algo_order if "algoId" in row else read_order
        return read(row, instrument, self._links)

    async def _maybe(self, request: Request) -> JsonObject | None:
        """The answer; None when the venue knows no such order."""
        try:
            return as_object(await self._ask(request))
        except AskFailed as fault:
            if fault.is_not_working:
                return None
            raise

    async def _algo_row(self, client_order_id: str) -> JsonObject:
        return as_object(await self._ask(self._of_algo(client_order_id)))

    def _of_algo(self, client_order_id: str) -> Request:
        return Request(PRIVATE, "GET", "algoOrder", {"clientAlgoId": client_order_id})

    def _of_order(self, method: str, instrument: Instrument, field: str, order_id: str) -> Request:
        priority = Priority.CANCEL if method == "DELETE" else Priority.RECONCILE
        params = {"symbol": instrument.symbol, field: order_id}
        return Request(PRIVATE, method, "order", params, 1, priority)

    # -- the account ---------------------------------------------------------------------------

    async def fetch_open_orders(self) -> Sequence[OrderClaim]:
        rows = objects(await self._ask(Request(PRIVATE, "GET", "openAlgoOrders", {}, 40)))
        rows += objects(await self._ask(Request(PRIVATE, "GET", "openOrders", {}, 40)))
        return [self._read(row, item) for row, item in of_loaded(rows, self.instruments)]

    async def fetch_trades(
        self, instrument: Instrument, since_ns: int, venue_order_id: str
    ) -> Sequence[TradeClaim]:
        quirks = self._client.quirks

        async def page(params: Mapping[str, str]) -> object:
            whole_params = {"symbol": instrument.symbol, **params}
            return await self._ask(Request(PRIVATE, "GET", "userTrades", whole_params, 5))

        if venue_order_id.startswith(ALGO):
            params = {"algoId": venue_order_id.removeprefix(ALGO)}
            row = await self._maybe(Request(PRIVATE, "GET", "algoOrder", params))
            venue_order_id = actual_order_id(row) if row is not None else ""
            if not venue_order_id:
                return ()  # It has not triggered: nothing can have traded.
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
        return [read_trade(row, instrument, self._worth, self._links) for row in rows]

    async def fetch_balances(self) -> Sequence[BalanceClaim]:
        return read_balances(await self._ask(Request("fapiPrivateV3", "GET", "balance", {}, 5)))

    async def fetch_positions(self) -> Sequence[PositionClaim]:
        request = Request("fapiPrivateV3", "GET", "positionRisk", {}, 5)
        told = read_positions(await self._ask(request), self.instruments)
        # Flat ones are left out by the venue; here silence is a statement.
        flat = {item.instrument_id for item in self.instruments.values()}
        flat -= {claim.instrument_id for claim in told}
        return [*told, *(PositionClaim(instrument_id=item, lots=0) for item in sorted(flat))]

    async def fetch_cash(self, since_ns: int) -> Sequence[CashClaim]:
        found: dict[str, CashClaim] = {}
        start_ms = max(1, ms(since_ns))
        for _ in range(INCOME_PAGES_MAX):
            params = {"startTime": str(start_ms), "limit": str(INCOME_ROWS)}
            rows = objects(await self._ask(Request(PRIVATE, "GET", "income", params, 30)))
            for row in rows:
                claim = read_income(row, self.instruments)
                if claim is not None:
                    found[claim.cash_id] = claim
            if len(rows) < INCOME_ROWS:
                break
            # The last instant again: its rows may go on on the next page; they count by id.
            start_ms = max(start_ms + 1, max(whole(row, "time") for row in rows))
        return list(found.values())

    async def renew_dead_man(self, timeout_s: int) -> None:
        """The venue's timer is one a symbol. No cancel: it must not take the room, nor the one try
        after a warning, that are a real cancel's."""
        requests = [
            Request(
                PRIVATE,
                "POST",
                "countdownCancelAll",
                {"symbol": instrument.symbol, "countdownTime": str(timeout_s * 1000)},
                10,
            )
            for instrument in self.instruments.values()
        ]
        await asyncio.gather(*(self._ask(request) for request in requests))

    # -- the user stream -----------------------------------------------------------------------

    async def subscribe(self) -> None:
        """Ask for a listen key and connect to its address: connected is subscribed."""
        answer = as_object(await self._ask(Request(PRIVATE, "POST", "listenKey", {})))
        listen_key = text(answer, "listenKey")
        exchange = self._client.exchange
        await confirmed(
            self._client, self._connected(exchange.get_private_ws_url("linear", listen_key))
        )

    async def _connected(self, url: str) -> None:
        exchange = self._client.exchange
        client = exchange.client(url)
        failed = client.future("connection")  # Rejected when connecting fails.
        connected = client.connect(exchange.session)
        done, _ = await asyncio.wait({failed, connected}, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            future.result()
        failed.cancel()

    async def keep_alive(self) -> None:
        """The listen key is good for an hour."""
        await self._ask(Request(PRIVATE, "PUT", "listenKey", {}))

    def read_event(self, message: object) -> Told:
        event = as_object(message, "message")
        kind = optional_text(event, "e")
        if not kind:
            return ()
        if kind in ("listenKeyExpired", "eventStreamTerminated", "serverShutdown"):
            return StreamEnded(f"the venue ended the stream ({kind})")
        return read_event(event, self.instruments, self._worth, self._links)
