"""Binance spot's orders: placing, cancelling, replacing, asking."""

from __future__ import annotations

from typing import Any

from engine.domain.order import Side
from engine.drill.dialects import binance_spot_json as js
from engine.drill.dialects.binance_spot_public import PublicQuestions
from engine.drill.dialects.binance_words import (
    NS_PER_MS,
    ApiError,
    Params,
    mandatory,
    refused,
)
from engine.drill.exchange import Exchange
from engine.drill.rate_limits import RateLimits
from engine.drill.values import (
    AccountSpec,
    Kind,
    Order,
    OrderAsked,
    Refusal,
    RefusalKind,
    SelfTrade,
    Tif,
)

UNKNOWN = ApiError(-2011, "Unknown order sent.")
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


class Orders:
    def __init__(self, core: Exchange, limits: RateLimits, public: PublicQuestions) -> None:
        self._core = core
        self._limits = limits
        self._public = public

    # -- placing ---------------------------------------------------------------------------------

    def place(self, params: Params, account: AccountSpec) -> Any:
        asked = self._read(params)
        detail = params.text(
            "newOrderRespType", "FULL" if asked.kind in (Kind.MARKET, Kind.LIMIT) else "ACK"
        )
        if detail not in ("ACK", "RESULT", "FULL"):
            raise mandatory("newOrderRespType")
        return js.placed(self._place(account, asked), detail)

    def test(self, params: Params, _: AccountSpec) -> Any:
        self._read(params)
        return {}

    def _place(self, account: AccountSpec, asked: OrderAsked) -> Order:
        if not self._limits.ask_order(account.name, self._core.clock.true_ns()):
            most = self._limits.orders_10s_max
            raise ApiError(
                -1015, f"Too many new orders; current limit is {most} orders per 10 SECOND.", 429
            )
        try:
            return self._core.place(account.name, asked)
        except Refusal as refusal:
            raise refused(refusal.kind) from None

    def _read(self, params: Params) -> OrderAsked:
        symbol = self._public.listing(params).rules.symbol
        side = _SIDES.get(params.text("side"))
        if side is None:
            raise ApiError(-1117, "Invalid side.")
        kind = params.choice("type", Kind, ApiError(-1116, "Invalid orderType."))
        bad_tif = ApiError(-1115, "Invalid timeInForce.")
        is_timed = kind.has_price and kind is not Kind.LIMIT_MAKER
        if not is_timed and params.has("timeInForce"):
            raise ApiError(-1106, "Parameter 'timeInForce' sent when not required.")
        tif = params.choice("timeInForce", Tif, bad_tif) if is_timed else Tif.GTC
        if not kind.has_price and params.has("price"):
            raise ApiError(-1106, "Parameter 'price' sent when not required.")
        if not kind.has_trigger and params.has("stopPrice"):
            raise ApiError(-1106, "Parameter 'stopPrice' sent when not required.")
        by_value = kind is Kind.MARKET and params.has("quoteOrderQty")
        return OrderAsked(
            symbol=symbol,
            side=side,
            kind=kind,
            qty=0 if by_value else _positive(params, "quantity"),
            quote_qty=_positive(params, "quoteOrderQty") if by_value else 0,
            price=_positive(params, "price") if kind.has_price else 0,
            trigger=_positive(params, "stopPrice") if kind.has_trigger else 0,
            tif=tif,
            client_order_id=params.client_id("newClientOrderId") or self._new_id(),
            self_trade=self._self_trade(params),
        )

    @staticmethod
    def _self_trade(params: Params) -> SelfTrade | None:
        name = "selfTradePreventionMode"
        if not params.has(name):
            return None
        return params.choice(name, SelfTrade, mandatory(name))

    def _new_id(self) -> str:
        """The venue's own choice for who names none."""
        return f"web_{self._core.ledger.next_seq:018d}"

    # -- cancelling ------------------------------------------------------------------------------

    def cancel(self, params: Params, account: AccountSpec) -> Any:
        order = self._open(params, account, "orderId", "origClientOrderId")
        new_id = params.client_id("newClientOrderId") or self._new_id()
        self._core.cancel(order, new_id)
        return js.canceled(order)

    def _open(self, params: Params, account: AccountSpec, by_id: str, by_name: str) -> Order:
        order = self._find(params, account, by_id, by_name, UNKNOWN)
        if not order.status.is_open:
            raise UNKNOWN
        return order

    def _find(
        self, params: Params, account: AccountSpec, by_id: str, by_name: str, unknown: ApiError
    ) -> Order:
        listing = self._public.listing(params)
        order_id, name = params.number(by_id, 0), params.text(by_name, "")
        if not order_id and not name:
            raise ApiError(
                -1102, f"Param '{by_name}' or '{by_id}' must be sent, but both were empty/null!"
            )
        try:
            return self._core.find_order(account.name, listing.rules.symbol, order_id, name)
        except Refusal:
            raise unknown from None

    def cancel_all(self, params: Params, account: AccountSpec) -> Any:
        listing = self._public.listing(params)
        mine = self._core.open_orders(account.name, listing.rules.symbol)
        if not mine:
            raise UNKNOWN
        for order in mine:
            self._core.cancel(order, self._new_id())
        return [js.canceled(order) for order in mine]

    def replace(self, params: Params, account: AccountSpec) -> Any:
        """Cancel one and place one. Half done is an error of its own."""
        mode = params.text("cancelReplaceMode")
        if mode not in ("STOP_ON_FAILURE", "ALLOW_FAILURE"):
            raise mandatory("cancelReplaceMode")
        asked = self._read(params)
        cancel_result, cancel_answer = (
            "SUCCESS",
            _guarded(lambda: self._cancel_for(params, account)),
        )
        if isinstance(cancel_answer, ApiError):
            cancel_result, cancel_answer = "FAILURE", cancel_answer.document
        new_result, new_answer = "NOT_ATTEMPTED", None
        if cancel_result == "SUCCESS" or mode == "ALLOW_FAILURE":
            new_result = "SUCCESS"
            new_answer = _guarded(lambda: js.placed(self._place(account, asked), "FULL"))
            if isinstance(new_answer, ApiError):
                new_result, new_answer = "FAILURE", new_answer.document
        data = {
            "cancelResult": cancel_result,
            "newOrderResult": new_result,
            "cancelResponse": cancel_answer,
            "newOrderResponse": new_answer,
        }
        if cancel_result == new_result == "SUCCESS":
            return data
        if "SUCCESS" in (cancel_result, new_result):
            raise ReplaceFailed(-2021, "Order cancel-replace partially failed.", 409, data)
        raise ReplaceFailed(-2022, "Order cancel-replace failed.", 400, data)

    def _cancel_for(self, params: Params, account: AccountSpec) -> Any:
        order = self._open(params, account, "cancelOrderId", "cancelOrigClientOrderId")
        self._core.cancel(order, params.client_id("cancelNewClientOrderId") or self._new_id())
        return js.canceled(order)

    # -- asking ----------------------------------------------------------------------------------

    def query(self, params: Params, account: AccountSpec) -> Any:
        missing = refused(RefusalKind.UNKNOWN_ORDER)
        return js.queried(self._find(params, account, "orderId", "origClientOrderId", missing))

    def open(self, params: Params, account: AccountSpec) -> Any:
        symbol = self._public.listing(params).rules.symbol if params.has("symbol") else ""
        return [js.queried(order) for order in self._core.open_orders(account.name, symbol)]

    def all(self, params: Params, account: AccountSpec) -> Any:
        symbol = self._public.listing(params).rules.symbol
        from_id, limit = params.number("orderId", 0), _limit(params)
        start, end = _window(params)
        found = [
            order
            for order in self._core.all_orders(account.name, symbol)
            if order.order_id >= from_id and start <= order.created_ns <= end
        ]
        return [js.queried(order) for order in _page(found, limit, is_first=bool(from_id or start))]

    def trades(self, params: Params, account: AccountSpec) -> Any:
        symbol = self._public.listing(params).rules.symbol
        from_id, order_id = params.number("fromId", -1), params.number("orderId", 0)
        start, end = _window(params)
        found = [
            trade
            for trade in self._core.trades[account.name, symbol]
            if trade.trade_id >= from_id
            and start <= trade.ts_ns <= end
            and order_id in (0, trade.order_id)
        ]
        is_first = from_id >= 0 or bool(start)
        return [js.own_trade(trade) for trade in _page(found, _limit(params), is_first=is_first)]

    def counts(self, _: Params, account: AccountSpec) -> Any:
        now_ns, limits = self._core.clock.true_ns(), self._limits
        rows = (
            ("SECOND", 10, limits.orders_10s_max, 10_000_000_000),
            ("DAY", 1, limits.orders_day_max, 86_400_000_000_000),
        )
        return [
            {
                "rateLimitType": "ORDERS",
                "interval": interval,
                "intervalNum": number,
                "limit": most,
                "count": limits.orders(account.name, width_ns, now_ns),
            }
            for interval, number, most, width_ns in rows
        ]


class ReplaceFailed(ApiError):
    """Carries what became of either half."""

    def __init__(self, code: int, words: str, status: int, data: Any) -> None:
        super().__init__(code, words, status)
        self.data = data

    @property
    def document(self) -> Any:
        return {"code": self.code, "msg": self.words, "data": self.data}


def _guarded(action: Any) -> Any:
    try:
        return action()
    except ApiError as error:
        return error


def _positive(params: Params, name: str) -> int:
    number = params.units(name)
    if number <= 0:
        raise ApiError(-1013, f"Invalid {name}.")
    return number


def _limit(params: Params) -> int:
    return max(1, min(params.number("limit", 500), 1000))


def _window(params: Params) -> tuple[int, int]:
    start = params.number("startTime", 0) * NS_PER_MS
    end_ms = params.number("endTime", 0)
    return start, (end_ms + 1) * NS_PER_MS - 1 if end_ms else 1 << 62


def _page(found: list[Any], limit: int, *, is_first: bool) -> list[Any]:
    """The oldest of what was asked for from somewhere on; the newest of everything."""
    return found[:limit] if is_first else found[-limit:]
