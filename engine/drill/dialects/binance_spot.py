"""Binance spot over one exchange core: REST, market streams, the websocket API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from engine.core.clock import NS_PER_SECOND
from engine.drill.dialects import binance_spot_json as js
from engine.drill.dialects.binance_spot_orders import Orders
from engine.drill.dialects.binance_spot_public import PublicQuestions
from engine.drill.dialects.binance_streams import DepthLevels, MarketSession, StreamHub, encode
from engine.drill.dialects.binance_words import ApiError, Keys, Params, answer
from engine.drill.dialects.binance_ws_api import SUBSCRIBE, UNSUBSCRIBE, UserSession
from engine.drill.exchange import Exchange
from engine.drill.listing import DAY_NS, Listing, Print
from engine.drill.ports import Outlet, Reply, Request, Session, SocketCall
from engine.drill.rate_limits import DAY_NS as ORDERS_DAY_NS
from engine.drill.rate_limits import TEN_SECONDS_NS, RateLimits, Verdict
from engine.drill.units import text
from engine.drill.values import AccountSpec, Order, Trade

HOSTS = frozenset(
    f"{name}.binance.com"
    for name in ("api", "api1", "api2", "api3", "api4", "api-gcp", "stream", "ws-api", "data-api")
)
DEPTH_NS = NS_PER_SECOND
MAINTENANCE = ApiError(-1016, "This service is no longer available.", 503)

Public = Callable[[Params], Any]
Private = Callable[[Params, AccountSpec], Any]


class Route(NamedTuple):
    """`public` or `private`, and what it costs. `trades`: the key must have that permission."""

    weight: int
    public: Public | None = None
    private: Private | None = None
    trades: bool = False
    counts_orders: bool = False
    has_key_only: bool = False
    by_symbol: int = 0
    """Weight when a symbol is named, where that is less."""


class BinanceSpot:
    """See `engine.drill.ports.Dialect`."""

    name = "binance_spot"
    hosts = HOSTS

    def __init__(self, core: Exchange) -> None:
        self.core = core
        self.limits = RateLimits()
        self.keys = Keys(core.accounts)
        self._is_in_maintenance = False
        self._hub = StreamHub(core, self, DEPTH_NS)
        self._users: dict[int, UserSession] = {}
        public = PublicQuestions(core, self.limits)
        orders = Orders(core, self.limits, public)
        self.routes = _rest_routes(public, orders, self._system_status)
        self.routes |= _ws_routes(self.routes)
        core.listeners.append(self)

    # -- requests --------------------------------------------------------------------------------

    def account_of(self, request: Request) -> str:
        return self.keys.name_of(request)

    def handle(self, request: Request) -> Reply:
        route = self.routes.get(request.route)
        if route is None and request.method == "WS":
            return ApiError(-1000, "Unknown method.").reply
        if route is None:
            return Reply(status=404, body=b"")
        verdict = self._weigh(route, request)
        if verdict.status != 200:
            return self._limited(verdict)
        try:
            if self._is_in_maintenance and request.path != "/sapi/v1/system/status":
                raise MAINTENANCE
            reply = answer(self._ask(route, request))
        except ApiError as error:
            reply = error.reply
        return self._with_headers(reply, route, request)

    def _weigh(self, route: Route, request: Request) -> Verdict:
        weight = route.weight
        if route.by_symbol and request.params.get("symbol"):
            weight = route.by_symbol
        if request.path in ("/api/v3/depth", "depth"):
            weight = _depth_weight(request.params.get("limit", "100"))
        return self.limits.ask(weight, self.core.clock.true_ns())

    def _ask(self, route: Route, request: Request) -> Any:
        params = Params(request)
        if route.public is not None:
            return route.public(params)
        assert route.private is not None
        if route.has_key_only:
            return route.private(params, self.keys.with_key(request))
        now_ns = self.core.clock.now_ns()
        account = self.keys.signed_by(request, now_ns, to_trade=route.trades)
        return route.private(params, account)

    def _limited(self, verdict: Verdict) -> Reply:
        now_ns = self.core.clock.true_ns()
        seconds = max(1, -(-(verdict.until_ns - now_ns) // NS_PER_SECOND))
        if verdict.status == 418:
            until_ms = js.ms(verdict.until_ns + self.core.clock.offset_ns)
            words = (
                f"Way too much request weight used; IP banned until {until_ms}. "
                "Please use WebSocket Streams for live updates to avoid bans."
            )
        else:
            words = (
                f"Too much request weight used; current limit is {self.limits.weight_max} request "
                "weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid "
                "polling the API."
            )
        reply = ApiError(-1003, words, verdict.status).reply
        used = str(self.limits.weight_used)
        headers = {"Retry-After": str(seconds), "x-mbx-used-weight-1m": used}
        return Reply(status=verdict.status, body=reply.body, headers=headers)

    def _with_headers(self, reply: Reply, route: Route, request: Request) -> Reply:
        used = str(self.limits.weight_used)
        headers = {"x-mbx-used-weight": used, "x-mbx-used-weight-1m": used}
        if route.counts_orders:
            name, now_ns = self.account_of(request), self.core.clock.true_ns()
            for width, width_ns in (("10s", TEN_SECONDS_NS), ("1d", ORDERS_DAY_NS)):
                count = self.limits.orders(name, width_ns, now_ns)
                headers[f"x-mbx-order-count-{width}"] = str(count)
        return Reply(
            status=reply.status,
            body=reply.body,
            content_type=reply.content_type,
            headers=headers,
        )

    def rate_limit_rows(self, account: str) -> list[dict[str, Any]]:
        limits, now_ns = self.limits, self.core.clock.true_ns()
        rows = (
            ("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_max, limits.weight_used),
            (
                "ORDERS",
                "SECOND",
                10,
                limits.orders_10s_max,
                limits.orders(account, TEN_SECONDS_NS, now_ns),
            ),
        )
        return [
            {
                "rateLimitType": kind,
                "interval": interval,
                "intervalNum": number,
                "limit": most,
                "count": count,
            }
            for kind, interval, number, most, count in rows
        ]

    def _system_status(self, _: Params) -> Any:
        if self._is_in_maintenance:
            return {"status": 1, "msg": "system_maintenance"}
        return {"status": 0, "msg": "normal"}

    # -- sockets ---------------------------------------------------------------------------------

    def is_socket(self, path: str) -> bool:
        place = path.partition("?")[0]
        return place in ("/ws", "/stream", "/ws-api/v3") or place.startswith("/ws/")

    def open_socket(self, path: str, outlet: Outlet, call: SocketCall) -> Session:
        if path.startswith("/ws-api/"):
            return UserSession(self, outlet, call)
        return MarketSession(self._hub, path, outlet)

    def add_user(self, session: UserSession) -> None:
        self._users[id(session)] = session

    def remove_user(self, session: UserSession) -> None:
        self._users.pop(id(session), None)

    def close_user_streams(self, account: str = "") -> None:
        event = {"e": "eventStreamTerminated", "E": js.ms(self.core.clock.now_ns())}
        for session in self._users.values():
            session.terminate(account, encode(event))

    # -- what the operator does ------------------------------------------------------------------

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

    def on_step(self) -> None:
        self._hub.on_step()

    def on_print(self, listing: Listing, print_: Print) -> None:
        self._hub.on_print(listing, print_)

    def on_order(self, order: Order, change: str, trade: Trade | None) -> None:
        report = js.execution_report(order, change, trade, self.core.clock.now_ns())
        self._tell(order.account, "executionReport", report)

    def on_balances(self, account: str, assets: Iterable[str]) -> None:
        now_ms = js.ms(self.core.clock.now_ns())
        holdings = self.core.wallets.assets(account)
        position = {
            "e": "outboundAccountPosition",
            "E": now_ms,
            "u": now_ms,
            "B": [
                {"a": asset, "f": text(holdings[asset].free), "l": text(holdings[asset].locked)}
                for asset in assets
            ],
        }
        self._tell(account, "outboundAccountPosition", position)

    def on_deposit(self, account: str, asset: str, amount: int) -> None:
        now_ms = js.ms(self.core.clock.now_ns())
        update = {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": text(amount), "T": now_ms}
        self._tell(account, "balanceUpdate", update)

    def _tell(self, account: str, kind: str, document: dict[str, Any]) -> None:
        if self._users:
            event = encode(document)
            for session in self._users.values():
                session.tell(account, kind, event)

    # -- stream words ----------------------------------------------------------------------------

    def _event(self, kind: str, listing: Listing) -> dict[str, Any]:
        return {"e": kind, "E": js.ms(self.core.clock.now_ns()), "s": listing.rules.symbol}

    def depth_update(
        self, listing: Listing, first: int, last: int, before: int, levels: DepthLevels
    ) -> dict[str, Any]:
        event = self._event("depthUpdate", listing)
        return event | {"U": first, "u": last, "b": levels[0], "a": levels[1]}

    def depth_snapshot(self, listing: Listing, levels: int) -> dict[str, Any]:
        return {
            "lastUpdateId": listing.update_id,
            "bids": js.levels(listing.bids.levels(levels)),
            "asks": js.levels(listing.asks.levels(levels)),
        }

    def trade(self, listing: Listing, print_: Print) -> dict[str, Any]:
        document = js.aggregate_trade(print_)
        event = self._event("trade", listing) | {"t": print_.trade_id}
        return event | {name: document[name] for name in ("p", "q", "T", "m", "M")}

    def aggregate(self, listing: Listing, print_: Print) -> dict[str, Any]:
        return self._event("aggTrade", listing) | js.aggregate_trade(print_)

    def book_ticker(self, listing: Listing) -> dict[str, Any]:
        touch = js.touch(listing)
        return {
            "u": listing.update_id,
            "s": listing.rules.symbol,
            "b": touch["bidPrice"],
            "B": touch["bidQty"],
            "a": touch["askPrice"],
            "A": touch["askQty"],
        }

    def ticker(self, listing: Listing, *, is_mini: bool) -> dict[str, Any]:
        now_ns = self.core.clock.now_ns()
        day = listing.candles.since(now_ns - DAY_NS)
        opened, high, low, volume, quote = (
            (day.open, day.high, day.low, day.volume, day.quote_volume)
            if day is not None
            else (0, 0, 0, 0, 0)
        )
        event = self._event("24hrMiniTicker" if is_mini else "24hrTicker", listing)
        event |= {
            "c": text(listing.last),
            "o": text(opened),
            "h": text(high),
            "l": text(low),
            "v": text(volume),
            "q": text(quote),
        }
        if is_mini:
            return event
        touch = js.touch(listing)
        return event | {
            "p": text(listing.last - opened),
            "P": f"{(listing.last - opened) * 100 / opened if opened else 0:.3f}",
            "w": text(listing.reference),
            "x": text(opened),
            "Q": text(listing.prints[-1].qty if listing.prints else 0),
            "b": touch["bidPrice"],
            "B": touch["bidQty"],
            "a": touch["askPrice"],
            "A": touch["askQty"],
            "O": js.ms(now_ns - DAY_NS),
            "C": js.ms(now_ns),
            "F": listing.prints[0].trade_id if listing.prints else -1,
            "L": listing.trades if listing.prints else -1,
            "n": day.trades if day is not None else 0,
        }

    def candle(self, listing: Listing, width: str, width_ns: int) -> dict[str, Any] | None:
        now_ns = self.core.clock.now_ns()
        found = listing.candles.of(width_ns, now_ns - 2 * width_ns)
        if not found:
            return None
        last = found[-1]
        return self._event("kline", listing) | {
            "k": {
                "t": js.ms(last.start_ns),
                "T": js.ms(last.start_ns + width_ns) - 1,
                "s": listing.rules.symbol,
                "i": width,
                "f": -1,
                "L": listing.trades,
                "o": text(last.open),
                "c": text(last.close),
                "h": text(last.high),
                "l": text(last.low),
                "v": text(last.volume),
                "n": last.trades,
                "x": now_ns >= last.start_ns + width_ns,
                "q": text(last.quote_volume),
                "V": text(last.taker_volume),
                "Q": text(last.taker_quote_volume),
                "B": "0",
            }
        }

    def mark_price(self, listing: Listing) -> dict[str, Any] | None:
        return None


def _depth_weight(limit: str) -> int:
    number = int(limit) if limit.isdigit() and len(limit) < 8 else 100
    weights = ((100, 5), (500, 25), (1000, 50))
    return next((weight for most, weight in weights if number <= most), 250)


def _rest_routes(public: PublicQuestions, orders: Orders, status: Public) -> dict[str, Route]:
    return {
        "GET /api/v3/ping": Route(1, public.ping),
        "GET /api/v3/time": Route(1, public.time),
        "GET /api/v3/exchangeInfo": Route(20, public.exchange_info),
        "GET /api/v3/depth": Route(5, public.depth),
        "GET /api/v3/trades": Route(25, public.trades),
        "GET /api/v3/historicalTrades": Route(25, public.trades),
        "GET /api/v3/aggTrades": Route(4, public.aggregate_trades),
        "GET /api/v3/klines": Route(2, public.candles),
        "GET /api/v3/uiKlines": Route(2, public.candles),
        "GET /api/v3/avgPrice": Route(2, public.average_price),
        "GET /api/v3/ticker/24hr": Route(80, public.day_ticker, by_symbol=2),
        "GET /api/v3/ticker/price": Route(4, public.price_ticker, by_symbol=2),
        "GET /api/v3/ticker/bookTicker": Route(4, public.book_ticker, by_symbol=2),
        "GET /sapi/v1/system/status": Route(1, status),
        "GET /api/v3/account": Route(20, private=public.account),
        "GET /api/v3/account/commission": Route(20, private=public.commission),
        "GET /api/v3/rateLimit/order": Route(40, private=orders.counts),
        "GET /sapi/v1/account/apiRestrictions": Route(1, private=public.restrictions),
        "GET /sapi/v1/account/status": Route(1, private=public.account_status),
        "GET /sapi/v1/capital/config/getall": Route(10, private=public.coins),
        "GET /sapi/v1/margin/allPairs": Route(1, private=public.nothing, has_key_only=True),
        "GET /sapi/v1/margin/isolated/allPairs": Route(10, private=public.nothing),
        "GET /sapi/v1/asset/tradeFee": Route(1, private=public.fees),
        "POST /api/v3/order": Route(1, private=orders.place, trades=True, counts_orders=True),
        "POST /api/v3/order/test": Route(1, private=orders.test, trades=True),
        "POST /api/v3/order/cancelReplace": Route(
            1, private=orders.replace, trades=True, counts_orders=True
        ),
        "GET /api/v3/order": Route(4, private=orders.query),
        "DELETE /api/v3/order": Route(1, private=orders.cancel, trades=True),
        "GET /api/v3/openOrders": Route(80, private=orders.open, by_symbol=6),
        "DELETE /api/v3/openOrders": Route(1, private=orders.cancel_all, trades=True),
        "GET /api/v3/allOrders": Route(20, private=orders.all),
        "GET /api/v3/myTrades": Route(20, private=orders.trades),
    }


_WS_NAMES = {
    "ping": "GET /api/v3/ping",
    "time": "GET /api/v3/time",
    "exchangeInfo": "GET /api/v3/exchangeInfo",
    "depth": "GET /api/v3/depth",
    "trades.recent": "GET /api/v3/trades",
    "trades.aggregate": "GET /api/v3/aggTrades",
    "klines": "GET /api/v3/klines",
    "avgPrice": "GET /api/v3/avgPrice",
    "ticker.24hr": "GET /api/v3/ticker/24hr",
    "ticker.price": "GET /api/v3/ticker/price",
    "ticker.book": "GET /api/v3/ticker/bookTicker",
    "account.status": "GET /api/v3/account",
    "account.commission": "GET /api/v3/account/commission",
    "order.place": "POST /api/v3/order",
    "order.test": "POST /api/v3/order/test",
    "order.cancelReplace": "POST /api/v3/order/cancelReplace",
    "order.status": "GET /api/v3/order",
    "order.cancel": "DELETE /api/v3/order",
    "openOrders.status": "GET /api/v3/openOrders",
    "openOrders.cancelAll": "DELETE /api/v3/openOrders",
    "allOrders": "GET /api/v3/allOrders",
    "myTrades": "GET /api/v3/myTrades",
}


def _ws_routes(rest: dict[str, Route]) -> dict[str, Route]:
    def nothing(_: Params, __: AccountSpec) -> Any:
        return {}  # The session, which has the socket, does it.

    routes = {f"WS {name}": rest[route] for name, route in _WS_NAMES.items()}
    routes[f"WS {SUBSCRIBE}"] = Route(2, private=nothing)
    routes[f"WS {UNSUBSCRIBE}"] = Route(2, public=lambda _: {})
    return routes
