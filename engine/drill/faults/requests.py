"""A fault of a request, in the server's terms: what to do with it, and what to answer."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.core.clock import NS_PER_SECOND
from engine.drill.faults.catalogue import FaultKind
from engine.drill.faults.plan import Strike
from engine.drill.ports import ConnectFault, Ending, Fault, Reply, RequestSeen

HTML = "text/html; charset=utf-8"
NS_PER_MS = 1_000_000

PORTAL_PAGE = (
    b"<!DOCTYPE html><html><head><title>Welcome to the guest network</title></head>"
    b'<body><h1>Please log in</h1><form action="/login" method="post">'
    b'<input name="room"><input name="surname"><button>Connect</button></form></body></html>'
)
_GATEWAY_PAGE = b"<html><head><title>503 Service Unavailable</title></head><body></body></html>"
_WAF_PAGE = b"<html><head><title>403 Forbidden</title></head><body><h1>Forbidden</h1></body></html>"

TIMES_MS = ("time", "transactTime", "createTime")
"""Where a reply says when an order or a trade came to be; the first that is there."""


def refusal(status: int, code: int, message: str, **headers: str) -> Reply:
    """As Binance words it."""
    body = msgspec.json.encode({"code": code, "msg": message})
    return Reply(
        status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


class RequestFaults:
    """Remembers what some faults need: the first snapshot of each book."""

    def __init__(self) -> None:
        self._first_snapshots: dict[str, bytes] = {}

    def watch(self, seen: RequestSeen) -> Callable[[Reply], Reply] | None:
        """For a request that no fault strikes: what must see its reply all the same."""
        key = _snapshot_key(seen)
        if not key or key in self._first_snapshots:
            return None

        def remember(reply: Reply) -> Reply:
            if reply.status == 200:
                self._first_snapshots.setdefault(key, reply.body)
            return reply

        return remember

    def carry_out(self, strike: Strike, seen: RequestSeen) -> Fault:
        rule = strike.rule
        wait_ns = int(rule.duration_s * NS_PER_SECOND)
        match strike.kind:
            case FaultKind.DELAY_BEFORE | FaultKind.REORDER_REQUEST:
                return Fault(before_ns=wait_ns)
            case FaultKind.DELAY_AFTER:
                return Fault(after_ns=wait_ns)
            case FaultKind.SLOW_BODY:
                return Fault(
                    ending=Ending.TRICKLE,
                    trickle_bytes_per_s=max(1, int(400 / max(1.0, rule.duration_s))),
                )
            case FaultKind.QUERY_LAG:
                horizon_ms = seen.now_ns // NS_PER_MS - int(rule.size * 1000)
                return Fault(change=lambda reply: _without_newer(reply, horizon_ms))
            case FaultKind.STALE_SNAPSHOT:
                return Fault(change=lambda reply: self._stale(seen, reply))
            case FaultKind.SNAPSHOT_BEHIND:
                return Fault(change=lambda reply: _with(reply, "lastUpdateId", 1))
            case FaultKind.EMPTY_BOOK:
                return Fault(change=lambda reply: _with(reply, "bids", []))
            case kind if kind in _SIMPLE:
                return _SIMPLE[kind]
            case _:
                return _answered(strike, seen)

    def _stale(self, seen: RequestSeen, reply: Reply) -> Reply:
        first = self._first_snapshots.setdefault(_snapshot_key(seen), reply.body)
        return msgspec.structs.replace(reply, body=first)


def connect_fault(strike: Strike) -> ConnectFault:
    if strike.kind is FaultKind.SOCKET_REFUSED:
        return ConnectFault(reply=Reply(status=503, body=_GATEWAY_PAGE, content_type=HTML))
    assert strike.kind is FaultKind.BLACK_HOLE, strike.kind
    return ConnectFault(ending=Ending.HANG)


def _snapshot_key(seen: RequestSeen) -> str:
    if not seen.request.path.endswith("/depth"):
        return ""
    return f"{seen.dialect}/{seen.request.params.get('symbol', '')}"


def _with(reply: Reply, name: str, value: object) -> Reply:
    """The reply with one field changed, if it has it."""
    document = _document(reply)
    if not isinstance(document, dict) or name not in document:
        return reply
    document[name] = value
    return msgspec.structs.replace(reply, body=msgspec.json.encode(document))


def _without_newer(reply: Reply, horizon_ms: int) -> Reply:
    """What a replica that lags behind would answer."""
    document = _document(reply)
    if isinstance(document, dict) and _born_ms(document) > horizon_ms:
        return refusal(400, -2013, "Order does not exist.")
    if isinstance(document, list):
        kept = [entry for entry in document if _born_ms(entry) <= horizon_ms]
        return msgspec.structs.replace(reply, body=msgspec.json.encode(kept))
    return reply


def _born_ms(entry: object) -> int:
    """0: not told, so old."""
    if isinstance(entry, dict):
        for name in TIMES_MS:
            if isinstance(entry.get(name), int):
                return int(entry[name])
    return 0


def _document(reply: Reply) -> object:
    try:
        return msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        return None  # Not JSON, so nothing to change in it.


def _half(reply: Reply) -> Reply:
    return msgspec.structs.replace(reply, body=reply.body[: len(reply.body) // 2])


def _as_html(reply: Reply) -> Reply:
    return msgspec.structs.replace(reply, content_type=HTML)


_UNKNOWN = refusal(
    200,
    -1006,
    "An unexpected response was received from the message bus. Execution status unknown.",
)
_TIMEOUT = refusal(
    504,
    -1007,
    "Timeout waiting for response from backend server. Send status unknown; execution status "
    "unknown.",
)
_GATEWAY = Reply(status=503, body=_GATEWAY_PAGE, content_type=HTML)

_SIMPLE: dict[FaultKind, Fault] = {
    FaultKind.DROP_BEFORE: Fault(times=0, ending=Ending.FIN),
    FaultKind.DROP_AFTER: Fault(ending=Ending.FIN),
    FaultKind.RESET_AFTER: Fault(ending=Ending.RST),
    FaultKind.HANG_BEFORE: Fault(times=0, ending=Ending.HANG),
    FaultKind.HANG_AFTER: Fault(ending=Ending.HANG),
    FaultKind.DUPLICATE_REQUEST: Fault(times=2),
    FaultKind.CUT_BODY: Fault(ending=Ending.CUT),
    FaultKind.TRUNCATED_JSON: Fault(change=_half),
    FaultKind.WRONG_CONTENT_TYPE: Fault(change=_as_html),
    FaultKind.CAPTIVE_PORTAL: Fault(times=0, reply=Reply(body=PORTAL_PAGE, content_type=HTML)),
    FaultKind.WAF: Fault(times=0, reply=Reply(status=403, body=_WAF_PAGE, content_type=HTML)),
    FaultKind.ERROR_AFTER: Fault(reply=_GATEWAY),
    FaultKind.ERROR_BEFORE: Fault(times=0, reply=_GATEWAY),
    FaultKind.TIMEOUT_1007_AFTER: Fault(reply=_TIMEOUT),
    FaultKind.TIMEOUT_1007_BEFORE: Fault(times=0, reply=_TIMEOUT),
    FaultKind.UNKNOWN_1006_AFTER: Fault(reply=_UNKNOWN),
    FaultKind.UNKNOWN_1006_BEFORE: Fault(times=0, reply=_UNKNOWN),
    FaultKind.OVERLOADED_1008: Fault(
        times=0, reply=refusal(503, -1008, "Server is currently overloaded with other requests.")
    ),
    FaultKind.BAD_TIMESTAMP_1021: Fault(
        times=0,
        reply=refusal(400, -1021, "Timestamp for this request is outside of the recvWindow."),
    ),
    FaultKind.KEY_REVOKED_2015: Fault(
        times=0,
        reply=refusal(401, -2015, "Invalid API-key, IP, or permissions for action."),
    ),
    FaultKind.ORDER_REFUSED: Fault(
        times=0, reply=refusal(400, -2010, "Account has insufficient balance for requested action.")
    ),
}


def _answered(strike: Strike, seen: RequestSeen) -> Fault:
    """Not processed; an answer that names a time."""
    pause_s = max(1, int(strike.rule.size))
    if strike.kind is FaultKind.TOO_MANY_REQUESTS:
        reply = refusal(
            429,
            -1003,
            "Too many requests; current limit is 6000 request weight per 1 MINUTE.",
            retry_after=str(pause_s),
        )
    else:
        assert strike.kind is FaultKind.BAN, strike.kind
        until_ms = seen.now_ns // NS_PER_MS + pause_s * 1000
        reply = refusal(
            418,
            -1003,
            f"Way too many requests; IP(127.0.0.1) banned until {until_ms}.",
            retry_after=str(pause_s),
        )
    return Fault(times=0, reply=reply)
