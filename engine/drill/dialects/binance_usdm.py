"""Binance USD-M futures, to the level that our adapter uses, over the drill exchange's core.

Orders with a trigger live behind `algoOrder` until they trigger, as on the venue since 2025;
one-way mode and cross margin only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from engine.core.clock import NS_PER_SECOND
from engine.domain.order import Side
from engine.drill.dialects.binance_streams import MarketSession, StreamHub
from engine.drill.dialects.binance_usdm_account import AccountPages
from engine.drill.dialects.binance_usdm_market import MarketPages
from engine.drill.dialects.binance_usdm_streams import FuturesWords, UserStreams, is_socket
from engine.drill.dialects.binance_usdm_words import (
    ALGO_ID_OFFSET,
    KINDS,
    algo_json,
    futures_refusal,
    is_post_only,
    order_json,
    tif_of,
)
from engine.drill.dialects.binance_words import (
    NS_PER_MS,
    ApiError,
    Keys,
    Params,
    answer,
    mandatory,
)
from engine.drill.exchange import Exchange
from engine.drill.listing import Listing, Print
from engine.drill.margin import MarginSettlement
from engine.drill.ports import Outlet, Reply, Request, Session, SocketCall
from engine.drill.rate_limits import MINUTE_NS, TEN_SECONDS_NS, RateLimits
from engine.drill.values import (
    AccountSpec,
    Kind,
    Order,
    OrderAsked,
    Refusal,
    RefusalKind,
    Status,
    Trade,
)

NAME = "binance_usdm"
HOSTS = frozenset({"fapi.binance.com", "fstream.binance.com", "ws-fapi.binance.com"})
WEIGHT_MAX, ORDERS_10S_MAX = 2400, 300
DEPTH_NS = 250_000_000
FUNDING_NS = 8 * 3600 * NS_PER_SECOND
FUNDING_RATE = Decimal("0.0001")
_WEIGHTS = {"GET exchangeInfo": 1, "GET depth": 20, "GET openOrders": 40, "GET account": 5}

Page = Callable[[AccountSpec, Params], Any]


class BinanceUsdm:
    """See `engine.drill.ports.Dialect`. Makes `core` a futures venue: settles by margin."""

    name = NAME
    hosts = HOSTS

    def __init__(
        self,
        core: Exchange,
        *,
        funding_ns: int = FUNDING_NS,
        funding_rate: Decimal = FUNDING_RATE,
    ) -> None:
        self.core = core
        self.limits = RateLimits(WEIGHT_MAX, ORDERS_10S_MAX)
        self.keys = Keys(core.accounts)
        self._is_in_maintenance = False
        self.margin = MarginSettlement(core.accounts, core.wallets, core.clock.now_ns)
        core.settlement = self.margin
        self._dead_men: dict[tuple[str, str], int] = {}
        """(account, symbol) -> when the countdown is over, on the monotonic clock."""
        self._funding_ns, self._funding_rate = funding_ns, funding_rate
        self._next_funding_ns = self._funding_after(core.clock.true_ns())
        market = MarketPages(core, lambda: self._next_funding_ns, funding_rate)
        account = AccountPages(core, self.margin)
        self._hub = StreamHub(core, FuturesWords(core, market), DEPTH_NS)
        self._users = UserStreams(core, self.margin)
        core.listeners.append(self)
        self._public: Mapping[str, Callable[[Params], Any]] = market.pages()
        self._signed: dict[str, Page] = {
            **account.pages(),
            "POST order": self._place,
            "GET order": lambda account, params: order_json(self._asked_for(account, params)),
            "GET openOrder": lambda account, params: order_json(self._asked_for(account, params)),
            "DELETE order": self._cancel,
            "DELETE allOpenOrders": self._cancel_all,
            "GET openOrders": self._open_orders,
            "GET allOrders": self._all_orders,
            "POST algoOrder": self._place_algo,
            "GET algoOrder": lambda account, params: algo_json(self._algo(account, params)),
            "DELETE algoOrder": self._cancel_algo,
            "DELETE algoOpenOrders": self._cancel_all_algos,
            "GET openAlgoOrders": self._open_algos,
            "GET allAlgoOrders": self._all_algos,
            "POST countdownCancelAll": self._countdown,
        }

    # -- requests --------------------------------------------------------------------------------

    def account_of(self, request: Request) -> str:
        return self.keys.name_of(request)

    def handle(self, request: Request) -> Reply:
        now_ns = self.core.clock.now_ns()
        page = _page_of(request)
        verdict = self.limits.ask(_WEIGHTS.get(page, 1), self.core.clock.true_ns())
        if verdict.status != 200:
            return self._limited(verdict.status, verdict.until_ns)
        try:
            reply = self._answer(page, request, now_ns)
        except ApiError as error:
            reply = error.reply
        except Refusal as refusal:
            reply = futures_refusal(refusal.kind).reply
        return Reply(
            status=reply.status,
            body=reply.body,
            content_type=reply.content_type,
            headers={**reply.headers, **self._usage(self.keys.name_of(request), now_ns)},
        )

    def _answer(self, page: str, request: Request, now_ns: int) -> Reply:
        if self._is_in_maintenance:
            raise ApiError(-1016, "This service is no longer available.", 503)
        params = Params(request)
        if page in self._public:
            return answer(self._public[page](params))
        if page.endswith(" listenKey"):
            return answer(self._listen_key(page, self.keys.with_key(request)))
        if page not in self._signed:
            raise ApiError(-5000, f"Path {request.path}, Method {request.method} is invalid", 404)
        is_order = request.method == "POST" and page.endswith(("order", "algoOrder"))
        account = self.keys.signed_by(request, now_ns, to_trade=request.method != "GET")
        if is_order and not self.limits.ask_order(account.name, now_ns):
            raise ApiError(-1015, "Too many new orders; current limit is 300 per TEN_SECONDS.", 429)
        return answer(self._signed[page](account, params))

    def _limited(self, status: int, until_ns: int) -> Reply:
        words = "Too many requests; current limit of IP(127.0.0.1) is 2400 requests per minute."
        if status == 418:
            until_ms = until_ns // NS_PER_MS
            words = f"Way too many requests; IP(127.0.0.1) banned until {until_ms}."
        pause_ns = until_ns - self.core.clock.true_ns()
        reply = ApiError(-1003, words, status).reply
        headers = {"Retry-After": str(max(1, -(-pause_ns // NS_PER_SECOND)))}
        return Reply(status=status, body=reply.body, headers=headers)

    def _usage(self, account: str, now_ns: int) -> dict[str, str]:
        headers = {"x-mbx-used-weight-1m": str(self.limits.weight_used)}
        if account:
            for name, width_ns in (("10s", TEN_SECONDS_NS), ("1m", MINUTE_NS)):
                used = self.limits.orders(account, width_ns, now_ns)
                headers[f"x-mbx-order-count-{name}"] = str(used)
        return headers

    def _listen_key(self, page: str, account: AccountSpec) -> Mapping[str, str]:
        match page.partition(" ")[0]:
            case "POST":
                return {"listenKey": self._users.open_key(account.name)}
            case "PUT":
                return {"listenKey": self._users.keep_key(account.name)}
            case "DELETE":
                self._users.close_key(account.name)
                return {}
        raise ApiError(-5000, "Path /fapi/v1/listenKey, Method GET is invalid", 404)

    # -- orders ----------------------------------------------------------------------------------

    def _place(self, account: AccountSpec, params: Params) -> Any:
        kind = self._kind(params)
        if kind.has_trigger:
            raise ApiError(
                -4120,
                "Order type not supported for this endpoint. Please use the Algo Order API "
                "endpoints instead.",
            )
        return order_json(self._enter(account, params, kind, "newClientOrderId", "stopPrice"))

    def _place_algo(self, account: AccountSpec, params: Params) -> Any:
        if params.text("algoType") != "CONDITIONAL":
            raise ApiError(-4500, "Invalid algoType.")
        kind = self._kind(params)
        if not kind.has_trigger:
            raise ApiError(-1116, "Invalid orderType.")
        return algo_json(self._enter(account, params, kind, "clientAlgoId", "triggerPrice"))

    def _kind(self, params: Params) -> Kind:
        try:
            return KINDS[params.text("type")]
        except KeyError:
            raise ApiError(-1116, "Invalid orderType.") from None

    def _enter(
        self, account: AccountSpec, params: Params, kind: Kind, id_name: str, trigger_name: str
    ) -> Order:
        if params.text("closePosition", "false") == "true":
            raise ApiError(-4136, "Target strategy invalid for orderType, closePosition true.")
        if params.text("positionSide", "BOTH") != "BOTH":
            raise ApiError(-4061, "Order's position side does not match user's setting.")
        tif = params.text("timeInForce", "" if not kind.has_price else None) or "GTC"
        if kind is Kind.LIMIT and is_post_only(tif):
            kind = Kind.LIMIT_MAKER
        price = params.units("price") if kind.has_price else 0
        if kind.has_price and price <= 0:
            raise ApiError(-4001, "Price less than 0.")
        client_id = params.client_id(id_name)
        asked = OrderAsked(
            symbol=params.text("symbol"),
            side=_side(params),
            kind=kind,
            qty=params.units("quantity"),
            price=price,
            trigger=params.units(trigger_name) if kind.has_trigger else 0,
            tif=tif_of(tif),
            client_order_id=client_id or f"drill{len(self.core.orders) + 1}",
            reduce_only=params.text("reduceOnly", "false").lower() == "true",
        )
        if asked.qty <= 0:
            raise ApiError(-4003, "Quantity less than or equal to zero.")
        return self.core.place(account.name, asked)

    def _asked_for(self, account: AccountSpec, params: Params) -> Order:
        """The plain order that a request names; one that waits behind `algoOrder` is none."""
        order = self._find(account, params, "orderId", "origClientOrderId", 0)
        if order.is_parked:
            raise Refusal(RefusalKind.UNKNOWN_ORDER)
        return order

    def _algo(self, account: AccountSpec, params: Params) -> Order:
        order = self._find(account, params, "algoId", "clientAlgoId", ALGO_ID_OFFSET)
        if not order.kind.has_trigger:
            raise Refusal(RefusalKind.UNKNOWN_ORDER)
        return order

    def _find(
        self, account: AccountSpec, params: Params, id_name: str, client_name: str, offset: int
    ) -> Order:
        """Algo requests may leave the symbol out."""
        order_id = params.number(id_name, 0)
        client_id = params.client_id(client_name)
        if not order_id and not client_id:
            raise mandatory(id_name)
        symbols: Iterable[str] = self.core.listings
        if params.has("symbol") or not offset:
            symbols = [params.text("symbol")]
        for symbol in symbols:
            try:
                return self.core.find_order(
                    account.name, symbol, order_id - offset if order_id else 0, client_id
                )
            except Refusal:
                continue
        raise Refusal(RefusalKind.UNKNOWN_ORDER)

    def _cancel(self, account: AccountSpec, params: Params) -> Any:
        return order_json(self._ended(self._asked_for, account, params))

    def _cancel_algo(self, account: AccountSpec, params: Params) -> Any:
        order = self._ended(self._algo, account, params)
        return {
            "algoId": order.order_id + ALGO_ID_OFFSET,
            "clientAlgoId": order.client_order_id,
            "code": "200",
            "msg": "success",
        }

    def _ended(
        self, find: Callable[[AccountSpec, Params], Order], account: AccountSpec, params: Params
    ) -> Order:
        try:
            order = find(account, params)
        except Refusal:
            raise ApiError(-2011, "Unknown order sent.") from None
        # A stop that works is an ordinary order now.
        if not order.status.is_open or (find == self._algo and order.is_triggered):
            raise ApiError(-2011, "Unknown order sent.")
        self.core.cancel(order)
        return order

    def _cancel_all(self, account: AccountSpec, params: Params) -> Any:
        self._end_each(account.name, params.text("symbol"), are_parked=False)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _cancel_all_algos(self, account: AccountSpec, params: Params) -> Any:
        self._end_each(account.name, params.text("symbol"), are_parked=True)
        return {"code": "200", "msg": "The operation of cancel all open order is done."}

    def _end_each(self, account: str, symbol: str, *, are_parked: bool) -> None:
        self.core.listing(symbol)
        for order in self.core.open_orders(account, symbol):
            if order.is_parked is are_parked:
                self.core.cancel(order)

    # -- lists -----------------------------------------------------------------------------------

    def _open_orders(self, account: AccountSpec, params: Params) -> Any:
        found = self.core.open_orders(account.name, params.text("symbol", ""))
        return [order_json(order) for order in found if not order.is_parked]

    def _open_algos(self, account: AccountSpec, params: Params) -> Any:
        found = self.core.open_orders(account.name, params.text("symbol", ""))
        return [algo_json(order) for order in found if order.is_parked]

    def _all_orders(self, account: AccountSpec, params: Params) -> Any:
        found = self.core.all_orders(account.name, params.text("symbol"))
        first = params.number("orderId", 0)
        kept = [
            order
            for order in found
            if order.order_id >= first
            and (not order.kind.has_trigger or order.is_triggered)
            and _is_within(params, order.created_ns)
        ]
        return [order_json(order) for order in _page(kept, params, from_start=first > 0)]

    def _all_algos(self, account: AccountSpec, params: Params) -> Any:
        found = self.core.all_orders(account.name, params.text("symbol"))
        kept = [o for o in found if o.kind.has_trigger and _is_within(params, o.created_ns)]
        return [algo_json(order) for order in _page(kept, params, from_start=False)]

    # -- what time brings --------------------------------------------------------------------------

    def _countdown(self, account: AccountSpec, params: Params) -> Any:
        symbol, countdown_ms = params.text("symbol"), params.number("countdownTime")
        self.core.listing(symbol)
        if countdown_ms:
            due_ns = self.core.clock.monotonic_ns() + countdown_ms * NS_PER_MS
            self._dead_men[account.name, symbol] = due_ns
        else:
            self._dead_men.pop((account.name, symbol), None)
        return {"symbol": symbol, "countdownTime": str(countdown_ms)}

    def on_step(self) -> None:
        now_ns = self.core.clock.monotonic_ns()
        for key in [key for key, due_ns in self._dead_men.items() if due_ns <= now_ns]:
            del self._dead_men[key]
            self._end_each(*key, are_parked=False)
            self._end_each(*key, are_parked=True)
        if self.core.clock.true_ns() >= self._next_funding_ns:
            self.fund()
        self._drop_reduce_only()
        self._users.expire(by_ns=now_ns)
        self._hub.on_step()

    def fund(self) -> None:
        """Settle funding of every position now, and set the next time."""
        for listing in self.core.listings.values():
            for account in self.core.accounts:
                if self.margin.fund(account, listing, self._funding_rate):
                    self._users.touch(account, listing.rules.symbol, "FUNDING_FEE")
        self._next_funding_ns = self._funding_after(self.core.clock.true_ns())

    def _funding_after(self, now_ns: int) -> int:
        return (now_ns // self._funding_ns + 1) * self._funding_ns

    def _drop_reduce_only(self) -> None:
        """The venue takes reduce-only orders off once there is nothing left for them to reduce."""
        for listing in self.core.listings.values():
            for order in list(listing.open_orders.values()):
                held = self.margin.holding(order.account, order.symbol).qty
                if order.reduce_only and not order.is_parked and held * order.side.sign >= 0:
                    self.core.end_by_itself(order, Status.EXPIRED, "nothing to reduce")

    # -- websockets --------------------------------------------------------------------------------

    def is_socket(self, path: str) -> bool:
        return is_socket(path)

    def open_socket(self, path: str, outlet: Outlet, call: SocketCall) -> Session:
        return _Socket(
            MarketSession(self._hub, path, outlet), self._users.open_socket(path, outlet)
        )

    def close_user_streams(self, account: str = "") -> None:
        self._users.expire(account)

    # -- the operator ------------------------------------------------------------------------------

    def set_maintenance(self, is_on: bool) -> None:
        self._is_in_maintenance = is_on

    def set_key_active(self, account: str, is_active: bool) -> None:
        if is_active:
            self.keys.revoked.discard(account)
        else:
            self.keys.revoked.add(account)

    def ban(self, until_ns: int) -> None:
        self.limits.ban(until_ns)

    # -- what the core tells ---------------------------------------------------------------------

    def on_print(self, listing: Listing, print_: Print) -> None:
        self._hub.on_print(listing, print_)

    def on_order(self, order: Order, change: str, trade: Trade | None) -> None:
        self._users.on_order(order, change, trade)

    def on_balances(self, account: str, assets: Iterable[str]) -> None:
        self._users.on_balances(account, assets)

    def on_deposit(self, account: str, asset: str, amount: int) -> None:
        self._users.note_reason(account, "DEPOSIT")


class _Socket:
    """Market streams, and the user stream if the path named a key."""

    def __init__(self, market: MarketSession, leave: Callable[[], None] | None) -> None:
        self._market = market
        self._leave = leave

    def on_text(self, text: str) -> None:
        self._market.on_text(text)

    def on_close(self) -> None:
        self._market.on_close()
        if self._leave is not None:
            self._leave()


def _page_of(request: Request) -> str:
    """`GET order` of `GET /fapi/v1/order`: versions differ in nothing that matters here."""
    parts = request.path.strip("/").split("/", 2)
    tail = parts[2] if len(parts) == 3 and parts[0] == "fapi" else request.path
    return f"{request.method} {tail}"


def _side(params: Params) -> Side:
    match params.text("side"):
        case "BUY":
            return Side.BUY
        case "SELL":
            return Side.SELL
    raise ApiError(-1117, "Invalid side.")


def _is_within(params: Params, ns: int) -> bool:
    start, end = params.number("startTime", 0), params.number("endTime", 1 << 62)
    return start <= ns // NS_PER_MS <= end


def _page(found: list[Order], params: Params, *, from_start: bool) -> list[Order]:
    limit = min(1000, params.number("limit", 500))
    return found[:limit] if from_start else found[-limit:]
