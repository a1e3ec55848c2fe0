"""Unmodified ccxt trades USD-M at the drill exchange, over TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import ccxt.pro
import pytest

from app.drill import new_account, open_drill
from engine.drill.resolver import drill_session
from engine.drill.server import DrillServer
from tests.drill.waiting import eventually

SYMBOL = "BTC/USDT:USDT"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[DrillServer]:
    async with open_drill(tmp_path, accounts=[new_account("ann")], symbols=("BTCUSDT",)) as running:
        yield running
    assert not running.failures


@pytest.fixture
async def client(server: DrillServer) -> AsyncIterator[Any]:
    place = server.place
    session = drill_session(Path(place.ca_path), place.port, place.hosts)
    account = server.venues["binance_usdm"].core.accounts["ann"]
    options = {
        "fetchMarkets": {"types": ["linear"]},
        "fetchCurrencies": False,
        "fetchMargins": False,
    }
    exchange = ccxt.pro.binanceusdm(
        {
            "apiKey": account.api_key,
            "secret": account.secret,
            "session": session,
            "options": options,
            "enableRateLimit": False,
        }
    )
    try:
        yield exchange
    finally:
        await exchange.close()
        await session.close()


async def _top(client: Any) -> tuple[float, float]:
    book = await client.fetch_order_book(SYMBOL, 5)
    return book["bids"][0][0], book["asks"][0][0]


async def test_a_position_from_opening_to_closing(client: Any) -> None:
    await client.load_markets()
    market = client.market(SYMBOL)
    assert (market["precision"]["price"], market["limits"]["cost"]["min"]) == (0.1, 100.0)
    await client.set_leverage(5, SYMBOL)
    bought = await client.create_order(
        SYMBOL, "market", "buy", 0.01, None, {"clientOrderId": "qopen"}
    )
    assert (bought["status"], bought["filled"], bought["clientOrderId"]) == (
        "closed",
        0.01,
        "qopen",
    )
    (position,) = await client.fetch_positions([SYMBOL])
    assert (position["contracts"], position["side"], position["leverage"]) == (0.01, "long", 5)
    trades = await client.fetch_my_trades(SYMBOL)
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.01)
    assert {trade["fee"]["currency"] for trade in trades} == {"USDT"}
    sold = await client.create_order(SYMBOL, "market", "sell", 0.01, None, {"reduceOnly": True})
    assert sold["status"] == "closed"
    assert [each for each in await client.fetch_positions([SYMBOL]) if each["contracts"]] == []
    with pytest.raises(ccxt.InvalidOrder):
        await client.create_order(SYMBOL, "market", "sell", 0.01, None, {"reduceOnly": True})
    balance = (await client.fetch_balance())["USDT"]["total"]
    assert 99_900 < balance < 100_000


async def test_orders_and_stops_by_client_id(client: Any) -> None:
    await client.load_markets()
    bid, _ = await _top(client)
    price = float(round(bid * 0.9))
    placed = await client.create_order(
        SYMBOL, "limit", "buy", 0.01, price, {"clientOrderId": "qlimit", "postOnly": True}
    )
    found = await client.fetch_order(None, SYMBOL, {"clientOrderId": "qlimit"})
    assert (found["id"], found["status"], found["price"]) == (placed["id"], "open", price)
    await client.create_order(
        SYMBOL, "market", "sell", 0.01, None, {"clientOrderId": "qstop", "stopLossPrice": price}
    )
    client.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
    assert [each["clientOrderId"] for each in await client.fetch_open_orders()] == ["qlimit"]
    stops = await client.fetch_open_orders(SYMBOL, None, None, {"trigger": True})
    assert [each["clientOrderId"] for each in stops] == ["qstop"]
    await client.cancel_order(None, SYMBOL, {"clientOrderId": "qlimit"})
    await client.cancel_order(None, SYMBOL, {"trigger": True, "clientOrderId": "qstop"})
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order(None, SYMBOL, {"clientOrderId": "qlimit"})
    assert await client.fetch_open_orders(SYMBOL) == []
    renewed = await client.fapiPrivatePostCountdownCancelAll(
        {"symbol": "BTCUSDT", "countdownTime": 10_000}
    )
    assert renewed["symbol"] == "BTCUSDT"


async def test_the_streams_of_market_and_account(client: Any, server: DrillServer) -> None:
    await client.load_markets()
    book = await asyncio.wait_for(client.watch_order_book(SYMBOL), 20)
    for _ in range(3):
        book = await asyncio.wait_for(client.watch_order_book(SYMBOL), 20)
    assert book["bids"][0][0] < book["asks"][0][0]
    assert await asyncio.wait_for(client.watch_trades(SYMBOL), 20)
    waiting = asyncio.ensure_future(client.watch_orders(SYMBOL))
    await eventually(lambda: len(server.outlets) == 3)  # Book, trades, user stream.
    price = float(round(book["bids"][0][0] * 0.9))
    await client.create_order(SYMBOL, "limit", "buy", 0.01, price, {"clientOrderId": "qwatched"})
    (order,) = await asyncio.wait_for(waiting, 20)
    assert (order["clientOrderId"], order["status"]) == ("qwatched", "open")
    core = server.venues["binance_usdm"].core
    assert core.wallets.held("ann", "USDT") == Decimal(100_000) * 10**8
