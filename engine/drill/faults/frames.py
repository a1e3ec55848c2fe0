"""A fault of a websocket message: what leaves in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from engine.core.clock import NS_PER_SECOND
from engine.drill.faults.catalogue import FaultKind
from engine.drill.faults.plan import Strike
from engine.drill.ports import Abort, Close, FrameAct, FrameSeen, Send, SendRaw, Stall

HUGE_BYTES = 10 * 1024 * 1024 + 4096
"""More than clients take (10 MiB)."""
_GARBAGE_FRAME = bytes([0xC1, 6]) + b"\x07\xff\x00\x13\x37\xfe"
"""FIN, RSV1 (compressed), text, 6 bytes that are no deflate stream."""
_TEXT_FRAME_64 = bytes([0x81, 127])
"""A text frame whose length takes the next eight bytes."""
_PRICED = ("p", "b", "a")
"""Fields with the price of a trade, or with levels (or one price) of a side."""


def subject_of(seen: FrameSeen) -> str:
    """What rules are matched against: the stream, and for the user stream the event's words."""
    if seen.stream != "user":
        return seen.stream
    event = _event(_document(seen.payload))
    order = _order(event)
    words = [order.get("x"), order.get("X")] if "x" in order else [order.get("X")]
    return "/".join(["user", seen.kind, *(str(word) for word in words if word)])


def carry_out(strike: Strike, seen: FrameSeen) -> Sequence[FrameAct]:
    later_ns = int(strike.rule.duration_s * NS_PER_SECOND)
    payload = seen.payload
    match strike.kind:
        case FaultKind.FRAME_LOST | FaultKind.DEPTH_GAP | FaultKind.FILL_MISSING:
            return ()
        case (
            FaultKind.FRAME_LATE
            | FaultKind.FRAMES_SWAPPED
            | FaultKind.REPORTS_SWAPPED
            | FaultKind.FILL_BEFORE_NEW
            | FaultKind.FILL_AFTER_CANCELED
            | FaultKind.BALANCE_LATE
        ):
            return (Send(payload, after_ns=later_ns),)
        case FaultKind.FRAME_TWICE | FaultKind.REPORT_TWICE:
            return (Send(payload), Send(payload))
        case FaultKind.FRAME_CUT:
            return (Send(payload[: len(payload) // 2]),)
        case FaultKind.FRAME_GARBAGE:
            return (SendRaw(_GARBAGE_FRAME),)
        case FaultKind.FRAME_HUGE:
            return (Send(b'{"e":"' + b"x" * HUGE_BYTES + b'"}'),)
        case FaultKind.CUT_IN_FRAME:
            head = _TEXT_FRAME_64 + len(payload).to_bytes(8, "big")
            return (SendRaw(head + payload[: len(payload) // 2]), Abort())
        case FaultKind.CONNECTION_RESET:
            return (Abort(),)
        case FaultKind.STREAM_CLOSED:
            return (Close(1008, b"disconnected"),)
        case FaultKind.HALF_OPEN:
            return (Stall(later_ns),)
        case _:
            changed = _changed(strike, payload)
            return (Send(payload if changed is None else changed),)


def _changed(strike: Strike, payload: bytes) -> bytes | None:
    """The payload with one lie in it; None when it has nothing that could be lied about."""
    document = _document(payload)
    event = _event(document)
    change = _CHANGES[strike.kind]
    if not change(event, strike):
        return None
    return msgspec.json.encode(document)


def _overlap(event: dict[str, Any], strike: Strike) -> bool:
    if "U" not in event:
        return False
    event["U"] = int(event["U"]) - 3
    return True


def _crossed(event: dict[str, Any], strike: Strike) -> bool:
    return _bid_at_ask(event, Decimal("1.001"))


def _locked(event: dict[str, Any], strike: Strike) -> bool:
    return _bid_at_ask(event, Decimal(1))


def _bid_at_ask(event: dict[str, Any], factor: Decimal) -> bool:
    """A new bid on the event's lowest ask, or above it."""
    asks = _levels(event, "a")
    alive = [level for level in asks if Decimal(level[1]) > 0]
    if not alive:
        return False
    lowest = min(alive, key=lambda level: Decimal(level[0]))
    event["b"] = [*_levels(event, "b"), [_scaled(lowest[0], factor), "1.00000000"]]
    return True


def _spike(event: dict[str, Any], strike: Strike) -> bool:
    factor = Decimal(str(strike.rule.size))
    return _reprice(event, lambda price: _scaled(price, factor))


def _reprice(event: dict[str, Any], new: Callable[[str], str]) -> bool:
    done = False
    for name in _PRICED:
        value = event.get(name)
        if isinstance(value, str):
            event[name] = new(value)
            done = True
        elif isinstance(value, list) and value:
            event[name] = [[new(level[0]), *level[1:]] for level in value]
            done = True
    return done


def _word(text: str) -> Callable[[dict[str, Any], Strike], bool]:
    def change(event: dict[str, Any], strike: Strike) -> bool:
        return _reprice_first(event, 0, text)

    return change


def _negative(event: dict[str, Any], strike: Strike) -> bool:
    return _reprice_first(event, 1, "-1.00000000")


def _reprice_first(event: dict[str, Any], place: int, text: str) -> bool:
    """The price (0) or quantity (1) of the trade, or of the first level, becomes `text`."""
    for side in ("b", "a"):
        if _levels(event, side):
            event[side][0][place] = text
            return True
    name = ("p", "q")[place] if "p" in event else ("b", "B")[place]
    if name not in event:
        return False
    event[name] = text
    return True


def _strange_status(event: dict[str, Any], strike: Strike) -> bool:
    order = _order(event)
    if "X" not in order:
        return False
    order["X"] = "PENDING_REVIEW"
    return True


_CHANGES: dict[FaultKind, Callable[[dict[str, Any], Strike], bool]] = {
    FaultKind.DEPTH_OVERLAP: _overlap,
    FaultKind.CROSSED_BOOK: _crossed,
    FaultKind.LOCKED_BOOK: _locked,
    FaultKind.PRICE_SPIKE: _spike,
    FaultKind.NUMBER_ZERO: _word("0"),
    FaultKind.NUMBER_NAN: _word("NaN"),
    FaultKind.NUMBER_1E400: _word("1e400"),
    FaultKind.NUMBER_NEGATIVE: _negative,
    FaultKind.UNKNOWN_STATUS: _strange_status,
}


def _scaled(price: str, factor: Decimal) -> str:
    """With as many places as it had, so that it stays on most grids."""
    places = len(price.partition(".")[2])
    return f"{Decimal(price) * factor:.{places}f}"


def _order(event: dict[str, Any]) -> dict[str, Any]:
    """Where the order's words stand: on futures one level down."""
    inner = event.get("o")
    return inner if isinstance(inner, dict) else event


def _levels(event: dict[str, Any], side: str) -> list[list[str]]:
    levels = event.get(side)
    return levels if isinstance(levels, list) else []


def _document(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return {}


def _event(document: Any) -> dict[str, Any]:
    """The event itself: bare, or wrapped by a combined stream or a websocket API."""
    if not isinstance(document, dict):
        return {}
    for wrapper in ("data", "event"):
        inner = document.get(wrapper)
        if isinstance(inner, dict):
            return inner
    return document
