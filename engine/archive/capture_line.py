"""A line of a raw capture: our receive time in ns, a space, and the message as it came."""

from __future__ import annotations

from engine.domain.errors import BadInput
from engine.wire.binance import Message, decode_message, excerpt

FIRST_STAMP_NS = 10**18
LAST_STAMP_NS = 4 * 10**18


def decode_line(line: bytes) -> tuple[int, Message]:
    """(receive time in ns, message) of one raw line.

    Raises BadInput for a wrong stamp or an unknown stream, msgspec.DecodeError for bad JSON
    or fields of the wrong type.
    """
    stamp, _, body = line.partition(b" ")
    if not stamp.isdigit() or len(stamp) != 19 or int(stamp) >= LAST_STAMP_NS:
        raise BadInput("receive time", excerpt(stamp), "expected 19 digits, nanoseconds since 1970")
    return int(stamp), decode_message(body)
