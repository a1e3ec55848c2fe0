"""A scripted venue over real TLS sockets: answers by route as a test tells it, and nothing else.

Reached by the real host names through a resolver, so that the client under test is unchanged; any
name that is not listed is refused.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS = (
    "api.binance.com",
    "ws-api.binance.com",
    "stream.binance.com",
    "fapi.binance.com",
    "fstream.binance.com",
)


class Asked(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


Handler = Callable[[Asked], Awaitable[web.StreamResponse | None]]
"""None: close the connection without an answer."""


def certificate(folder: Path, *, is_expired: bool = False) -> tuple[Path, Path]:
    """A self-signed certificate for all hosts, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scripted venue")])
    now = datetime.datetime.now(datetime.UTC)
    begin, end = (now - datetime.timedelta(days=2), now + datetime.timedelta(days=2))
    if is_expired:
        end = now - datetime.timedelta(days=1)
    names = [x509.DNSName(host) for host in HOSTS]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [*names, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "venue.pem", folder / "venue.key"
    cert_path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_path, key_path


class _Resolver(AbstractResolver):
    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> Any:
        if host not in HOSTS:
            raise OSError(f"{host}: refused: this is a test")
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": self._port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def close(self) -> None: ...


class ScriptedVenue:
    """`async with ScriptedVenue(tmp_path) as venue`. Routes are `"POST /api/v3/order"`."""

    def __init__(self, folder: Path, *, is_expired: bool = False) -> None:
        self._cert, self._key = certificate(folder, is_expired=is_expired)
        self._handlers: dict[str, Handler] = {}
        self._runner: web.AppRunner | None = None
        self.asked: list[Asked] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.connected = asyncio.Event()
        self.ws_answer: Callable[[Mapping[str, Any]], Mapping[str, Any] | None] = _subscribed
        """The answer to a message on a socket; None for silence."""
        self.ws_refusal = 0
        """A status that refuses the handshake."""
        self.ws_answers_pings = True

    async def __aenter__(self) -> ScriptedVenue:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._dispatch)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._cert, self._key)
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        server: Any = site._server
        self.port = server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drop_sockets()
        assert self._runner is not None
        await self._runner.cleanup()

    def session(self) -> aiohttp.ClientSession:
        """The session factory for the client under test."""
        context = ssl.create_default_context(cafile=str(self._cert))
        connector = aiohttp.TCPConnector(
            ssl=context, resolver=_Resolver(self.port), use_dns_cache=False
        )
        return aiohttp.ClientSession(connector=connector)

    def on(self, route: str, handler: Handler) -> None:
        self._handlers[route] = handler

    def answer(
        self, route: str, body: object, *, status: int = 200, headers: Mapping[str, str] = {}
    ) -> None:
        """Always answer `route` like this; text as it is, everything else as JSON."""

        async def handler(_: Asked) -> web.StreamResponse:
            if isinstance(body, str):
                kind = "text/html" if body.startswith("<") else "application/json"
                return web.Response(text=body, status=status, headers=headers, content_type=kind)
            return web.json_response(body, status=status, headers=headers)

        self.on(route, handler)

    def count(self, route: str) -> int:
        return sum(f"{asked.method} {asked.path}" == route for asked in self.asked)

    async def tell(self, message: object) -> None:
        """Send a message (or raw text) on the newest socket."""
        text = message if isinstance(message, str) else None
        if text is not None:
            await self.sockets[-1].send_str(text)
        else:
            await self.sockets[-1].send_json(message)

    async def drop_sockets(self) -> None:
        for ws in self.sockets:
            if ws._req is not None and ws._req.transport is not None:
                ws._req.transport.abort()
        self.sockets.clear()

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_socket(request)
        body = await request.post() if request.method in ("POST", "PUT") else {}
        params = {**request.query, **{name: str(value) for name, value in body.items()}}
        asked = Asked(request.method, request.path, params, dict(request.headers))
        self.asked.append(asked)
        handler = self._handlers.get(f"{asked.method} {asked.path}")
        if handler is None:
            return web.json_response({"code": -1, "msg": f"not scripted: {asked}"}, status=404)
        response = await handler(asked)
        if response is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return response

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        if self.ws_refusal:
            return web.Response(status=self.ws_refusal)
        self.asked.append(Asked("WS", request.path, dict(request.query), dict(request.headers)))
        ws = web.WebSocketResponse(autoping=self.ws_answers_pings)
        await ws.prepare(request)
        self.sockets.append(ws)
        self.connected.set()
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                answer = self.ws_answer(message.json())
                if answer is not None:
                    await ws.send_json(answer)
        return ws


def _subscribed(message: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"id": message["id"], "status": 200, "result": {"subscriptionId": 0}}
