"""The order book: quantities by tick in a dense window, best prices kept along.

Newest information wins: a bid at or above the best ask moves the best ask to the next level above
it, because what crossed must be gone even where its removal has not arrived yet.
"""

from __future__ import annotations

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import Int64s

ASK, BID, NO_ASK, NO_BID = k.ASK, k.BID, k.NO_ASK, k.NO_BID
M_BASE, M_BEST_BID, M_BEST_ASK = k.M_BASE, k.M_BEST_BID, k.M_BEST_ASK
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
def follow_price(book: Int64s, scalars: Int64s, ticks: int) -> None:
    """Call before a level of a snapshot is set: the first one on an empty book lies in the window,
    however far the price has gone."""
    is_empty = scalars[M_BEST_BID] == NO_BID and scalars[M_BEST_ASK] == NO_ASK
    column = ticks - scalars[M_BASE]
    if is_empty and (column < 0 or column >= book.shape[1]):
        recentre(book, scalars, ticks)


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
def best_levels(book: Int64s, scalars: Int64s, side: int, within: int, found: Int64s) -> int:
    """The best levels of `side` (BID or ASK) that hold something, not farther than `within` ticks
    from the best one.

    book  int64[2, window]   scalars  int64[MARKET_SCALARS]   found  int64[n, 2]  (ticks, lots)

    Returns how many were found, at most as many as `found` has room for.
    """
    base, levels = scalars[M_BASE], book[side]
    if side == BID:
        best, none, step = scalars[M_BEST_BID], NO_BID, -1
    else:
        best, none, step = scalars[M_BEST_ASK], NO_ASK, 1
    if best == none:
        return 0
    column = best - base
    end = max(column - within - 1, -1) if side == BID else min(column + within + 1, levels.shape[0])
    count = 0
    while column != end and count < found.shape[0]:
        if levels[column] != 0:
            found[count, 0] = base + column
            found[count, 1] = levels[column]
            count += 1
        column += step
    return count
