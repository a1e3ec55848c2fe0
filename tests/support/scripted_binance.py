"""Binance's public addresses served on this machine: what a test says is what the venue says.

Real sockets, real TLS; the session it hands out resolves Binance's names to the test's port and
knows no other name.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.support.tls import make_contexts

NAMES = ("api.binance.com", "fapi.binance.com", "stream.binance.com", "fstream.binance.com")
Levels = list[list[str]]


class ScriptedBinance:
    """A book with ids, streams that send what they are told, and counters of what was asked."""

    def __init__(self, folder: Path) -> None:
        self.bids: dict[str, str] = {"100.00": "1.00000", "99.99": "2.00000"}
        self.asks: dict[str, str] = {"100.01": "1.50000", "100.02": "3.00000"}
        self.last_id = 100
        self.trade_id = 500
        self.now_ms = 1_700_000_000_000
        self.status = "TRADING"
        self.requests: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.refuses_streams = False
        self.answer_instead: Callable[[str], web.Response | None] = lambda path: None
        """Asked first, with the path: what it returns is the answer."""
        self.holds_acknowledgement = False
        self.subscribed = asyncio.Event()
        self._server_tls, self._client_tls = make_contexts(folder, NAMES)
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._server_tls)
        await site.start()
        server = site._server
        assert isinstance(server, asyncio.Server)
        self._port = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._runner is not None
        await self.cut()
        await self._runner.cleanup()

    def session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self._client_tls, resolver=_Resolver(self._port), use_dns_cache=False
        )
        return aiohttp.ClientSession(connector=connector)

    # -- the venue's side ------------------------------------------------------------------------

    def change(self, bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]]) -> bytes:
        """Change the book and return the depth frame that tells of it, not sent yet."""
        first, self.last_id = self.last_id + 1, self.last_id + max(1, len(bids) + len(asks))
        self.now_ms += 100
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, size in levels:
                side[price] = size
                if float(size) == 0:
                    del side[price]
        return _bytes(
            {
                "e": "depthUpdate",
                "E": self.now_ms,
                "s": "BTCUSDT",
                "U": first,
                "u": self.last_id,
                "b": [list(level) for level in bids],
                "a": [list(level) for level in asks],
            }
        )

    def trade(self, price: str, size: str) -> bytes:
        self.trade_id += 1
        self.now_ms += 1
        return _bytes(
            {
                "e": "trade",
                "E": self.now_ms,
                "s": "BTCUSDT",
                "t": self.trade_id,
                "p": price,
                "q": size,
                "T": self.now_ms,
                "m": False,
                "M": True,
            }
        )

    async def send(self, *frames: bytes) -> None:
        for stream in self.sockets:
            for frame in frames:
                await stream.send_str(frame.decode())

    async def cut(self) -> None:
        """End every stream, without a word."""
        for stream in self.sockets:
            transport = stream._req.transport if stream._req is not None else None
            if transport is not None:
                transport.abort()
        self.sockets.clear()
        self.subscribed.clear()

    def asked(self, word: str) -> int:
        return sum(word in request for request in self.requests)

    def book_answer(self, limit: int = 1000) -> dict[str, Any]:
        bids = sorted(self.bids.items(), key=lambda level: -float(level[0]))[:limit]
        asks = sorted(self.asks.items(), key=lambda level: float(level[0]))[:limit]
        return {"lastUpdateId": self.last_id, "bids": bids, "asks": asks}

    # -- serving ---------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/ws"):
            return await self._stream(request)
        self.requests.append(request.path_qs)
        instead = self.answer_instead(request.path)
        if instead is not None:
            return instead
        name = request.path.rpartition("/")[2]
        if name == "depth":
            return web.json_response(self.book_answer(int(request.query["limit"])))
        if name == "trades":
            return web.json_response([self._rest_trade()])
        if name == "exchangeInfo":
            return web.json_response({"symbols": [self._listed()]})
        return web.Response(status=404)

    def _rest_trade(self) -> dict[str, Any]:
        return {
            "id": self.trade_id,
            "price": max(self.bids),
            "qty": "0.10000",
            "time": self.now_ms,
            "isBuyerMaker": True,
        }

    def _listed(self) -> dict[str, Any]:
        return {
            "symbol": "BTCUSDT",
            "status": self.status,
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
                {"filterType": "LOT_SIZE", "stepSize": "0.00001000"},
            ],
        }

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self.refuses_streams:
            return web.Response(status=503)
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        async for message in stream:
            asked = json.loads(message.data)
            assert asked["method"] == "SUBSCRIBE"
            if not self.holds_acknowledgement:
                await stream.send_str(json.dumps({"result": None, "id": asked["id"]}))
            self.sockets.append(stream)
            self.subscribed.set()
        return stream


class _Resolver(AbstractResolver):
    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host not in NAMES:
            raise OSError(f"{host}: no such name in a test")
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=self._port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _bytes(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
