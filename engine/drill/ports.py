"""The seams of the drill exchange: what a dialect is given and gives, and where faults reach in.

A dialect is synchronous: it turns one request into one reply, over the core, without waiting. All
that waits, breaks or lies on the way is the server's work, on the orders of an `Interceptor`, so a
dialect never knows of a fault and a fault never needs to know a dialect.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from engine.drill.control import VenueControl

JSON = "application/json;charset=UTF-8"

# -- requests and replies --------------------------------------------------------------------------


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request, or one request on a websocket API, before anybody has looked at it."""

    host: str
    method: str
    """GET, POST …; "WS" on a websocket API."""
    path: str
    """Of a websocket API: the method's name, `order.place`."""
    params: Mapping[str, str]
    """Query and form together; the last of equal names."""
    signed_text: str = ""
    """What a signature was made over, the signature itself taken away: query, then body, as they
    came; on a websocket API `name=value&…` in the order of names."""
    headers: Mapping[str, str] = {}
    """Names in lower case."""
    ip: str = "127.0.0.1"

    @property
    def route(self) -> str:
        """What faults and limits are counted by: `POST /api/v3/order`, `WS order.place`."""
        return f"{self.method} {self.path}"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    status: int = 200
    body: bytes = b"{}"
    content_type: str = JSON
    headers: Mapping[str, str] = {}


# -- faults: orders to the server ------------------------------------------------------------------


class Ending(enum.StrEnum):
    """How the answer to a request goes out."""

    WHOLE = "whole"
    FIN = "fin"
    """The connection is closed in order, without a byte of an answer."""
    RST = "rst"
    HANG = "hang"
    """Nothing, until the client goes away."""
    CUT = "cut"
    """Headers and the first half of the body, then FIN."""
    TRICKLE = "trickle"
    """The whole answer, but `trickle_bytes_per_s` at a time."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one request. The default is nothing at all.

    In this order: wait `before_ns`; the core processes it `times` times (0: never, the venue has
    not seen it; 2: a duplicate on the way); wait `after_ns`; `reply`, or `change` of the true
    reply (of the first processing), leaves by `ending`.
    """

    before_ns: int = 0
    times: int = 1
    after_ns: int = 0
    reply: Reply | None = None
    change: Callable[[Reply], Reply] | None = None
    ending: Ending = Ending.WHOLE
    trickle_bytes_per_s: int = 64


class ConnectFault(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to a websocket before it is opened."""

    before_ns: int = 0
    reply: Reply | None = None
    """Answered with this instead of an upgrade."""
    ending: Ending = Ending.WHOLE
    """FIN, RST or HANG instead of an upgrade."""


class RequestSeen(msgspec.Struct, frozen=True, kw_only=True):
    request: Request
    dialect: str
    """`binance_spot`."""
    account: str
    """Name of the account whose key it carries; "" for none or an unknown one."""
    n: int
    """The n-th of its route, from 1."""
    total: int
    """The n-th request of the server, from 1."""
    now_ns: int
    """The venue's clock."""


class ConnectSeen(msgspec.Struct, frozen=True, kw_only=True):
    dialect: str
    path: str
    connection: int
    """Number of the websocket, from 1; `FrameSeen.connection` names the same."""
    now_ns: int


class FrameSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One message that is about to leave on a websocket."""

    dialect: str
    connection: int
    stream: str
    """`btcusdt@depth@100ms`; `user` for what a user stream brings; `answer` for acknowledgements
    and answers on a websocket API."""
    kind: str
    """The event's type where it has one: `depthUpdate`, `executionReport`."""
    account: str
    n: int
    """The n-th of its stream on this connection, from 1."""
    payload: bytes
    now_ns: int


class Send(msgspec.Struct, frozen=True):
    """A text frame, after `after_ns`. Frames that wait do not hold up those behind them."""

    payload: bytes
    after_ns: int = 0
    binary: bool = False


class SendRaw(msgspec.Struct, frozen=True):
    """Bytes on the wire that are no frame, or part of one, or one that lies about itself."""

    wire: bytes


class Close(msgspec.Struct, frozen=True):
    """A close frame and FIN."""

    code: int = 1000
    reason: bytes = b""


class Abort(msgspec.Struct, frozen=True):
    """RST."""


class Stall(msgspec.Struct, frozen=True):
    """The connection stays open and is neither read nor written for `for_ns`; what would have
    been sent meanwhile is lost (half-open)."""

    for_ns: int


FrameAct = Send | SendRaw | Close | Abort | Stall


class Interceptor(Protocol):
    """A plan of faults. Called in the server's loop; returns at once.

    Every method is asked for everything, so a plan that wants nothing returns what is said here.
    """

    def on_start(self, control: VenueControl) -> None:
        """The server listens; `control` is for faults of the venue itself. Once."""

    def on_tick(self, now_ns: int) -> None:
        """After every step of the market (some 20 ms): for what happens at a time."""

    def on_request(self, seen: RequestSeen) -> Fault | None:
        """None: nothing happens to it."""

    def on_connect(self, seen: ConnectSeen) -> ConnectFault | None: ...

    def on_frame(self, seen: FrameSeen) -> Sequence[FrameAct] | None:
        """What leaves in its place, in this order; () swallows it, None leaves it as it is."""


class NoFaults:
    def on_start(self, control: VenueControl) -> None:
        pass

    def on_tick(self, now_ns: int) -> None:
        pass

    def on_request(self, seen: RequestSeen) -> Fault | None:
        return None

    def on_connect(self, seen: ConnectSeen) -> ConnectFault | None:
        return None

    def on_frame(self, seen: FrameSeen) -> Sequence[FrameAct] | None:
        return None


# -- dialects --------------------------------------------------------------------------------------


class Outlet(Protocol):
    """The server's end of one websocket."""

    @property
    def number(self) -> int: ...

    def send(self, stream: str, kind: str, payload: bytes, account: str = "") -> None:
        """Queue one message; never waits. What comes after a close is dropped."""

    def close(self, code: int = 1000, reason: bytes = b"") -> None: ...


class Session(Protocol):
    """A dialect's end of one websocket."""

    def on_text(self, text: str) -> None: ...

    def on_close(self) -> None:
        """Gone, for whatever reason. Nothing may be sent any more."""


class Dialect(Protocol):
    """One venue's protocol over one core."""

    @property
    def name(self) -> str:
        """Also the venue part of our instrument ids: `binance_spot`."""

    @property
    def hosts(self) -> frozenset[str]:
        """Names that it answers to, without port: `api.binance.com`."""

    def account_of(self, request: Request) -> str:
        """Name of the account whose key the request carries, "" for none."""

    def handle(self, request: Request) -> Reply:
        """Answer it. Raises nothing: what is wrong with a request is a reply."""

    def is_socket(self, path: str) -> bool: ...

    def open_socket(self, path: str, outlet: Outlet, call: SocketCall) -> Session:
        """A websocket to `path` is open. Requests that arrive on it are answered by way of
        `call`, never by `handle` directly, so that faults see them."""

    def on_step(self) -> None:
        """The market has moved, or orders have: publish."""

    def close_user_streams(self, account: str = "") -> None:
        """End subscriptions as the venue does when it drops them; "" for all accounts."""

    # What the operator does to the venue.

    def set_maintenance(self, is_on: bool) -> None: ...

    def set_key_active(self, account: str, is_active: bool) -> None: ...

    def ban(self, until_ns: int) -> None:
        """By the clock without skew."""


class SocketCall(Protocol):
    def __call__(self, request: Request, answer: Callable[[Reply], None]) -> None:
        """Have `handle` answer `request` with all faults of its route; `answer` is called with
        the reply, perhaps later, perhaps never."""
