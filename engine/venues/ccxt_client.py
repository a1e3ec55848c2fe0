"""A ccxt.pro exchange under our rules: own session, exact numbers, no secrets in sight.

ccxt knows how requests are signed and where they go (Binance's orders are signed by us, to the same
bytes); it is not trusted with answers. Requests go through `rest.ask` and are read by `classify`.
Messages of the user stream are handed to a tap before ccxt sees them, and whatever ccxt makes of
them can neither lose one nor end the socket unheard:

- ccxt wakes only a waiter that exists when an update arrives, so a burst loses its end;
- an exception in a message handler ends the socket's receive loop silently;
- `eventStreamTerminated` wakes nobody;
- an order update may be late or repeated, and fees are added up twice.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol

import aiohttp
import yarl

from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain.errors import BadInput
from engine.ports.live import FaultKind, Priority
from engine.venues.binance.signing import OrderSigner
from engine.venues.budget import RateBudget, Ticket
from engine.venues.classify import AskFailed, decoded, not_answered, read, ws_failure
from engine.venues.dialect import Request
from engine.venues.fields import NS_PER_MS, Unreadable
from engine.venues.quirks import Quirks, Road
from engine.venues.rest import Answer, NoAnswer, Wire, ask, no_answer
from engine.venues.venue_clock import VenueClock

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 10.0
WS_CONNECT_TIMEOUT_S = 8.0

_SIGNED_BY_US = (Road.BINANCE_SPOT, Road.BINANCE_USDM)
"""Where orders need not wait for ccxt to sign them."""


SENT: ContextVar[list[str] | None] = ContextVar("sent", default=None)
"""Where it holds a list, each request that leaves adds its method: what fails before the first
has not been sent."""


class ApiKey(Protocol):
    """What signs requests. Whoever makes one keeps it out of `repr`, logs and files."""

    def reveal(self) -> tuple[str, str, str]:
        """Key, secret, and passphrase ("" where the venue has none)."""


class Tap(Protocol):
    """Who is told, synchronously and first, what a socket brings."""

    def on_frame(self) -> None:
        """A frame of any kind: the link is alive."""

    def on_message(self, message: object) -> None:
        """A decoded message. What this raises closes the socket, loudly."""

    def on_socket_lost(self, url: str, reason: str) -> None: ...


class CcxtClient:
    """One venue's ccxt exchange. Makes it, signs and sends for it, watches its sockets.

    `exchange` is for the roads alone (`binance/`, `unified`).
    """

    def __init__(
        self,
        quirks: Quirks,
        key: ApiKey | None,
        session: aiohttp.ClientSession,
        clock: Clock,
        budget: RateBudget,
    ) -> None:
        """BadInput when ccxt has no such exchange."""
        self.quirks = quirks
        self.budget = budget
        self.venue_clock: VenueClock | None = None
        """Requests are signed with its time, once it has been measured."""
        self.tap: Tap | None = None
        self.last_ws_failure: AskFailed | None = None
        """Why the latest request over a socket, or its connection, failed."""
        self._session = session
        self._clock = clock
        self.exchange = _make_exchange(quirks, key, session, self)
        self._order_signer = (
            OrderSigner(self.exchange) if quirks.road in _SIGNED_BY_US and key is not None else None
        )

    # -- requests ----------------------------------------------------------------------------

    def venue_ms(self) -> int:
        """The venue's time, as well as we know it."""
        return self.venue_ns() // NS_PER_MS

    def venue_ns(self) -> int:
        told_ns = self.venue_clock.now_ns() if self.venue_clock is not None else None
        return self._clock.now_ns() if told_ns is None else told_ns

    async def request(self, request: Request) -> object:
        """Sign, send once, read. AskFailed for all but a success; where the rate limit has no room
        the request does not leave."""
        ticket = await self._admitted(request)
        # Signed after any wait: the receive window begins with the timestamp.
        return await self._exchanged(self.signed(request), ticket, read)

    def signed(self, request: Request) -> Wire:
        """`request` as it goes out now."""
        if self._order_signer is not None:
            wire = self._order_signer.sign(request, self.venue_ms())
            if wire is not None:
                return wire
        signed = self.exchange.sign(
            request.path, [request.api], request.method, dict(request.params)
        )
        headers = dict(signed["headers"] or {})
        headers.setdefault("Accept", "application/json")
        return Wire(request.method, signed["url"], headers, signed["body"] or "")

    async def send(self, wire: Wire) -> tuple[Answer, object]:
        """What ccxt's unified methods have signed. The body is the venue's word, good or bad."""
        # Limits of venues nobody has studied are counted, urgencies are not told apart.
        ticket = await self.budget.take_when_free(Priority.ORDER, 1)
        sent = SENT.get()
        if sent is not None:
            sent.append(wire.method)
        answers: list[Answer] = []

        def keep(answer: Answer, quirks: Quirks, now_ns: int) -> object:
            answers.append(answer)
            return decoded(answer, quirks, now_ns)

        body = await self._exchanged(wire, ticket, keep)
        return answers[0], body

    async def _admitted(self, request: Request) -> Ticket:
        budget = self.budget
        if request.priority in (Priority.CANCEL, Priority.ORDER):
            # Late is as bad as not at all: whoever asks hears it at once.
            return budget.take(request.priority, request.weight, is_order=request.is_order)
        return await budget.take_when_free(request.priority, request.weight)

    async def _exchanged(
        self, wire: Wire, ticket: Ticket, reader: Callable[[Answer, Quirks, int], object]
    ) -> object:
        try:
            answer = await ask(self._session, wire, REQUEST_TIMEOUT_S)
        except NoAnswer as error:
            raise not_answered(error) from None
        fault: AskFailed | None = None
        try:
            return reader(answer, self.quirks, self._clock.now_ns())
        except AskFailed as failed:
            fault = failed
            raise
        finally:
            self.budget.settle(ticket, answer.headers, fault)

    # -- sockets -----------------------------------------------------------------------------

    def guard(self, client: Any) -> None:
        """Put the tap between a new ccxt socket client and everything behind it."""
        handle, receive = client.handle_message, client.receive

        def handle_message(frame: Any) -> None:
            if self.tap is not None and self.is_current(client):
                self.tap.on_frame()
            try:
                handle(frame)
            except Exception as error:  # noqa: BLE001 - whatever it was, the link is not to be trusted
                # Here ccxt's receive loop would end without a word.
                self._drop(
                    client, FaultKind.MALFORMED, f"a message that cannot be read: {_brief(error)}"
                )

        async def receive_or_drop() -> Any:
            try:
                return await receive()
            except Exception as error:
                self._drop(client, FaultKind.NETWORK, f"the socket failed: {_brief(error)}")
                raise

        future_of = client.future

        def future(name: str) -> Any:
            """ccxt rejects futures that nobody awaits; asyncio would log each when it is freed."""
            made = future_of(name)
            made.add_done_callback(_look_at)
            return made

        client.future = future
        client.handle_message = handle_message
        client.receive = receive_or_drop

    def is_current(self, client: Any) -> bool:
        """False for a socket that was given up: what it still says is nobody's business, and ccxt
        would take its end for that of its successor."""
        return (self.exchange.clients or {}).get(client.url) is client

    def on_socket_lost(self, url: str, reason: str) -> None:
        """ccxt has given up the socket at `url`, which may hold a secret: it goes nowhere."""
        if self.tap is not None:
            self.tap.on_socket_lost(url, reason)

    def on_socket_error(self, url: str, error: object) -> None:
        cause = error.args[0] if isinstance(error, BaseException) and error.args else error
        if isinstance(cause, aiohttp.WSServerHandshakeError):
            answer = Answer(cause.status, _lower(cause.headers), cause.message)
            fault = _handshake_failure(answer, self.quirks, self._clock.now_ns())
            self.last_ws_failure = fault
            self.budget.stopped(fault)  # A ban holds for requests, too.
        elif isinstance(cause, aiohttp.ClientError | TimeoutError | OSError):
            host = yarl.URL(url).host or self.quirks.venue
            found = not_answered(no_answer(cause, host, WS_CONNECT_TIMEOUT_S))
            self.last_ws_failure = self.last_ws_failure or found
        words = self.last_ws_failure.words if self.last_ws_failure else type(error).__name__
        self.last_ws_failure = self.last_ws_failure or AskFailed(FaultKind.NETWORK, words)
        self.on_socket_lost(url, words)

    def on_ws_message(self, message: object) -> None:
        """Before ccxt: what it does with a message cannot harm what we have of it."""
        if isinstance(message, dict):
            fault = ws_failure(self.quirks, message, self._clock.now_ns())
            if fault is not None:
                self.last_ws_failure = fault
                if fault.until_ns:
                    self.budget.stopped(fault)  # It is told to the address, not to the socket.
        if self.tap is not None:
            self.tap.on_message(message)

    def _drop(self, client: Any, kind: FaultKind, reason: str) -> None:
        log.warning("%s: %s", self.quirks.venue, reason)
        self.last_ws_failure = AskFailed(kind, f"{self.quirks.venue}: {reason}")
        client.on_error(ConnectionError(reason))

    async def close_sockets(self) -> None:
        """Drop every socket: the next subscription makes new ones."""
        clients = list((self.exchange.clients or {}).values())
        self.exchange.clients = {}
        # ccxt would wait before it connects again, inside our time for subscribing; how long to
        # wait is decided by whoever subscribes.
        self.exchange.ws_dial_backoff = {}
        for client in clients:
            # ccxt's own close would wait for a peer that may never answer.
            await _close_quietly(client)

    async def close(self) -> None:
        await self.close_sockets()
        # Not ccxt's close(): it sleeps, and what it would close is the session, which is ours.
        self.exchange.closed_by_user = True
        self.exchange.session = None


def _look_at(future: asyncio.Future[object]) -> None:
    if not future.cancelled():
        future.exception()


async def _close_quietly(client: Any) -> None:
    for future in list(client.futures.values()):
        future.cancel()
    try:
        async with asyncio.timeout(1.0):
            await client.aiohttp_close()
    except Exception as error:  # noqa: BLE001 - the socket is given up in any case
        log.debug("closing a socket: %s", _brief(error))


def _brief(error: BaseException) -> str:
    """An error without its text where that could hold an address with a signature."""
    words = getattr(error, "words", "")
    return words or type(error).__name__


def find_exchange(quirks: Quirks) -> Any:
    """ccxt.pro's class for the venue; BadInput when there is none. Loads ccxt."""
    ccxt_pro = importlib.import_module("ccxt.pro")
    logging.getLogger("ccxt.base.exchange").setLevel(logging.WARNING)
    if quirks.ccxt_id not in ccxt_pro.exchanges:
        raise BadInput("venue", quirks.venue, "ccxt has no such exchange")
    return getattr(ccxt_pro, quirks.ccxt_id)


def _make_exchange(
    quirks: Quirks, key: ApiKey | None, session: aiohttp.ClientSession, owner: CcxtClient
) -> Any:
    base = find_exchange(quirks)
    # Made here and not with a class statement: a base that is loaded when needed is no type.
    kind = type(f"Guarded_{quirks.ccxt_id}", (base,), _overrides(owner, base))
    config: dict[str, Any] = {
        "session": session,
        "number": str,
        "enableRateLimit": True,
        "timeout": int(REQUEST_TIMEOUT_S * 1000),
        "asyncio_loop": asyncio.get_running_loop(),
        "options": {
            **quirks.ccxt_options,
            "ws": {
                "keepAlive": int(quirks.ws_ping_s * 1000),
                "connectionTimeout": int(WS_CONNECT_TIMEOUT_S * 1000),
            },
        },
    }
    if key is not None:
        api_key, secret, passphrase = key.reveal()
        if "PRIVATE KEY" in secret:
            # ccxt tells Ed25519 from RSA by the length: no line ends of other systems, no margins.
            secret = "\n".join(line.strip() for line in secret.strip().splitlines())
        config |= {"apiKey": api_key, "secret": secret, "password": passphrase}
    exchange = kind(config)
    # What ccxt keeps of the last request and answer holds keys and signatures.
    exchange.enableLastHttpResponse = False
    exchange.enableLastResponseHeaders = False
    exchange.enableLastJsonResponse = False
    return exchange


def _overrides(owner: CcxtClient, base: Any) -> dict[str, Any]:
    """What is ours in the subclass of the ccxt exchange."""

    def nonce(self: Any) -> int:
        return owner.venue_ms()

    def refuse_verbose(self: Any, value: bool) -> None:
        if value:
            raise ValueError("verbose prints keys and signatures: it stays off")

    def forget(self: Any, *_: Any) -> None:
        """`set_last_request`: kept by ccxt for debugging, with signature."""

    async def fetch(
        self: Any, url: str, method: str = "GET", headers: Any = None, body: Any = None
    ) -> object:
        """ccxt's own transport, replaced: unified methods send and fail as everything else."""
        all_headers = self.prepare_request_headers(headers)
        wire = Wire(method, url, all_headers, body or "")
        answer, body = await owner.send(wire)
        headers = dict(answer.headers)
        self.handle_errors(answer.status, "", url, method, headers, answer.text, body, None, None)
        self.handle_http_status_code(answer.status, "", "", method, answer.text[:200])
        return body

    def client(self: Any, url: str) -> Any:
        known = url in (self.clients or {})
        found = base_of(self).client(url)
        if not known:
            owner.guard(found)
        return found

    def handle_message(self: Any, socket: Any, message: Any) -> None:
        if not owner.is_current(socket):
            return
        if not isinstance(message, dict | list):
            raise Unreadable("message", message, "expected JSON")
        owner.on_ws_message(message)
        # ccxt's caches of orders and balances are nobody's here: nothing is lost by not filling
        # them, and nothing can go wrong in doing so.
        if not (isinstance(message, dict) and _is_event(message)):
            base_of(self).handle_message(socket, message)

    def on_error(self: Any, socket: Any, error: Any) -> None:
        if not owner.is_current(socket):
            return
        base_of(self).on_error(socket, error)
        owner.on_socket_error(socket.url, error)

    def on_close(self: Any, socket: Any, code: Any) -> None:
        if not owner.is_current(socket):
            return
        base_of(self).on_close(socket, code)
        owner.on_socket_lost(socket.url, f"closed by the venue (code {code})")

    def base_of(self: Any) -> Any:
        return super(type(self), self)

    slow_urlencode = base.urlencode

    def urlencode(params: Any = {}, doseq: bool = False, sort: bool = False) -> str:  # noqa: B006
        """Most of the time that signing takes is spent on quoting what needs no quotes."""
        if not doseq and not sort and all(map(_is_plain, (*params, *params.values()))):
            return "&".join([f"{name}={value}" for name, value in params.items()])
        found: str = slow_urlencode(params, doseq, sort)
        return found

    own: dict[str, Any] = {"nonce": nonce} if owner.quirks.sends_receive_window else {}
    return own | {
        "urlencode": staticmethod(urlencode),
        "verbose": property(lambda self: False, refuse_verbose),
        "set_last_request": forget,
        "fetch": fetch,
        "client": client,
        "handle_message": handle_message,
        "on_error": on_error,
        "on_close": on_close,
        "on_json_response": staticmethod(lambda text: json.loads(text, parse_float=str)),
        "__del__": lambda self: None,
    }


def _is_event(message: Mapping[str, object]) -> bool:
    return "e" in message or isinstance(message.get("event"), dict)


def _handshake_failure(answer: Answer, quirks: Quirks, now_ns: int) -> AskFailed:
    if answer.status in (418, 429) or answer.status >= 500:
        try:
            read(answer, quirks, now_ns)
        except AskFailed as fault:
            return fault
    words = f"{quirks.venue}: the socket's handshake was refused (status {answer.status})"
    return AskFailed(FaultKind.NETWORK, words)


def _lower(headers: Mapping[str, str] | None) -> Mapping[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


_PLAIN = re.compile(r"[A-Za-z0-9_.~\-]*")
"""Characters that stand for themselves in a query."""


def _is_plain(value: object) -> bool:
    return type(value) is int or (type(value) is str and _PLAIN.fullmatch(value) is not None)


PING_MISSES_MAX = 2.5
"""Silent ping intervals after which a socket is taken for dead."""


def silence_ns_max(quirks: Quirks) -> int:
    return int(quirks.ws_ping_s * PING_MISSES_MAX * NS_PER_SECOND)
