"""Unmodified ccxt.pro trades on the drill exchange over TLS, without a URL of its own changed."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import ccxt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.drill import new_account, open_drill
from engine.domain.order import Side
from engine.drill.control import Certificate
from engine.drill.dialects.binance_spot import BinanceSpot
from engine.drill.ledger import MARKET, Moved, Traded, read_entries
from engine.drill.resolver import ADMIN_HOST, drill_session
from engine.drill.server import DrillServer
from engine.drill.units import amount
from tests.support.drill import ccxt_on, until

DEMO, OTHER = new_account("demo"), new_account("other")
BTC = "BTC/USDT"


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[DrillServer]:
    async with open_drill(tmp_path, accounts=[DEMO, OTHER], symbols=["BTCUSDT"]) as opened:
        yield opened
    assert opened.failures == []


async def test_markets_balance_and_permissions(server: DrillServer) -> None:
    async with ccxt_on(server, DEMO) as client:
        await client.load_markets()
        market = client.market(BTC)
        assert market["precision"] == {"amount": 1e-5, "price": 0.01, "base": 1e-8, "quote": 1e-8}
        assert market["limits"]["cost"]["min"] == 5
        assert "BNB" in client.currencies
        balance = await client.fetch_balance()
        assert balance["BTC"] == {"free": 2.0, "used": 0.0, "total": 2.0}
        restrictions = await client.sapi_get_account_apirestrictions()
        assert restrictions["enableWithdrawals"] is False
        fee = await client.fetch_trading_fee(BTC)
        assert (fee["maker"], fee["taker"]) == (0.001, 0.001)
        assert (await client.fetch_status())["status"] == "ok"
        assert abs(await client.fetch_time() - time.time() * 1000) < 2000


async def test_a_limit_order_lives_and_is_cancelled(server: DrillServer) -> None:
    async with ccxt_on(server, DEMO) as client:
        await client.load_markets()
        placed = await client.create_order(
            BTC, "limit", "buy", 0.01, 50_000, {"clientOrderId": "q1"}
        )
        assert (placed["status"], placed["clientOrderId"]) == ("open", "q1")
        balance = await client.fetch_balance()
        assert balance["USDT"]["used"] == 500.0
        found = await client.fetch_order(None, BTC, {"origClientOrderId": "q1"})
        assert found["id"] == placed["id"]
        assert [each["id"] for each in await client.fetch_open_orders(BTC)] == [placed["id"]]
        with pytest.raises(ccxt.InvalidOrder, match="Duplicate"):
            await client.create_order(BTC, "limit", "buy", 0.01, 50_000, {"clientOrderId": "q1"})
        gone = await client.cancel_order(placed["id"], BTC)
        assert gone["status"] == "canceled"
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(placed["id"], BTC)
        assert (await client.fetch_order(placed["id"], BTC))["status"] == "canceled"
        # An id is free again once its order has ended.
        again = await client.create_order(
            BTC, "limit", "buy", 0.01, 50_000, {"clientOrderId": "q1"}
        )
        assert again["id"] != placed["id"]
        assert len(await client.cancel_all_orders(BTC)) == 1
        assert (await client.fetch_balance())["USDT"]["used"] == 0


async def test_market_orders_and_their_trades(server: DrillServer) -> None:
    async with ccxt_on(server, DEMO) as client:
        await client.load_markets()
        bought = await client.create_order(BTC, "market", "buy", 0.5)
        assert (bought["status"], bought["filled"]) == ("closed", 0.5)
        trades = await client.fetch_my_trades(BTC)
        assert sum(Decimal(trade["info"]["qty"]) for trade in trades) == Decimal("0.5")
        fees = sum(Decimal(trade["info"]["commission"]) for trade in trades)
        assert fees == Decimal("0.0005")
        balance = (await client.fetch_balance())["info"]["balances"]
        held = {row["asset"]: Decimal(row["free"]) for row in balance}
        cost = sum(Decimal(trade["info"]["quoteQty"]) for trade in trades)
        assert held["BTC"] == Decimal("2.4995")
        assert held["USDT"] == 100_000 - cost
        later = await client.fetch_my_trades(BTC, None, None, {"fromId": int(trades[-1]["id"])})
        assert [trade["id"] for trade in later] == [trades[-1]["id"]]


async def test_orders_of_each_type(server: DrillServer) -> None:
    async with ccxt_on(server, DEMO) as client:
        await client.load_markets()
        book = await client.fetch_order_book(BTC)
        bid = Decimal(str(book["bids"][0][0]))
        low, lower = float(round(bid * Decimal("0.9"), 2)), 50_000
        stop = await client.create_order(BTC, "market", "sell", 0.1, None, {"stopLossPrice": low})
        limit = await client.create_order(BTC, "limit", "sell", 0.1, lower, {"stopLossPrice": low})
        for order in (stop, limit):
            assert order["status"] == "open"
            found = await client.fetch_order(order["id"], BTC)
            assert (found["stopPrice"], found["filled"]) == (low, 0)
        with pytest.raises(ccxt.OrderImmediatelyFillable):
            await client.create_order(BTC, "limit", "buy", 0.1, 70_000, {"postOnly": True})
        ioc = await client.create_order(BTC, "limit", "buy", 0.1, 50_000, {"timeInForce": "IOC"})
        fok = await client.create_order(BTC, "limit", "buy", 0.1, 50_000, {"timeInForce": "FOK"})
        assert ioc["status"] == fok["status"] == "expired"
        value = await client.create_order(
            BTC, "market", "buy", None, None, {"quoteOrderQty": "100"}
        )
        assert 99 < value["cost"] <= 100


async def test_refusals_carry_the_venues_codes(server: DrillServer) -> None:
    async with ccxt_on(server, DEMO) as client:
        await client.load_markets()
        await client.fetch_balance()
        with pytest.raises(ccxt.InsufficientFunds):
            await client.create_order(BTC, "limit", "buy", 4, 50_000)
        with pytest.raises(ccxt.BadRequest, match="NOTIONAL"):
            await client.create_order(BTC, "limit", "buy", 0.00001, 50_000)
        with pytest.raises(ccxt.InvalidOrder, match="lot size"):
            await client.private_post_order(_raw(quantity="0.000001"))
        with pytest.raises(ccxt.InvalidOrder, match="price is invalid"):
            await client.private_post_order(_raw(price="50000.001"))
        with pytest.raises(ccxt.InvalidOrder, match="PERCENT_PRICE_BY_SIDE"):
            await client.private_post_order(_raw(price="1000"))
        with pytest.raises(ccxt.BadSymbol, match="-1121"):
            await client.private_post_order(_raw(symbol="NOSUCH"))
        with pytest.raises(ccxt.OrderNotFound, match="-2013"):
            await client.fetch_order("12345", BTC)
        client.options["recvWindow"] = 1000
        client.nonce = lambda: int(time.time() * 1000) - 20_000
        with pytest.raises(ccxt.InvalidNonce, match="-1021"):
            await client.fetch_balance()
        del client.nonce
        client.secret = "0" * 64
        with pytest.raises(ccxt.AuthenticationError, match="-1022"):
            await client.fetch_balance()
        server.control.set_key_active("demo", False)
        # ccxt takes a revoked key for overload once it has worked: the code is what counts.
        with pytest.raises(ccxt.DDoSProtection, match="-2015"):
            await client.fetch_balance()


def _raw(**changes: str) -> dict[str, str]:
    order = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.001",
        "price": "50000",
    }
    return order | changes


async def test_the_user_stream_tells_everything_in_order(server: DrillServer) -> None:
    reports: list[dict[str, object]] = []
    async with ccxt_on(server, DEMO) as client:
        await client.load_markets()
        take = client.handle_order_update
        client.handle_order_update = lambda socket, message: (
            reports.append(message.get("event", message)),
            take(socket, message),
        )
        watching = asyncio.create_task(client.watch_orders(BTC))
        await until(lambda: "WS userDataStream.subscribe.signature" in server.requests)
        resting = await client.create_order(
            BTC, "limit", "buy", 0.01, 50_000, {"clientOrderId": "resting"}
        )
        await asyncio.wait_for(watching, 5)
        await client.create_order(BTC, "market", "sell", 0.2, None, {"clientOrderId": "taking"})
        await client.cancel_order(resting["id"], BTC)
        await until(lambda: reports[-1]["x"] == "CANCELED")
    kinds = [(each["x"], each["X"]) for each in reports]
    assert kinds[:2] == [("NEW", "NEW"), ("NEW", "NEW")]
    assert kinds[-2:] == [("TRADE", "FILLED"), ("CANCELED", "CANCELED")]
    assert (reports[-1]["C"], reports[0]["c"]) == ("resting", "resting")
    filled = [Decimal(str(each["z"])) for each in reports if each["x"] == "TRADE"]
    assert filled == sorted(filled)
    assert filled[-1] == Decimal("0.2")


async def test_the_book_at_the_client_is_the_book(server: DrillServer) -> None:
    listing = server.control.core("binance_spot").listings["BTCUSDT"]
    async with ccxt_on(server) as client:
        await client.load_markets()
        for _ in range(15):
            book = await client.watch_order_book(BTC)
        server.control.set_market_running("binance_spot", "BTCUSDT", False)
        wanted_id = listing.update_id
        # What was decided before the market stood still has yet to be sent.
        server.control.set_market_running("binance_spot", "BTCUSDT", True)
        while book["nonce"] < wanted_id:
            book = await client.watch_order_book(BTC)
        server.control.set_market_running("binance_spot", "BTCUSDT", False)
        snapshot = await client.fetch_order_book(BTC, 1000)
        if book["nonce"] == snapshot["nonce"]:
            assert book["bids"][:50] == snapshot["bids"][:50]
            assert book["asks"][:50] == snapshot["asks"][:50]
        assert snapshot["bids"][0][0] == float(amount(listing.bids.best or 0))
        assert snapshot["bids"][0][0] < snapshot["asks"][0][0]


async def test_public_streams(server: DrillServer) -> None:
    async with ccxt_on(server) as client:
        await client.load_markets()
        trades = await client.watch_trades(BTC)
        assert trades[-1]["price"] > 0
        assert (await client.watch_ticker(BTC))["last"] > 0
        touch = (await client.watch_bids_asks([BTC]))[BTC]
        assert touch["bid"] < touch["ask"]
        candles = await client.watch_ohlcv(BTC)
        assert candles[-1][2] >= candles[-1][3]
        assert BTC in await client.watch_tickers()
        assert (await client.fetch_ticker(BTC))["last"] > 0
        assert (await client.fetch_trades(BTC))[-1]["amount"] > 0


async def test_two_accounts_meet_and_one_does_not_meet_itself(server: DrillServer) -> None:
    server.control.set_market_running("binance_spot", "BTCUSDT", False)
    async with ccxt_on(server, DEMO) as demo, ccxt_on(server, OTHER) as other:
        await demo.load_markets()
        await other.load_markets()
        book = await demo.fetch_order_book(BTC)
        price = round(book["bids"][0][0] + 0.02, 2)
        resting = await demo.create_order(BTC, "limit", "buy", 0.01, price)
        taking = await other.create_order(BTC, "limit", "sell", 0.004, price)
        assert (taking["status"], taking["average"]) == ("closed", price)
        assert (await demo.fetch_order(resting["id"], BTC))["filled"] == 0.004
        own = await demo.create_order(BTC, "limit", "sell", 0.004, price)
        # EXPIRE_MAKER is the symbol's default: the older one goes, the newer takes the market.
        assert (await demo.fetch_order(resting["id"], BTC))["info"]["status"] == "EXPIRED_IN_MATCH"
        assert own["status"] == "open"
    core = server.control.core("binance_spot")
    sides = [each for each in core.ledger.entries if isinstance(each, Traded)]
    assert [(each.trade.account, each.counterparty) for each in sides] == [
        ("other", "demo"),
        ("demo", "other"),
    ]


async def test_the_socket_api_places_and_cancels(server: DrillServer) -> None:
    async with ccxt_on(server, DEMO) as client:
        await client.load_markets()
        placed = await client.create_order_ws(BTC, "limit", "buy", 0.01, 50_000)
        assert placed["status"] == "open"
        assert (await client.cancel_order_ws(placed["id"], BTC))["status"] == "canceled"
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order_ws(placed["id"], BTC)


async def test_an_ed25519_key_signs(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = new_account("demo", secret="", public_key=public.decode())
    async with (
        open_drill(tmp_path, accounts=[account], symbols=["BTCUSDT"]) as server,
        ccxt_on(server, account) as client,
    ):
        client.secret = private.decode()
        assert (await client.fetch_balance())["BTC"]["free"] == 2
        await client.load_markets()
        assert (await client.create_order_ws(BTC, "limit", "buy", 0.01, 50_000))["id"]


async def test_no_other_name_resolves(server: DrillServer) -> None:
    place = server.place
    async with drill_session(Path(place.ca_path), place.port, place.hosts) as session:
        for url in ("https://example.org/", "https://www.binance.com/"):
            with pytest.raises(aiohttp.ClientConnectorError, match="no such name in drill mode"):
                await session.get(url)
        server.control.set_names_known(False)
        with pytest.raises(aiohttp.ClientConnectorError, match="name resolution"):
            await session.get("https://api.binance.com/api/v3/ping")
        server.control.set_names_known(True)
        async with session.get("https://api.binance.com/api/v3/ping") as response:
            assert response.status == 200


@pytest.mark.parametrize(
    "certificate", [each for each in Certificate if each is not Certificate.GOOD]
)
async def test_bad_certificates_are_refused(server: DrillServer, certificate: Certificate) -> None:
    place = server.place
    server.control.set_certificate(certificate)
    async with drill_session(Path(place.ca_path), place.port, place.hosts) as session:
        with pytest.raises((aiohttp.ClientConnectorError, ssl.SSLError)):
            await session.get("https://api.binance.com/api/v3/ping")
        server.control.set_certificate(Certificate.GOOD)
        async with session.get("https://api.binance.com/api/v3/ping") as response:
            assert response.status == 200


async def test_the_operator_route_shows_the_ledger_and_pulls_levers(server: DrillServer) -> None:
    place, core = server.place, server.control.core("binance_spot")
    async with (
        ccxt_on(server, DEMO) as client,
        drill_session(Path(place.ca_path), place.port, place.hosts) as session,
    ):
        await client.load_markets()
        await client.create_order(BTC, "market", "buy", 0.1)
        url = f"https://{ADMIN_HOST}"
        async with session.get(f"{url}/ledger?venue=binance_spot") as response:
            entries = read_entries(await response.read())
        assert entries == core.ledger.entries[: len(entries)]
        moved = [each for each in entries if isinstance(each, Moved) and each.reason == "trade"]
        assert {MARKET, "demo"} == {name for each in moved for name in each.move[1:3]}
        body = {
            "dialect": "binance_spot",
            "account": "demo",
            "symbol": "BTCUSDT",
            "side": "buy",
            "qty": "0.01",
            "price": "50000",
        }
        async with session.post(f"{url}/control/place_foreign", json=body) as response:
            order_id = (await response.json())["result"]
        assert (await client.fetch_order(order_id, BTC))["status"] == "open"
        async with session.post(f"{url}/control/place_foreign", json={"x": 1}) as response:
            assert response.status == 400
        async with session.get(f"{url}/state") as response:
            state = await response.json()
        assert state["venues"]["binance_spot"]["open_orders"] == 1
        lines = (Path(place.ca_path).parent / "ledger-binance_spot.jsonl").read_bytes()
        assert read_entries(lines) == core.ledger.entries


async def test_too_much_weight_is_refused_and_then_banned(server: DrillServer) -> None:
    place = server.place
    async with (
        ccxt_on(server, DEMO) as client,
        drill_session(Path(place.ca_path), place.port, place.hosts) as session,
    ):
        await client.load_markets()
        url = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=5000"
        seen = []
        for _ in range(40):
            async with session.get(url) as response:
                seen.append(response.status)
                headers = response.headers
        assert seen == sorted(seen, key=[200, 429, 418].index)
        assert set(seen) == {200, 429, 418}
        assert int(headers["Retry-After"]) > 0
        assert int(headers["x-mbx-used-weight-1m"]) > 6000
        with pytest.raises(ccxt.DDoSProtection, match="banned until"):
            await client.fetch_balance()


async def test_foreign_deposits_and_other_accounts_stay_apart(server: DrillServer) -> None:
    control = server.control
    control.deposit("binance_spot", "other", "USDT", Decimal(5))
    control.place_foreign(
        "binance_spot", "other", "BTCUSDT", Side.BUY, Decimal("0.01"), Decimal(50_000), "theirs"
    )
    async with ccxt_on(server, DEMO) as client:
        await client.load_markets()
        assert await client.fetch_open_orders(BTC) == []
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order(None, BTC, {"origClientOrderId": "theirs"})
        assert (await client.fetch_balance())["USDT"]["total"] == 100_000


async def test_cancel_and_replace_whole_half_and_not_at_all(server: DrillServer) -> None:
    async with ccxt_on(server, DEMO) as client:
        await client.load_markets()
        first = await client.create_order(BTC, "limit", "buy", 0.01, 50_000)
        second = await client.edit_order(first["id"], BTC, "limit", "buy", 0.02, 49_000)
        assert (second["status"], second["amount"], second["price"]) == ("open", 0.02, 49_000)
        assert (await client.fetch_order(first["id"], BTC))["status"] == "canceled"
        # The old one goes, the new one is refused: the venue answers 409.
        with pytest.raises(ccxt.BadResponse, match="partially failed"):
            await client.edit_order(second["id"], BTC, "limit", "buy", 4, 50_000)
        assert await client.fetch_open_orders(BTC) == []
        with pytest.raises(ccxt.BadResponse, match="cancel-replace failed"):
            await client.edit_order(second["id"], BTC, "limit", "buy", 0.01, 50_000)
        assert await client.fetch_open_orders(BTC) == []


async def test_too_many_orders_are_refused_by_count(server: DrillServer) -> None:
    dialect = server.venues["binance_spot"].dialect
    assert isinstance(dialect, BinanceSpot)
    dialect.limits.orders_10s_max = 0
    async with ccxt_on(server, DEMO) as client:
        await client.load_markets()
        with pytest.raises(ccxt.DDoSProtection, match="-1015"):
            await client.create_order(BTC, "limit", "buy", 0.01, 50_000)
        assert _header(client, "x-mbx-order-count-10s") == "0"
        assert _header(client, "retry-after") == ""
        dialect.limits.orders_10s_max = 100
        await client.create_order(BTC, "limit", "buy", 0.01, 50_000)
        assert _header(client, "x-mbx-order-count-10s") == "1"


def _header(client: Any, name: str) -> str:
    """Of the last answer, whatever the case in which ccxt keeps it."""
    headers = {each.lower(): value for each, value in client.last_response_headers.items()}
    return str(headers.get(name, ""))


async def test_halts_maintenance_and_ends_by_the_venue(server: DrillServer) -> None:
    control, spot = server.control, "binance_spot"
    async with ccxt_on(server, DEMO) as client:
        await client.load_markets()
        order = {"clientOrderId": "mine"}
        await client.create_order(BTC, "limit", "buy", 0.01, 50_000, order)
        control.set_symbol_status(spot, "BTCUSDT", "BREAK")
        with pytest.raises(ccxt.ExchangeError, match="Market is closed"):
            await client.create_order(BTC, "limit", "buy", 0.01, 50_000)
        assert (await client.load_markets(True))[BTC]["active"] is False
        assert len(await client.fetch_open_orders(BTC)) == 1
        control.set_symbol_status(spot, "BTCUSDT", "TRADING")
        control.set_maintenance(spot, True)
        assert (await client.fetch_status())["status"] == "maintenance"
        with pytest.raises(ccxt.ExchangeError, match="-1016"):
            await client.fetch_balance()
        control.cancel_at_venue(spot, "demo", "mine")
        control.set_maintenance(spot, False)
        found = await client.fetch_order(None, BTC, {"origClientOrderId": "mine"})
        assert found["status"] == "canceled"
        assert (await client.fetch_balance())["USDT"]["used"] == 0
