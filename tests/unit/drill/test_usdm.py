"""Binance USD-M at the drill exchange: the money of positions, and the protocol over them."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_SECOND, SimClock
from engine.domain.instrument import InstrumentKind
from engine.drill.clock import VenueClock
from engine.drill.dialects.binance_usdm import BinanceUsdm
from engine.drill.exchange import Exchange
from engine.drill.margin import Holding
from engine.drill.ports import Request
from engine.drill.units import ONE, value
from engine.drill.values import AccountSpec, InstrumentRules

START_NS = 1_767_225_600_000_000_000
NAMES = ("ann", "bob")
RULES = InstrumentRules(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.1"),
    lot=Decimal("0.001"),
    min_qty=Decimal("0.001"),
    kind=InstrumentKind.LINEAR,
)


class Outlet:
    """A client's end of a websocket: keeps what it was sent."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sent: list[tuple[str, Any]] = []

    def send(self, stream: str, kind: str, payload: bytes, account: str = "") -> None:
        self.sent.append((stream, json.loads(payload)))

    def close(self, code: int = 1000, reason: bytes = b"") -> None:
        self.sent.append(("closed", code))

    def events(self, kind: str) -> list[Any]:
        return [
            event for _, event in self.sent if isinstance(event, dict) and event.get("e") == kind
        ]


class Venue:
    """The dialect with two accounts and no market but them."""

    def __init__(self) -> None:
        self.clock = SimClock(START_NS)
        specs = [
            AccountSpec(
                name=name,
                api_key=name * 20,
                secret=f"secret of {name}",
                balances={"USDT": Decimal(10_000)},
                maker=Decimal("0.0002"),
                taker=Decimal("0.0005"),
            )
            for name in NAMES
        ]
        self.exchange = Exchange("binance_usdm", [RULES], specs, VenueClock(self.clock), {})
        self.dialect = BinanceUsdm(self.exchange)
        self._sockets = 0

    def call(self, method: str, page: str, who: str = "ann", **params: object) -> Any:
        """(status, answer) of a signed request."""
        text = urlencode({**params, "timestamp": self.clock.now_ns() // 1_000_000})
        secret = f"secret of {who}".encode()
        signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        request = Request(
            host="fapi.binance.com",
            method=method,
            path=f"/fapi/v1/{page}",
            params={**dict(item.split("=") for item in text.split("&")), "signature": signature},
            signed_text=text,
            headers={"x-mbx-apikey": who * 20},
        )
        reply = self.dialect.handle(request)
        return reply.status, json.loads(reply.body)

    def ask(self, method: str, page: str, who: str = "ann", **params: object) -> Any:
        status, answer = self.call(method, page, who, **params)
        assert status == 200, answer
        return answer

    def place(self, who: str, side: str, qty: str, price: str = "", **more: object) -> Any:
        kind = (
            {"type": "LIMIT", "price": price, "timeInForce": "GTC"} if price else {"type": "MARKET"}
        )
        return self.ask(
            "POST", "order", who, symbol="BTCUSDT", side=side, quantity=qty, **{**kind, **more}
        )

    def trade(self, buyer: str, seller: str, qty: str, price: str) -> None:
        self.place(seller, "SELL", qty, price)
        self.place(buyer, "BUY", qty, price)

    def wallet(self, who: str) -> Decimal:
        assets = self.ask("GET", "account", who)["assets"]
        return Decimal(assets[0]["walletBalance"])

    def socket(self, path: str) -> Outlet:
        self._sockets += 1
        outlet = Outlet(self._sockets)
        self.dialect.open_socket(path, outlet, lambda request, answer: None)
        return outlet

    def user_stream(self, who: str) -> Outlet:
        key = self.ask("POST", "listenKey", who)["listenKey"]
        return self.socket(f"/private/ws?listenKey={key}")

    def pass_time(self, seconds: float) -> None:
        self.clock.advance_to(self.clock.now_ns() + int(seconds * NS_PER_SECOND))
        self.dialect.on_step()


@pytest.fixture
def venue() -> Venue:
    return Venue()


# -- money -----------------------------------------------------------------------------------------

_LOT, _TICK = ONE // 1000, ONE // 10
_trades = st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 10**6)), max_size=30)


@given(_trades)
def test_profit_booked_is_what_was_paid_and_received(trades: list[tuple[int, int]]) -> None:
    holding, cash, realized = Holding(), 0, 0
    for lots, ticks in trades:
        worth = value(ticks * _TICK, abs(lots) * _LOT)
        realized += holding.trade(lots * _LOT, worth)
        cash -= worth if lots > 0 else -worth
        assert holding.qty or not holding.cost
        assert realized - holding.cost == cash
    assert holding.qty == sum(lots for lots, _ in trades) * _LOT


_deals = st.tuples(st.sampled_from(["ab", "ba"]), st.integers(1, 30), st.integers(59_000, 61_000))


@given(st.lists(_deals, max_size=12))
def test_no_money_appears_or_vanishes(trades: list[tuple[str, int, int]]) -> None:
    venue = Venue()
    for who, lots, price in trades:
        buyer, seller = NAMES if who == "ab" else reversed(NAMES)
        venue.trade(buyer, seller, f"{lots * 0.001:.3f}", str(price))
    totals = venue.exchange.ledger.totals
    assert sum(amount for (_, asset), amount in totals.items() if asset == "USDT") == 0
    for name in NAMES:
        assert totals[name, "USDT"] == venue.exchange.wallets.held(name, "USDT")
    ann, bob = (venue.dialect.margin.holding(name, "BTCUSDT") for name in NAMES)
    assert ann.qty == -bob.qty


def test_fees_profit_and_funding_reach_the_wallet(venue: Venue) -> None:
    venue.trade("ann", "bob", "0.100", "60000")
    assert venue.wallet("ann") == Decimal(10_000) - Decimal("3")  # taker 0.05 % of 6000
    assert venue.wallet("bob") == Decimal(10_000) - Decimal("1.2")
    venue.trade("bob", "ann", "0.040", "61000")
    # 0.04 x 1000 of profit less 0.02 % of 2440.
    assert venue.wallet("ann") == Decimal(9_997) + 40 - Decimal("0.488")
    venue.dialect.fund()
    paid = Decimal("0.06") * 61_000 * Decimal("0.0001")
    assert venue.wallet("ann") == Decimal("10036.512") - paid
    kinds = [(each["incomeType"], Decimal(each["income"])) for each in venue.ask("GET", "income")]
    assert kinds == [
        ("COMMISSION", Decimal(-3)),
        ("REALIZED_PNL", Decimal(40)),
        ("COMMISSION", Decimal("-0.488")),
        ("FUNDING_FEE", -paid),
    ]


def test_margin_that_is_not_there(venue: Venue) -> None:
    venue.trade("ann", "bob", "0.001", "60000")
    status, answer = venue.call(
        "POST", "order", symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC",
        quantity="100", price="60000",
    )  # fmt: skip
    assert (status, answer["code"]) == (400, -2019)


# -- orders ----------------------------------------------------------------------------------------


def test_an_order_is_found_by_both_ids_and_ends_once(venue: Venue) -> None:
    placed = venue.place("ann", "BUY", "0.010", "59000", newClientOrderId="q1")
    assert (placed["status"], placed["clientOrderId"]) == ("NEW", "q1")
    for name, value_ in (("orderId", placed["orderId"]), ("origClientOrderId", "q1")):
        found = venue.ask("GET", "order", symbol="BTCUSDT", **{name: value_})
        assert Decimal(found["price"]) == 59_000
    assert [each["clientOrderId"] for each in venue.ask("GET", "openOrders")] == ["q1"]
    ended = venue.ask("DELETE", "order", symbol="BTCUSDT", origClientOrderId="q1")
    assert ended["status"] == "CANCELED"
    status, answer = venue.call("DELETE", "order", symbol="BTCUSDT", origClientOrderId="q1")
    assert (status, answer["code"]) == (400, -2011)
    status, answer = venue.call("GET", "order", symbol="BTCUSDT", origClientOrderId="q2")
    assert (status, answer["code"]) == (400, -2013)
    assert venue.call("GET", "order", "bob", symbol="BTCUSDT", origClientOrderId="q1")[0] == 400


def test_post_only_reduce_only_and_triggers_are_refused_as_the_venue_does(venue: Venue) -> None:
    venue.place("bob", "SELL", "0.010", "60000")
    codes = []
    for more in (
        {"type": "LIMIT", "timeInForce": "GTX", "price": "60000"},
        {"type": "MARKET", "reduceOnly": "true"},
        {"type": "STOP_MARKET", "stopPrice": "59000"},
        {"type": "LIMIT", "timeInForce": "GTC", "price": "60000.05"},
        {"type": "LIMIT", "timeInForce": "GTC", "price": "0"},
    ):
        answer = venue.call(
            "POST", "order", symbol="BTCUSDT", side="BUY", quantity="0.010", **more
        )[1]  # fmt: skip
        codes.append(answer["code"])
    assert codes == [-5022, -2022, -4120, -4014, -4001]


def test_reduce_only_never_turns_a_position_round(venue: Venue) -> None:
    venue.trade("ann", "bob", "0.010", "60000")
    venue.place("bob", "BUY", "0.050", "59900")
    sold = venue.place("ann", "SELL", "0.030", "", reduceOnly="true")
    assert Decimal(sold["executedQty"]) == Decimal("0.01")
    position = venue.ask("GET", "positionRisk", symbol="BTCUSDT")[0]
    assert Decimal(position["positionAmt"]) == 0


def test_an_algo_order_waits_triggers_and_trades(venue: Venue) -> None:
    venue.trade("ann", "bob", "0.010", "60000")
    stream = venue.user_stream("ann")
    stop = venue.ask(
        "POST", "algoOrder", symbol="BTCUSDT", side="SELL", type="STOP_MARKET", quantity="0.010",
        triggerPrice="59500", algoType="CONDITIONAL", clientAlgoId="qs", reduceOnly="true",
    )  # fmt: skip
    assert stop["algoStatus"] == "NEW"
    assert [each["clientAlgoId"] for each in venue.ask("GET", "openAlgoOrders")] == ["qs"]
    assert venue.ask("GET", "openOrders") == []
    assert venue.call("GET", "order", symbol="BTCUSDT", origClientOrderId="qs")[1]["code"] == -2013
    venue.place("bob", "BUY", "0.020", "59400")
    venue.place("ann", "BUY", "0.001", "59450")
    venue.place("bob", "SELL", "0.001", "59450")
    done = venue.ask("GET", "algoOrder", symbol="BTCUSDT", clientAlgoId="qs")
    assert done["algoStatus"] == "FINISHED"
    order = venue.ask("GET", "order", symbol="BTCUSDT", orderId=done["actualOrderId"])
    assert (order["status"], order["clientOrderId"]) == ("FILLED", "qs")
    words = [event["o"]["X"] for event in stream.events("ALGO_UPDATE")]
    assert words == ["NEW", "TRIGGERED", "FINISHED"]
    filled = [
        event["o"] for event in stream.events("ORDER_TRADE_UPDATE") if event["o"]["c"] == "qs"
    ]
    assert [(each["x"], each["X"]) for each in filled] == [("NEW", "NEW"), ("TRADE", "FILLED")]


def test_a_waiting_algo_order_is_cancelled_by_its_own_request(venue: Venue) -> None:
    venue.trade("ann", "bob", "0.010", "60000")
    venue.ask(
        "POST", "algoOrder", symbol="BTCUSDT", side="SELL", type="STOP", quantity="0.010",
        triggerPrice="59500", price="59400", timeInForce="GTC", algoType="CONDITIONAL",
        clientAlgoId="qs",
    )  # fmt: skip
    venue.ask("DELETE", "allOpenOrders", symbol="BTCUSDT")
    assert len(venue.ask("GET", "openAlgoOrders")) == 1
    assert venue.ask("DELETE", "algoOrder", clientAlgoId="qs")["code"] == "200"
    assert venue.ask("GET", "openAlgoOrders") == []


def test_the_countdown_cancels_unless_it_is_renewed(venue: Venue) -> None:
    venue.place("ann", "BUY", "0.010", "59000")
    for _ in range(3):
        venue.ask("POST", "countdownCancelAll", symbol="BTCUSDT", countdownTime=10_000)
        venue.pass_time(6)
    assert len(venue.ask("GET", "openOrders")) == 1
    venue.pass_time(6)
    assert venue.ask("GET", "openOrders") == []


def test_too_many_orders_are_refused_as_the_venue_documents(venue: Venue) -> None:
    venue.dialect.limits.orders_10s_max = 0
    status, answer = venue.call("POST", "order", symbol="BTCUSDT")
    assert (status, answer["code"]) == (429, -1015)


def test_a_wrong_signature_and_a_late_stamp(venue: Venue) -> None:
    request = Request(
        host="fapi.binance.com", method="GET", path="/fapi/v1/openOrders",
        params={"timestamp": str(START_NS // 1_000_000), "signature": "00"},
        signed_text="timestamp=1", headers={"x-mbx-apikey": "ann" * 20},
    )  # fmt: skip
    assert json.loads(venue.dialect.handle(request).body)["code"] == -1022
    venue.exchange.clock.offset_ns = 20 * NS_PER_SECOND
    assert venue.call("GET", "openOrders")[1]["code"] == -1021


# -- streams ---------------------------------------------------------------------------------------


def test_the_user_stream_tells_a_trade_in_all_its_events(venue: Venue) -> None:
    stream = venue.user_stream("ann")
    venue.place("ann", "BUY", "0.020", "60000", newClientOrderId="q1")
    venue.place("bob", "SELL", "0.005", "60000")
    reports = [event["o"] for event in stream.events("ORDER_TRADE_UPDATE")]
    assert [(each["x"], each["X"], each["z"]) for each in reports] == [
        ("NEW", "NEW", "0.00000000"),
        ("TRADE", "PARTIALLY_FILLED", "0.00500000"),
    ]
    (trade,) = venue.ask("GET", "userTrades", symbol="BTCUSDT")
    assert reports[1]["t"] == trade["id"] == stream.events("TRADE_LITE")[0]["t"]
    assert reports[1]["n"] == trade["commission"] == "0.06000000"
    update = stream.events("ACCOUNT_UPDATE")[-1]["a"]
    assert update["P"][0]["pa"] == "0.00500000"
    assert Decimal(update["B"][0]["wb"]) == venue.wallet("ann")


def test_a_listen_key_that_expires_says_so_and_falls_silent(venue: Venue) -> None:
    stream = venue.user_stream("ann")
    venue.dialect.close_user_streams()
    assert len(stream.events("listenKeyExpired")) == 1
    venue.place("ann", "BUY", "0.020", "60000")
    assert not stream.events("ORDER_TRADE_UPDATE")
    assert venue.call("PUT", "listenKey")[1]["code"] == -1125


def test_depth_events_follow_each_other_and_rebuild_the_book(venue: Venue) -> None:
    outlet = venue.socket("/public/ws/0")
    session = venue.dialect.open_socket("/public/ws/1", outlet, lambda request, answer: None)
    session.on_text('{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":1}')
    assert ("answer", {"result": None, "id": 1}) in outlet.sent
    snapshot = venue.exchange.listings["BTCUSDT"].update_id
    for step in range(5):
        venue.place("ann", "BUY", "0.010", f"{59_000 + step}")
        venue.place("bob", "SELL", "0.010", f"{61_000 - step}")
        venue.pass_time(0.2)
    venue.ask("DELETE", "allOpenOrders", symbol="BTCUSDT")
    venue.pass_time(0.2)
    events = outlet.events("depthUpdate")
    assert events[0]["U"] <= snapshot + 1 <= events[0]["u"]
    for before, after in itertools.pairwise(events):
        assert after["pu"] == before["u"]
    book: dict[str, dict[str, str]] = {"b": {}, "a": {}}
    for event in events:
        for side in ("b", "a"):
            for price, qty in event[side]:
                book[side][price] = qty
    alive = {
        side: sorted(price for price, qty in levels.items() if Decimal(qty))
        for side, levels in book.items()
    }
    depth = venue.dialect._public["GET depth"](_params(symbol="BTCUSDT"))
    assert depth["lastUpdateId"] == events[-1]["u"]
    assert alive == {"b": [], "a": sorted(price for price, _ in depth["asks"])}


def _params(**params: str) -> Any:
    from engine.drill.dialects.binance_words import Params

    return Params(Request(host="", method="GET", path="", params=params))
