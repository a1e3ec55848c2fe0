"""Binance's depth and trade frames from bytes to rows, without an object in between.

Reads only what is written exactly as Binance writes it: compact JSON, plain decimals of ordinary
size on the instrument's grid. Whatever else it meets it declines (`FRAME_DECLINED`), and the typed
decoder (`engine.wire.binance`) says what it is; it never reads a frame otherwise than that would.
"""

from __future__ import annotations

import numpy as np

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import Int64s, Rows

BUY, SELL, ROW_DEPTH, ROW_TRADE = k.BUY, k.SELL, k.ROW_DEPTH, k.ROW_TRADE

FRAME_DECLINED = 0
FRAME_DEPTH = 1
FRAME_TRADE = 2
FRAME_OFF_BOOK = 3
"""A trade that did not happen in the order book."""
FRAME_NEWS = 4
"""Read by the typed decoder only: an acknowledgement, a shutdown notice, a stream not used."""

PLACES_MAX = 18
STEPS_MAX = 10**15
"""Larger numbers of ticks or lots are taken for rubbish."""
IDS_MAX = 1 << 62
MILLIS_MAX = 1 << 42
_DIGITS_MAX = 18
_NS_PER_MS = 1_000_000

_QUOTE, _COMMA, _POINT, _ZERO, _NINE, _SPACE, _DELETE = 34, 44, 46, 48, 57, 32, 127
_CLOSE, _OPEN_LIST, _CLOSE_LIST, _BACKSLASH = 125, 91, 93, 92

Frame = tuple[int, int, int, int, int, int]
DECLINED: Frame = (FRAME_DECLINED, 0, 0, 0, 0, 0)


def step_scales(units: int, places: int) -> Int64s:
    """int64[PLACES_MAX + 1, 2]: by places of a text, digits x [0] // [1] = steps of
    `units` x 10^-`places`; zeros where that does not fit into 63 bits."""
    scales = np.zeros((PLACES_MAX + 1, 2), np.int64)
    for own in range(PLACES_MAX + 1):
        multiplier = 10 ** max(0, places - own)
        divisor = units * 10 ** max(0, own - places)
        if multiplier <= STEPS_MAX and divisor < IDS_MAX:
            scales[own] = multiplier, divisor
    return scales


@kernel
def whole_number(raw: bytes, at: int) -> tuple[int, int]:
    """(number, index behind it) of a JSON integer that is not negative; (-1, 0) for others."""
    number, index = 0, at
    while index < len(raw) and _ZERO <= raw[index] <= _NINE:
        number = number * 10 + (raw[index] - _ZERO)
        index += 1
    digits = index - at
    if digits == 0 or digits > _DIGITS_MAX or (digits > 1 and raw[at] == _ZERO):
        return -1, 0
    if index == len(raw) or (raw[index] != _COMMA and raw[index] != _CLOSE):
        return -1, 0
    return number, index


@kernel
def steps_of(raw: bytes, at: int, scales: Int64s, rounds: bool) -> tuple[int, int, bool]:
    """(steps, index behind the closing quote, whether rounded) of the decimal text that begins at
    `at`, behind its quote. With `rounds` what lies between two steps goes to the nearest, never to
    0. Steps are -1 for whatever is not plain, not on the grid or of no ordinary size."""
    number, index, point = 0, at, -1
    while True:
        if index >= len(raw):
            return -1, 0, False
        letter = raw[index]
        if _ZERO <= letter <= _NINE:
            number = number * 10 + (letter - _ZERO)
        elif letter == _POINT and point < 0 and index > at:
            point = index
        else:
            break
        index += 1
        if index - at > _DIGITS_MAX + 1:
            return -1, 0, False
    digits = index - at - (point >= 0)
    if letter != _QUOTE or digits == 0 or digits > _DIGITS_MAX or point == index - 1:
        return -1, 0, False
    places = index - 1 - point if point >= 0 else 0
    multiplier, divisor = scales[places, 0], scales[places, 1]
    if multiplier == 0 or number > IDS_MAX // multiplier:
        return -1, 0, False
    scaled = number * multiplier
    steps = scaled // divisor
    rest = scaled - steps * divisor
    if rest:
        if not rounds:
            return -1, 0, False
        steps = max(1, steps + (1 if rest >= divisor - rest else 0))
    if steps > STEPS_MAX:
        return -1, 0, False
    return steps, index + 1, rest != 0


@kernel
def read_levels(
    raw: bytes, at: int, side: int, ticks: Int64s, lots: Int64s, rows: Rows, count: int
) -> tuple[int, int, int]:
    """Levels `["price","quantity"],...` from behind their opening bracket on into rows from
    `count` on. Returns (rows now, index behind the closing bracket, how many were rounded);
    rows -1 when declined."""
    rounded = 0
    if at < len(raw) and raw[at] == _CLOSE_LIST:
        return count, at + 1, 0
    while at + 8 < len(raw):
        if raw[at] != _OPEN_LIST or raw[at + 1] != _QUOTE or count >= len(rows):
            break
        price, at, _ = steps_of(raw, at + 2, ticks, False)
        if price <= 0 or at + 2 >= len(raw) or raw[at] != _COMMA or raw[at + 1] != _QUOTE:
            break
        size, at, is_rounded = steps_of(raw, at + 2, lots, True)
        if size < 0 or at + 1 >= len(raw) or raw[at] != _CLOSE_LIST:
            break
        rounded += is_rounded
        rows[count].price_ticks = price
        rows[count].qty_lots = size
        rows[count].kind = ROW_DEPTH
        rows[count].side = side
        count += 1
        if raw[at + 1] == _CLOSE_LIST:
            return count, at + 2, rounded
        if raw[at + 1] != _COMMA:
            break
        at += 2
    return -1, 0, 0


@kernel
def after(raw: bytes, at: int, text: bytes) -> int:
    """Index behind `text` if it stands at `at`, else -1, also where `at` is -1."""
    end = at + len(text)
    if at < 0 or end > len(raw):
        return -1
    for index in range(len(text)):
        if raw[at + index] != text[index]:
            return -1
    return end


@kernel
def number_after(raw: bytes, at: int, key: bytes, limit: int) -> tuple[int, int]:
    """(number below `limit`, index behind it) if `key` and one stand at `at`, else (-1, -1)."""
    start = after(raw, at, key)
    if start < 0:
        return -1, -1
    number, end = whole_number(raw, start)
    if number < 0 or number >= limit:
        return -1, -1
    return number, end


@kernel
def optional_number(raw: bytes, at: int, key: bytes, limit: int) -> tuple[int, int]:
    """As `number_after`, but (-1, `at`) where another key stands there."""
    if at < 0 or after(raw, at, key) < 0:
        return -1, at
    return number_after(raw, at, key, limit)


@kernel
def text_after(raw: bytes, at: int, key: bytes, text: bytes) -> int:
    """Index behind `key` and the string `text`, -1 if something else stands there."""
    end = after(raw, after(raw, at, key), text)
    return end + 1 if end >= 0 and end < len(raw) and raw[end] == _QUOTE else -1


@kernel
def flag_after(raw: bytes, at: int, key: bytes) -> tuple[bool, int]:
    """(flag, index behind it) if `key` and true or false stand at `at`, else (False, -1)."""
    start = after(raw, at, key)
    end = after(raw, start, b"true")
    if end >= 0:
        return True, end
    return False, after(raw, start, b"false")


@kernel
def event_start(raw: bytes) -> tuple[int, int]:
    """(index of the brace that opens the event, index of the one that closes it): behind a
    combined stream's envelope, or the whole; (-1, 0) for what is no event."""
    length = len(raw)
    start = after(raw, 0, b'{"stream":"')
    if start < 0:
        return 0, length - 1
    while start < length and _SPACE < raw[start] < _DELETE and raw[start] != _BACKSLASH:
        if raw[start] == _QUOTE:
            at = after(raw, start, b'","data":')
            return (at, length - 2) if raw[length - 1] == _CLOSE else (-1, 0)
        start += 1
    return -1, 0


@kernel
def read_frame(
    raw: bytes,
    symbol: bytes,
    ticks: Int64s,
    lots: Int64s,
    rows: Rows,
    received_ns: int,
) -> Frame:
    """Read one frame of `symbol` into `rows`, from 0 on.

    ticks, lots  int64[PLACES_MAX + 1, 2]  see `step_scales`

    Returns (FRAME_ code, rows, previous id, last id, ms when it happened at the venue, sizes
    rounded to a lot). A depth frame tells of every change in (previous id, last id]; a trade's last
    id is its own, its previous id -1. Frames of other symbols are declined, too.
    """
    at, end = event_start(raw)
    if after(raw, at, b'{"e":"depthUpdate",') >= 0:
        found = read_depth(raw, at + 19, end, symbol, ticks, lots, rows)
    elif after(raw, at, b'{"e":"trade",') >= 0:
        found = read_trade(raw, at + 13, end, symbol, ticks, lots, rows)
    elif after(raw, at, b'{"e":"aggTrade",') >= 0:
        found = read_aggregate(raw, at + 16, end, symbol, ticks, lots, rows)
    else:
        return DECLINED
    for index in range(found[1]):
        rows[index].ts_local_ns = received_ns
    return found


@kernel
def read_depth(
    raw: bytes, at: int, end: int, symbol: bytes, ticks: Int64s, lots: Int64s, rows: Rows
) -> Frame:
    event_ms, at = number_after(raw, at, b'"E":', MILLIS_MAX)
    time_ms, at = optional_number(raw, at, b',"T":', MILLIS_MAX)
    at = text_after(raw, at, b',"s":"', symbol)
    if after(raw, at, b',"ps":') >= 0:
        at = text_after(raw, at, b',"ps":"', symbol)
        _, at = optional_number(raw, at, b',"st":', IDS_MAX)
    first_id, at = number_after(raw, at, b',"U":', IDS_MAX)
    last_id, at = number_after(raw, at, b',"u":', IDS_MAX)
    previous_id, at = optional_number(raw, at, b',"pu":', IDS_MAX)
    at = after(raw, at, b',"b":[')
    if at < 0:
        return DECLINED
    count, at, bids_off = read_levels(raw, at, BUY, ticks, lots, rows, 0)
    if count < 0:
        return DECLINED
    at = after(raw, at, b',"a":[')
    if at < 0:
        return DECLINED
    count, at, asks_off = read_levels(raw, at, SELL, ticks, lots, rows, count)
    if count < 0 or at != end or raw[at] != _CLOSE:
        return DECLINED
    ts_exch_ns = (time_ms if time_ms > 0 else event_ms) * _NS_PER_MS
    for index in range(count):
        rows[index].ts_exch_ns = ts_exch_ns
    if previous_id < 0:
        previous_id = first_id - 1
    return FRAME_DEPTH, count, previous_id, last_id, event_ms, bids_off + asks_off


@kernel
def read_trade(
    raw: bytes, at: int, end: int, symbol: bytes, ticks: Int64s, lots: Int64s, rows: Rows
) -> Frame:
    _, at = number_after(raw, at, b'"E":', MILLIS_MAX)
    time_ms, at = optional_number(raw, at, b',"T":', MILLIS_MAX)
    at = text_after(raw, at, b',"s":"', symbol)
    trade_id, at = number_after(raw, at, b',"t":', IDS_MAX)
    price, size, is_rounded, at = price_and_size(raw, at, ticks, lots)
    if time_ms < 0:
        time_ms, at = number_after(raw, at, b',"T":', MILLIS_MAX)
    if after(raw, at, b',"X":') >= 0:
        at = text_after(raw, at, b',"X":"', b"MARKET")
    is_sold, at = flag_after(raw, at, b',"m":')
    if after(raw, at, b',"M":') >= 0:
        _, at = flag_after(raw, at, b',"M":')
    if at < 0 or at != end or raw[at] != _CLOSE:
        return DECLINED
    put_trade(rows, time_ms, price, size, is_sold)
    return FRAME_TRADE, 1, -1, trade_id, time_ms, is_rounded


@kernel
def read_aggregate(
    raw: bytes, at: int, end: int, symbol: bytes, ticks: Int64s, lots: Int64s, rows: Rows
) -> Frame:
    _, at = number_after(raw, at, b'"E":', MILLIS_MAX)
    at = text_after(raw, at, b',"s":"', symbol)
    trade_id, at = number_after(raw, at, b',"a":', IDS_MAX)
    price, size, is_rounded, at = price_and_size(raw, at, ticks, lots)
    _, at = number_after(raw, at, b',"f":', IDS_MAX)
    _, at = number_after(raw, at, b',"l":', IDS_MAX)
    time_ms, at = number_after(raw, at, b',"T":', MILLIS_MAX)
    is_sold, at = flag_after(raw, at, b',"m":')
    if after(raw, at, b',"M":') >= 0:
        _, at = flag_after(raw, at, b',"M":')
    if at < 0 or at != end or raw[at] != _CLOSE:
        return DECLINED
    put_trade(rows, time_ms, price, size, is_sold)
    return FRAME_TRADE, 1, -1, trade_id, time_ms, is_rounded


@kernel
def price_and_size(raw: bytes, at: int, ticks: Int64s, lots: Int64s) -> tuple[int, int, int, int]:
    """(ticks, lots, 1 if the size was rounded, index behind) of a trade; index -1 if declined."""
    at = after(raw, at, b',"p":"')
    if at < 0:
        return 0, 0, 0, -1
    price, at, _ = steps_of(raw, at, ticks, False)
    if price <= 0:
        return 0, 0, 0, -1
    at = after(raw, at, b',"q":"')
    if at < 0:
        return 0, 0, 0, -1
    size, at, is_rounded = steps_of(raw, at, lots, True)
    if size <= 0:
        return 0, 0, 0, -1
    return price, size, 1 if is_rounded else 0, at


@kernel
def put_trade(rows: Rows, time_ms: int, price: int, size: int, is_sold: bool) -> None:
    rows[0].ts_exch_ns = time_ms * _NS_PER_MS
    rows[0].price_ticks = price
    rows[0].qty_lots = size
    rows[0].kind = ROW_TRADE
    rows[0].side = SELL if is_sold else BUY
