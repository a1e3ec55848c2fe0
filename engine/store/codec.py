"""Events as bytes, and the hash chain over them: the same for the file and for memory.

    hash(n) = sha256(hash(n - 1) || n as 8 bytes || body(n)),  hash(0) = GENESIS

Bodies are msgpack with sorted maps and sets, so equal events are equal bytes in every process,
whatever its PYTHONHASHSEED.
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

import msgspec

from engine.domain.events import AnyEvent, FillMarked, OrderEvent, OrderIntended, PositionLiquidated

GENESIS = hashlib.sha256(b"pilothouse ledger 1").digest()

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decoder: msgspec.msgpack.Decoder[AnyEvent] = msgspec.msgpack.Decoder(AnyEvent)
_WITH_ORDER = (OrderIntended, PositionLiquidated)
_OF_ORDER = (OrderEvent, FillMarked)
_pack_seq = struct.Struct(">Q").pack


class Columns(NamedTuple):
    """What the event table keeps beside the body, so that questions need no decoding."""

    ts_ns: int
    kind: str
    client_order_id: str | None
    bot_id: str | None


def encode(event: AnyEvent) -> bytes:
    """Raises OverflowError for an integer beyond 64 bits: such an event must not be journalled."""
    return _encode(event)


def decode(body: bytes) -> AnyEvent:
    """Raises msgspec.DecodeError for bytes that are no event of this version."""
    return _decoder.decode(body)


def columns(event: AnyEvent) -> Columns:
    client_order_id: str | None = None
    if isinstance(event, _WITH_ORDER):
        client_order_id, bot_id = event.order.client_order_id, event.order.bot_id
    elif isinstance(event, _OF_ORDER):
        client_order_id, bot_id = event.client_order_id, None
    else:
        bot_id = getattr(event, "bot_id", None)
    return Columns(event.ts_ns, type(event).__name__, client_order_id, bot_id)


def chain(prev_hash: bytes, seq: int, body: bytes) -> bytes:
    return hashlib.sha256(prev_hash + _pack_seq(seq) + body).digest()
