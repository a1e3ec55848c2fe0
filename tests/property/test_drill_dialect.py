"""Whatever is asked of the Binance spot dialect, it is answered, and the books stay right."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.drill.dialects.binance_spot import BinanceSpot
from engine.drill.exchange import Exchange
from engine.drill.ports import Outlet, Reply, Request
from engine.drill.values import Kind, SelfTrade, Status
from engine.kernels.layout import BUY, ROW_DEPTH, ROW_TRADE, SELL
from tests.support.drill import START_NS, small_exchange

KEY, SECRET = f"key{'ann':0>20}", "s"
NOW_MS = START_NS // 1_000_000
ROWS = [
    (0, ROW_DEPTH, BUY, 6_000_000, 5000),
    (0, ROW_DEPTH, SELL, 6_000_100, 5000),
    (0, ROW_TRADE, BUY, 6_000_100, 1),
]
NAMES = [
    *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "stopPrice"),
    *(
        "newClientOrderId",
        "origClientOrderId",
        "orderId",
        "fromId",
        "limit",
        "startTime",
        "endTime",
    ),
    *("interval", "recvWindow", "timestamp", "newOrderRespType", "selfTradePreventionMode"),
    *("cancelReplaceMode", "cancelOrderId", "omitZeroBalances"),
]
LIKELY = {
    "symbol": ["BTCUSDT"],
    "side": ["BUY", "SELL"],
    "type": list(Kind),
    "timeInForce": ["GTC", "IOC", "FOK"],
    "quantity": ["0.001", "0.01"],
    "quoteOrderQty": ["100"],
    "price": ["60000", "60001", "59000.5"],
    "stopPrice": ["60005", "59990"],
    "orderId": ["1000001", "1000002"],
    "cancelOrderId": ["1000001"],
    "origClientOrderId": ["mine"],
    "newClientOrderId": ["mine", "other"],
    "cancelReplaceMode": ["STOP_ON_FAILURE", "ALLOW_FAILURE"],
    "selfTradePreventionMode": list(SelfTrade),
    "interval": ["1m", "1h"],
}
ODD = ["", "0", "-1", "1e9", "NaN", "9" * 30, "0.000000001", "Ω", "a b", "BTCUSDT", "null", "1.5"]


def _signed(params: dict[str, str]) -> Request:
    text = "&".join(f"{name}={value}" for name, value in params.items())
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    return Request(
        host="api.binance.com",
        method="",
        path="",
        params=params | {"signature": signature},
        signed_text=text,
        headers={"x-mbx-apikey": KEY},
    )


@st.composite
def params(draw: st.DrawFn) -> dict[str, str]:
    """Mostly sensible, so that some get through; `timestamp` is right more often than not."""
    chosen = {
        name: str(draw(st.sampled_from(LIKELY[name]))) for name in LIKELY if draw(st.integers(0, 3))
    }
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=2)):
        chosen[name] = draw(st.sampled_from(ODD) | st.text(max_size=12))
    chosen.setdefault("timestamp", str(NOW_MS))
    return chosen


def _dialect() -> BinanceSpot:
    money = {"USDT": Decimal(100_000), "BTC": Decimal(5)}
    exchange, _ = small_exchange({"ann": money}, ROWS)
    exchange.step()
    dialect = BinanceSpot(exchange)
    dialect.limits.weight_max = 10**9
    return dialect


ROUTES = sorted(_dialect().routes)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(ROUTES), params()), max_size=25))
def test_every_request_is_answered(script: list[tuple[str, dict[str, str]]]) -> None:
    dialect = _dialect()
    for route, asked in script:
        method, _, path = route.partition(" ")
        reply = dialect.handle(msgspec.structs.replace(_signed(asked), method=method, path=path))
        _check(reply)
    _check_books(dialect.core)


def _check(reply: Reply) -> None:
    document = msgspec.json.decode(reply.body)
    assert reply.status in (200, 400, 401, 409, 429), document
    if reply.status != 200:
        assert document["code"] < 0
        assert document["msg"]
    assert int(reply.headers["x-mbx-used-weight-1m"]) > 0


def _check_books(core: Exchange) -> None:
    for asset, holding in core.wallets.assets("ann").items():
        assert holding.free >= 0
        assert holding.free + holding.locked == core.ledger.totals["ann", asset]
        assert holding.locked == sum(
            order.locked
            for order in core.open_orders("ann")
            if asset == ("BTC" if order.side == "sell" else "USDT")
        )
    for order in core.orders.values():
        if order.status is not Status.NEW:
            assert order.locked == 0 or order.status is Status.PARTIALLY_FILLED


@given(params(), st.sampled_from(ROUTES), st.sampled_from(["key", "text", "signature", "late"]))
def test_nobody_gets_in_without_a_good_signature(
    asked: dict[str, str], route: str, flaw: str
) -> None:
    dialect = _dialect()
    method, _, path = route.partition(" ")
    if dialect.routes[route].private is None or dialect.routes[route].has_key_only:
        return
    asked["timestamp"] = str(NOW_MS - (60_001 if flaw == "late" else 0))
    request = msgspec.structs.replace(_signed(asked), method=method, path=path)
    if flaw == "key":
        request = msgspec.structs.replace(request, headers={"x-mbx-apikey": "k" * 30})
    elif flaw == "text":
        request = msgspec.structs.replace(request, signed_text=request.signed_text + "&x=1")
    elif flaw == "signature":
        request = msgspec.structs.replace(request, params=asked | {"signature": "0" * 64})
    entries = len(dialect.core.ledger.entries)
    assert dialect.handle(request).status in (400, 401)
    assert len(dialect.core.ledger.entries) == entries


class Collected:
    """The server's end of a socket that keeps what would be sent. See `ports.Outlet`."""

    number = 1

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    def send(self, stream: str, kind: str, payload: bytes, account: str = "") -> None:
        self.sent.append((stream, payload))

    def close(self, code: int = 1000, reason: bytes = b"") -> None:
        raise AssertionError("nobody asked for that")


leaf = st.one_of(
    st.none(),
    st.integers(-9, 9),
    st.sampled_from(["SUBSCRIBE", "UNSUBSCRIBE", "btcusdt@depth", "btcusdt@kline_9d"]),
    st.sampled_from(
        ["!ticker@arr", "btcusdt@depth5@100ms", "order.place", "userDataStream.unsubscribe", "a@b"]
    ),
)
documents = st.dictionaries(
    st.sampled_from(["method", "params", "id", "x"]),
    st.one_of(leaf, st.lists(st.one_of(leaf, st.lists(leaf)), max_size=3), st.just({"a": 1})),
)


def _json(document: object) -> str:
    return msgspec.json.encode(document).decode()


@given(
    path=st.sampled_from(["/ws", "/ws/0", "/stream?streams=btcusdt@trade/x", "/ws-api/v3"]),
    texts=st.lists(st.one_of(st.text(max_size=20), documents.map(_json)), max_size=8),
)
def test_every_message_on_a_socket_is_answered(path: str, texts: list[str]) -> None:
    dialect, outlet = _dialect(), Collected()
    typed: Outlet = outlet
    session = dialect.open_socket(
        path, typed, lambda request, answer: answer(dialect.handle(request))
    )
    for text in texts:
        before = len(outlet.sent)
        session.on_text(text)
        stream, payload = outlet.sent[before]
        assert stream == "answer"
        assert isinstance(msgspec.json.decode(payload), dict)
    dialect.on_step()
    for _, payload in outlet.sent:
        msgspec.json.decode(payload)
    session.on_close()
    count = len(outlet.sent)
    dialect.on_step()
    assert len(outlet.sent) == count
