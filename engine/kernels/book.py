"""The order book: quantities by tick in a dense window, best prices kept along.

Newest information wins: a bid at or above the best ask moves the best ask to the next level above
it, because what crossed must be gone even where its removal has not arrived yet.
"""

from __future__ import annotations

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import Int32s, Int64s, Rows

ASK, BID, NO_ASK, NO_BID = k.ASK, k.BID, k.NO_ASK, k.NO_BID
M_BASE, M_BEST_BID, M_BEST_ASK = k.M_BASE, k.M_BEST_BID, k.M_BEST_ASK
BUY, ROW_TRADE, ROW_CLEAR = k.BUY, k.ROW_TRADE, k.ROW_CLEAR
M_EXCH_NS, M_QUIET_NS, M_TOP_VERSION = k.M_EXCH_NS, k.M_QUIET_NS, k.M_TOP_VERSION
M_LOW_BID, M_HIGH_ASK, M_FAR, M_CROSSED = k.M_LOW_BID, k.M_HIGH_ASK, k.M_FAR, k.M_CROSSED


@kernel
def first_bid(bids: Int64s, base: int, ticks: int, low: int) -> int:
    """Best bid at or below `ticks`, none of which lies below `low`; NO_BID if there is none."""
    while ticks >= low:
        if bids[ticks - base] > 0:
            return ticks
        ticks -= 1
    return NO_BID


@kernel
def first_ask(asks: Int64s, base: int, ticks: int, high: int) -> int:
    """Best ask at or above `ticks`, none of which lies above `high`; NO_ASK if there is none."""
    while ticks <= high:
        if asks[ticks - base] > 0:
            return ticks
        ticks += 1
    return NO_ASK


@kernel
def next_bid(book: Int64s, scalars: Int64s, ticks: int) -> int:
    """Best bid strictly below `ticks`, NO_BID if there is none."""
    return first_bid(book[BID], scalars[M_BASE], ticks - 1, scalars[M_LOW_BID])


@kernel
def next_ask(book: Int64s, scalars: Int64s, ticks: int) -> int:
    """Best ask strictly above `ticks`, NO_ASK if there is none."""
    return first_ask(book[ASK], scalars[M_BASE], ticks + 1, scalars[M_HIGH_ASK])


@kernel
def recentre(book: Int64s, scalars: Int64s, ticks: int) -> None:
    """Move the window so that `ticks` lies in its middle; levels that fall out are forgotten."""
    window = book.shape[1]
    shift = ticks - window // 2 - scalars[M_BASE]
    for side in range(2):
        if shift > 0:
            for index in range(window):
                source = index + shift
                book[side, index] = book[side, source] if source < window else 0
        else:
            for index in range(window - 1, -1, -1):
                source = index + shift
                book[side, index] = book[side, source] if source >= 0 else 0
    scalars[M_BASE] += shift
    base = scalars[M_BASE]
    if scalars[M_BEST_BID] != NO_BID and scalars[M_BEST_BID] < base:
        scalars[M_BEST_BID] = NO_BID
    if scalars[M_BEST_ASK] != NO_ASK and scalars[M_BEST_ASK] >= base + window:
        scalars[M_BEST_ASK] = NO_ASK
    if scalars[M_LOW_BID] != NO_ASK:
        scalars[M_LOW_BID] = max(scalars[M_LOW_BID], base)
    if scalars[M_HIGH_ASK] != NO_BID:
        scalars[M_HIGH_ASK] = min(scalars[M_HIGH_ASK], base + window - 1)


@kernel
def is_near_edge(window: int, index: int) -> bool:
    return index < window >> 3 or index >= window - (window >> 3)


@kernel
def set_bid(book: Int64s, scalars: Int64s, ticks: int, lots: int) -> int:
    """The bid level now holds `lots`. Returns what it held before, -1 if out of the window."""
    index = ticks - scalars[M_BASE]
    if index < 0 or index >= book.shape[1]:
        scalars[M_FAR] += 1
        return -1
    before = book[BID, index]
    book[BID, index] = lots
    best = scalars[M_BEST_BID]
    if lots > 0:
        if ticks < scalars[M_LOW_BID]:
            scalars[M_LOW_BID] = ticks
        if ticks > best:
            scalars[M_BEST_BID] = ticks
            if ticks >= scalars[M_BEST_ASK]:
                scalars[M_CROSSED] += 1
                scalars[M_BEST_ASK] = next_ask(book, scalars, ticks)
            if is_near_edge(book.shape[1], index):
                recentre(book, scalars, ticks)
    elif ticks == best:
        scalars[M_BEST_BID] = next_bid(book, scalars, ticks)
    return before


@kernel
def set_ask(book: Int64s, scalars: Int64s, ticks: int, lots: int) -> int:
    """The ask level now holds `lots`. Returns what it held before, -1 if out of the window."""
    index = ticks - scalars[M_BASE]
    if index < 0 or index >= book.shape[1]:
        scalars[M_FAR] += 1
        return -1
    before = book[ASK, index]
    book[ASK, index] = lots
    best = scalars[M_BEST_ASK]
    if lots > 0:
        if ticks > scalars[M_HIGH_ASK]:
            scalars[M_HIGH_ASK] = ticks
        if ticks < best:
            scalars[M_BEST_ASK] = ticks
            if ticks <= scalars[M_BEST_BID]:
                scalars[M_CROSSED] += 1
                scalars[M_BEST_BID] = next_bid(book, scalars, ticks)
            if is_near_edge(book.shape[1], index):
                recentre(book, scalars, ticks)
    elif ticks == best:
        scalars[M_BEST_ASK] = next_ask(book, scalars, ticks)
    return before


@kernel
def clear_bids(book: Int64s, scalars: Int64s, down_to: int) -> None:
    """Remove every bid from the best one down to `down_to` inclusive, hidden ones above too."""
    best, base = scalars[M_BEST_BID], scalars[M_BASE]
    for index in range(max(down_to - base, 0), book.shape[1]):
        # Only what holds something is written: untouched pages of the window stay unmapped.
        if book[BID, index] != 0:
            book[BID, index] = 0
    if best >= down_to:
        scalars[M_BEST_BID] = next_bid(book, scalars, down_to)


@kernel
def clear_asks(book: Int64s, scalars: Int64s, up_to: int) -> None:
    """Remove every ask from the best one up to `up_to` inclusive, hidden ones below too."""
    best, base = scalars[M_BEST_ASK], scalars[M_BASE]
    for index in range(0, min(up_to - base, book.shape[1] - 1) + 1):
        if book[ASK, index] != 0:
            book[ASK, index] = 0
    if best <= up_to:
        scalars[M_BEST_ASK] = next_ask(book, scalars, up_to)


@kernel
def run_levels(
    book: Int64s,
    scalars: Int64s,
    rows: Rows,
    order: Int64s,
    index: int,
    count: int,
    limit_ns: int,
    is_local: bool,
    stops_at_top: bool,
    marks: Int32s,
    buy_high: int,
    sell_low: int,
) -> int:
    """Apply rows from `index` on as long as they are plain; returns the index of the first that is
    not, or lies after `limit_ns`. Nearly all rows are plain, and this loop is all they cost.

    Plain is a level that holds none of our orders (`marks`, by side and tick), does not meet one
    (`buy_high`: our highest buy, `sell_low`: our lowest sell) and does not move the window; and at
    the exchange a trade out of reach of our orders. The local side (`is_local`: by local time, in
    row order instead of `order`) looks at every trade, at a level that is due to close a bar, and
    with `stops_at_top` at the best prices.
    """
    bids, asks = book[BID], book[ASK]
    base, window, slots = scalars[M_BASE], book.shape[1], marks.shape[1] - 1
    best_bid, best_ask = scalars[M_BEST_BID], scalars[M_BEST_ASK]
    low_bid, high_ask = scalars[M_LOW_BID], scalars[M_HIGH_ASK]
    newest_ns, quiet_ns = scalars[M_EXCH_NS], scalars[M_QUIET_NS]
    low_edge, high_edge = base + (window >> 3), base + window - (window >> 3)
    far, crossed, top_version = 0, 0, 0
    while index < count:
        row = rows[index if is_local else order[index]]
        venue_ns = row["ts_exch_ns"]
        if (row["ts_local_ns"] if is_local else venue_ns) > limit_ns:
            break
        side, ticks, lots, kind = row["side"], row["price_ticks"], row["qty_lots"], row["kind"]
        if kind == ROW_TRADE:
            if is_local or (ticks >= sell_low if side == BUY else ticks <= buy_high):
                break
        elif kind == ROW_CLEAR or venue_ns >= quiet_ns:
            break
        elif ticks < base or ticks >= base + window:
            far += 1
        elif stops_at_top and (ticks >= best_bid if side == BUY else ticks <= best_ask):
            break
        elif side == BUY:
            if marks[BID, ticks & slots]:
                break
            if ticks >= best_bid:
                if lots > 0 and (ticks >= sell_low or ticks < low_edge or ticks >= high_edge):
                    break
                top_version += bids[ticks - base] != lots
            bids[ticks - base] = lots
            if lots > 0:
                low_bid = min(low_bid, ticks)
                if ticks > best_bid:
                    best_bid = ticks
                    if ticks >= best_ask:
                        crossed += 1
                        best_ask = first_ask(asks, base, ticks + 1, high_ask)
            elif ticks == best_bid:
                best_bid = first_bid(bids, base, ticks - 1, low_bid)
        else:
            if marks[ASK, ticks & slots]:
                break
            if ticks <= best_ask:
                if lots > 0 and (ticks <= buy_high or ticks < low_edge or ticks >= high_edge):
                    break
                top_version += asks[ticks - base] != lots
            asks[ticks - base] = lots
            if lots > 0:
                high_ask = max(high_ask, ticks)
                if ticks < best_ask:
                    best_ask = ticks
                    if ticks <= best_bid:
                        crossed += 1
                        best_bid = first_bid(bids, base, ticks - 1, low_bid)
            elif ticks == best_ask:
                best_ask = first_ask(asks, base, ticks + 1, high_ask)
        newest_ns = max(newest_ns, venue_ns)
        index += 1
    scalars[M_LOW_BID], scalars[M_HIGH_ASK] = low_bid, high_ask
    scalars[M_EXCH_NS] = newest_ns
    scalars[M_BEST_BID], scalars[M_BEST_ASK] = best_bid, best_ask
    scalars[M_FAR] += far
    scalars[M_CROSSED] += crossed
    scalars[M_TOP_VERSION] += top_version
    return index
