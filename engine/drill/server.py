"""The drill exchange on a port: TLS, HTTP and websockets in front of the dialects.

One port serves every venue; the name that the client asks for says which. Faults of the network
happen here, on the orders of the interceptor.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web

from engine.core.clock import NS_PER_SECOND
from engine.core.tasks import Failure, TaskOwner
from engine.domain.errors import WorkFailed
from engine.drill.admin import Admin, venue_state
from engine.drill.certificates import Authority
from engine.drill.clock import VenueClock
from engine.drill.control import Certificate
from engine.drill.exchange import Exchange
from engine.drill.operator import Operator
from engine.drill.place import DrillKey, DrillPlace, write_place
from engine.drill.ports import (
    ConnectSeen,
    Dialect,
    Ending,
    Fault,
    Interceptor,
    NoFaults,
    Reply,
    Request,
    RequestSeen,
)
from engine.drill.resolver import ADDRESS, ADMIN_HOST, NAMES_GONE
from engine.drill.sockets import SocketOutlet, reset

STEP_NS = 20_000_000
BODY_MAX = 1 << 20
_MISDIRECTED = Reply(status=421, body=b"no such venue here")
_NO_FAULT = Fault()


class VenueDesk:
    """One venue: its dialect and the core behind it."""

    def __init__(self, dialect: Dialect, core: Exchange) -> None:
        self.dialect = dialect
        self.core = core


class DrillServer:
    """Use as `async with DrillServer(...) as server:`. It listens inside, and `server.place` says
    where. `port` 0: any that is free. `folder` is for certificates and the note of where it is."""

    def __init__(
        self,
        venues: Sequence[tuple[Dialect, Exchange]],
        clock: VenueClock,
        folder: Path,
        *,
        interceptor: Interceptor | None = None,
        port: int = 0,
    ) -> None:
        self.venues = {dialect.name: VenueDesk(dialect, core) for dialect, core in venues}
        self.clock = clock
        self.interceptor: Interceptor = interceptor or NoFaults()
        self.requests: Counter[str] = Counter()
        """By route."""
        self.outlets: dict[int, SocketOutlet] = {}
        """Open websockets by number."""
        self.certificate = Certificate.GOOD
        self.failures: list[Failure] = []
        """Errors of the server's own; a test that ends with one has not passed."""
        self.control = Operator(self)
        self._hosts = {
            host: desk.dialect for desk in self.venues.values() for host in desk.dialect.hosts
        }
        self._folder = folder
        self._port = port
        self._stack = AsyncExitStack()
        self._contexts: dict[Certificate, ssl.SSLContext] = {}
        self._connections = 0
        self._total = 0
        self._admin = Admin(self)
        self._listener: asyncio.Server | None = None

    # -- life ------------------------------------------------------------------------------------

    async def __aenter__(self) -> DrillServer:
        names = [*sorted(self._hosts), ADMIN_HOST]
        self._authority = Authority(self._folder, names, self.clock.true_ns())
        self._http = web.Server(self._serve, access_log=None)
        self._tasks = TaskOwner("drill", self.failures.append)
        await self._stack.enter_async_context(self._tasks)
        self._stack.push_async_callback(self._close_sockets)
        self.set_names_known(True)
        await self.listen()
        specs = {
            spec.name: spec for desk in self.venues.values() for spec in desk.core.accounts.values()
        }
        self.place = DrillPlace(
            port=self._port,
            ca_path=str(self._authority.ca_path),
            hosts=tuple(names),
            keys=tuple(
                DrillKey(name=spec.name, api_key=spec.api_key, secret=spec.secret)
                for spec in specs.values()
                if spec.secret
            ),
        )
        write_place(self._folder, self.place)
        self.interceptor.on_start(self.control)
        self._tasks.start("steps", self._run_steps())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        for desk in self.venues.values():
            desk.core.close()

    async def listen(self) -> None:
        if self._listener is not None:
            return
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                self._http, ADDRESS, self._port, ssl=self._front_context()
            )
        except OSError as error:
            words = error.strerror or str(error)
            raise WorkFailed(f"--port: {self._port}: {words}: choose another") from None
        self._port = self._listener.sockets[0].getsockname()[1]

    def stop_listening(self) -> None:
        """New connections are refused; those that are open go on."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _close_sockets(self) -> None:
        self.stop_listening()
        for outlet in list(self.outlets.values()):
            outlet.abort()
        await self._http.shutdown(timeout=0.5)

    def drop_connections(self) -> None:
        """RST on every connection, also those that wait for the next request."""
        for handler in list(self._http.connections):
            reset(handler.transport)

    def set_names_known(self, is_known: bool) -> None:
        """Whether the clients' resolvers, also those of other processes, find anything."""
        note = self._folder / NAMES_GONE
        if is_known:
            note.unlink(missing_ok=True)
        else:
            note.touch()

    def start(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        self._tasks.start(name, work, may_return=True)

    def _front_context(self) -> ssl.SSLContext:
        """The name in the client's hello picks the certificate of the moment."""
        context = self._context(Certificate.GOOD)
        context.sni_callback = self._show_certificate
        return context

    def _context(self, certificate: Certificate) -> ssl.SSLContext:
        if certificate not in self._contexts:
            self._contexts[certificate] = self._authority.context(certificate)
        return self._contexts[certificate]

    def _show_certificate(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _: ssl.SSLContext
    ) -> int | None:
        if self.certificate is Certificate.CUT:
            return int(ssl.ALERT_DESCRIPTION_INTERNAL_ERROR)
        connection.context = self._context(self.certificate)
        return None

    def state(self) -> dict[str, Any]:
        """Counters and accounts, for the screen and for tests in other processes."""
        return {
            "now_ns": self.clock.now_ns(),
            "requests": dict(self.requests),
            "sockets": len(self.outlets),
            "failures": [f"{each.name}: {each.error!r}" for each in self.failures],
            "venues": {name: venue_state(desk.core) for name, desk in self.venues.items()},
        }

    # -- time ------------------------------------------------------------------------------------

    async def _run_steps(self) -> None:
        while True:
            await self.clock.sleep(STEP_NS)
            self.step()

    def step(self) -> None:
        for desk in self.venues.values():
            desk.core.step()
            desk.dialect.on_step()
        self.control.run_due()
        self.interceptor.on_tick(self.clock.now_ns())

    # -- requests --------------------------------------------------------------------------------

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._dispatch(http)
        except ConnectionError:
            return web.Response(status=499)  # The client has hung up; nobody reads this.
        except Exception as error:
            self.failures.append(Failure(f"{http.method} {http.path}", error))
            raise

    async def _dispatch(self, http: web.BaseRequest) -> web.StreamResponse:
        host = http.host.partition(":")[0].lower()
        if host == ADMIN_HOST:
            return await self._admin.handle(http)
        dialect = self._hosts.get(host)
        if dialect is None:
            return _response(_MISDIRECTED)
        if http.headers.get("Upgrade", "").lower() == "websocket":
            return await self._open_socket(http, dialect)
        request = await _read(http, host)
        fault = self._fault_of(request, dialect)
        reply = await self._process(request, dialect, fault)
        return await _leave(http, reply, fault)

    def _fault_of(self, request: Request, dialect: Dialect) -> Fault:
        self._total += 1
        self.requests[request.route] += 1
        seen = RequestSeen(
            request=request,
            dialect=dialect.name,
            account=dialect.account_of(request),
            n=self.requests[request.route],
            total=self._total,
            now_ns=self.clock.now_ns(),
        )
        return self.interceptor.on_request(seen) or _NO_FAULT

    async def _process(self, request: Request, dialect: Dialect, fault: Fault) -> Reply:
        if fault.before_ns:
            await asyncio.sleep(fault.before_ns / NS_PER_SECOND)
        reply = Reply(status=504, body=b"")
        for time in range(fault.times):
            answer = self._handle(request, dialect)
            reply = answer if time == 0 else reply
        if fault.after_ns:
            await asyncio.sleep(fault.after_ns / NS_PER_SECOND)
        if fault.reply is not None:
            return fault.reply
        return fault.change(reply) if fault.change is not None else reply

    def _handle(self, request: Request, dialect: Dialect) -> Reply:
        core = self.venues[dialect.name].core
        core.step()  # The market is where it is now, not where the last step left it.
        reply = dialect.handle(request)
        core.ledger.flush()  # Before the client can know.
        return reply

    # -- websockets ------------------------------------------------------------------------------

    async def _open_socket(self, http: web.BaseRequest, dialect: Dialect) -> web.StreamResponse:
        path = http.raw_path
        if not dialect.is_socket(path):
            return _response(Reply(status=404, body=b""))
        self._connections += 1
        number = self._connections
        seen = ConnectSeen(
            dialect=dialect.name, path=path, connection=number, now_ns=self.clock.now_ns()
        )
        fault = self.interceptor.on_connect(seen)
        if fault is not None:
            await asyncio.sleep(fault.before_ns / NS_PER_SECOND)
            if fault.reply is not None or fault.ending is not Ending.WHOLE:
                refusal = Fault(ending=fault.ending)
                return await _leave(http, fault.reply or Reply(status=503), refusal)
        ws = web.WebSocketResponse(compress=False, max_msg_size=BODY_MAX)
        await ws.prepare(http)
        outlet = SocketOutlet(number, dialect.name, ws, http, self.clock, self.interceptor)
        await self._talk(ws, outlet, dialect, path)
        return ws

    async def _talk(
        self, ws: web.WebSocketResponse, outlet: SocketOutlet, dialect: Dialect, path: str
    ) -> None:
        def call(request: Request, answer: Callable[[Reply], None]) -> None:
            self._call(request, answer, dialect, outlet)

        session = dialect.open_socket(path, outlet, call)
        self.outlets[outlet.number] = outlet
        writer = self._tasks.start(f"socket.{outlet.number}", outlet.run(), may_return=True)
        try:
            while True:
                message = await ws.receive()
                await outlet.readable.wait()
                if message.type is not WSMsgType.TEXT:
                    break
                session.on_text(message.data)
        finally:
            del self.outlets[outlet.number]
            session.on_close()
            writer.cancel()

    def _call(
        self,
        request: Request,
        answer: Callable[[Reply], None],
        dialect: Dialect,
        outlet: SocketOutlet,
    ) -> None:
        fault = self._fault_of(request, dialect)
        if fault is _NO_FAULT:
            answer(self._handle(request, dialect))
        else:
            self.start("call", self._call_with(fault, request, answer, dialect, outlet))

    async def _call_with(
        self,
        fault: Fault,
        request: Request,
        answer: Callable[[Reply], None],
        dialect: Dialect,
        outlet: SocketOutlet,
    ) -> None:
        reply = await self._process(request, dialect, fault)
        if fault.ending is Ending.RST:
            outlet.abort()
        elif fault.ending in (Ending.FIN, Ending.CUT):
            outlet.close()
        elif fault.ending is not Ending.HANG:
            answer(reply)


# -- HTTP ------------------------------------------------------------------------------------------


async def _read(http: web.BaseRequest, host: str) -> Request:
    body = (await http.read()).decode("utf-8", "replace")
    query = http.raw_path.partition("?")[2]
    pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
    return Request(
        host=host,
        method=http.method,
        path=http.path,
        params=dict(pairs),
        signed_text=_unsigned(query) + _unsigned(body),
        headers={name.lower(): value for name, value in http.headers.items()},
        ip=http.remote or "",
    )


def _unsigned(text: str) -> str:
    return "&".join(pair for pair in text.split("&") if not pair.startswith("signature="))


def _response(reply: Reply) -> web.Response:
    headers: Mapping[str, str] = {**reply.headers, "Content-Type": reply.content_type}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


async def _leave(http: web.BaseRequest, reply: Reply, fault: Fault) -> web.StreamResponse:
    """The answer on its way, or what comes instead of it."""
    whole = _response(reply)
    if fault.ending is Ending.WHOLE:
        return whole
    transport = http.transport
    if fault.ending is Ending.RST:
        reset(transport)
    elif fault.ending is Ending.FIN:
        if transport is not None:
            transport.close()
    elif fault.ending is Ending.HANG:
        while http.transport is not None and not http.transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    else:
        return await _leave_slowly(http, reply, fault)
    return whole


async def _leave_slowly(http: web.BaseRequest, reply: Reply, fault: Fault) -> web.StreamResponse:
    """CUT or TRICKLE: a length that promises the whole."""
    headers = {**reply.headers, "Content-Type": reply.content_type}
    stream = web.StreamResponse(status=reply.status, headers=headers)
    stream.content_length = len(reply.body)
    await stream.prepare(http)
    if fault.ending is Ending.CUT:
        await stream.write(reply.body[: len(reply.body) // 2])
        if http.transport is not None:
            http.transport.close()
        return stream
    for at in range(0, len(reply.body), fault.trickle_bytes_per_s):
        await stream.write(reply.body[at : at + fault.trickle_bytes_per_s])
        await asyncio.sleep(1)
    await stream.write_eof()
    return stream
