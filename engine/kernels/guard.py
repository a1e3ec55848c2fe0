"""A second, small book that sees depth rows first, to say whether the market may see them."""

from __future__ import annotations

from engine.kernels import layout as k
from engine.kernels.book import clear_asks, clear_bids, follow_price, set_ask, set_bid
from engine.kernels.compile import kernel
from engine.kernels.layout import Int64s, Rows

ASK, BID, BUY, ROW_CLEAR = k.ASK, k.BID, k.BUY, k.ROW_CLEAR
ROW_SNAPSHOT = k.ROW_SNAPSHOT

TOP_FINE = 0
TOP_CROSSED = 1
"""Bids stand at or above asks."""
TOP_LOST = 2
"""A price left the book's window on the side where the market is."""
M_BASE, M_BEST_BID, M_BEST_ASK, M_CROSSED = k.M_BASE, k.M_BEST_BID, k.M_BEST_ASK, k.M_CROSSED


@kernel
def holds_any(levels: Int64s, base: int, low: int, high: int) -> bool:
    """Whether a level from `low` to `high` inclusive holds something."""
    for index in range(max(low - base, 0), min(high - base, levels.shape[0] - 1) + 1):
        if levels[index] > 0:
            return True
    return False


@kernel
def take_depth(book: Int64s, scalars: Int64s, rows: Rows, count: int) -> tuple[int, int, int]:
    """Apply the first `count` rows, one whole message of depth rows.

    book     int64[2, window]       scalars  int64[MARKET_SCALARS]

    Returns (best bid, best ask, TOP_ code). Within a message sides may cross for a moment; after
    it, what the book calls gone must be gone.
    """
    lowest_ask, highest_bid = scalars[M_BEST_ASK], scalars[M_BEST_BID]
    crossed, window, is_lost = scalars[M_CROSSED], book.shape[1], False
    for index in range(count):
        row = rows[index]
        ticks, lots = row["price_ticks"], row["qty_lots"]
        if row["kind"] == ROW_SNAPSHOT:
            follow_price(book, scalars, ticks)
        if row["side"] == BUY:
            if row["kind"] == ROW_CLEAR:
                clear_bids(book, scalars, ticks)
            else:
                is_lost |= lots > 0 and ticks >= scalars[M_BASE] + window
                set_bid(book, scalars, ticks, lots)
                highest_bid = max(highest_bid, ticks)
        elif row["kind"] == ROW_CLEAR:
            clear_asks(book, scalars, ticks)
        else:
            is_lost |= lots > 0 and ticks < scalars[M_BASE]
            set_ask(book, scalars, ticks, lots)
            lowest_ask = min(lowest_ask, ticks)
    best_bid, best_ask = scalars[M_BEST_BID], scalars[M_BEST_ASK]
    if is_lost:
        return best_bid, best_ask, TOP_LOST
    if scalars[M_CROSSED] == crossed:
        return best_bid, best_ask, TOP_FINE
    base = scalars[M_BASE]
    if holds_any(book[ASK], base, lowest_ask, best_bid) or holds_any(
        book[BID], base, best_ask, highest_bid
    ):
        return best_bid, best_ask, TOP_CROSSED
    return best_bid, best_ask, TOP_FINE
