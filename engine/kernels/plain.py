"""The loops over plain rows. Nearly all rows are plain, and these loops are all that they cost.

A row is plain where nobody looks: it changes one level of the book, or at most the touch, and wakes
nobody. What is not plain is left to `local` and `matching`, which stop here at the row before it.
State that changes with every row is kept in locals and written back at the end.
"""

from __future__ import annotations

from engine.kernels import layout as k
from engine.kernels.book import first_ask, first_bid
from engine.kernels.compile import kernel
from engine.kernels.layout import Int32s, Int64s, Rows

ASK, BID, BUY, NO_ASK, NO_BID = k.ASK, k.BID, k.BUY, k.NO_ASK, k.NO_BID
ROW_DEPTH, ROW_TRADE, ROW_SNAPSHOT = k.ROW_DEPTH, k.ROW_TRADE, k.ROW_SNAPSHOT
M_BASE, M_BEST_BID, M_BEST_ASK = k.M_BASE, k.M_BEST_BID, k.M_BEST_ASK
M_EXCH_NS, M_QUIET_NS, M_TOP_VERSION = k.M_EXCH_NS, k.M_QUIET_NS, k.M_TOP_VERSION
M_LOW_BID, M_HIGH_ASK, M_FAR, M_CROSSED = k.M_LOW_BID, k.M_HIGH_ASK, k.M_FAR, k.M_CROSSED
M_TRADES, M_LAST_TICKS, M_LAST_LOTS = k.M_TRADES, k.M_LAST_TICKS, k.M_LAST_LOTS
M_LAST_SIDE, M_LAST_NS, M_VOLUME = k.M_LAST_SIDE, k.M_LAST_NS, k.M_VOLUME
T_NS, T_TICKS, T_LOTS, T_SIDE, TAPE_LENGTH = k.T_NS, k.T_TICKS, k.T_LOTS, k.T_SIDE, k.TAPE_LENGTH


@kernel
def run_local(
    book: Int64s,
    scalars: Int64s,
    tape: Int64s,
    rows: Rows,
    index: int,
    count: int,
    limit_ns: int,
    stops_at_top: bool,
    stops_at_trade: bool,
) -> int:
    """Apply plain rows from `index` on that are received not after `limit_ns`; returns the index of
    the first row that is not plain or later: one that clears, is due to close a bar, may move the
    window, touches the best prices with `stops_at_top`, trades with `stops_at_trade`."""
    base, window = scalars[M_BASE], book.shape[1]
    best_bid, best_ask = scalars[M_BEST_BID], scalars[M_BEST_ASK]
    low_bid, high_ask = scalars[M_LOW_BID], scalars[M_HIGH_ASK]
    newest_ns, quiet_ns = scalars[M_EXCH_NS], scalars[M_QUIET_NS]
    far, crossed, top_version, trades, volume = 0, 0, 0, scalars[M_TRADES], scalars[M_VOLUME]
    last = -1
    while index < count:
        row = rows[index]
        if row["ts_local_ns"] > limit_ns:
            break
        kind, venue_ns, lots = row["kind"], row["ts_exch_ns"], row["qty_lots"]
        if kind in (ROW_DEPTH, ROW_SNAPSHOT):
            if venue_ns >= quiet_ns:
                break
            ticks, is_bid = row["price_ticks"], row["side"] == BUY
            column = ticks - base
            if column < 0 or column >= window:
                if kind == ROW_SNAPSHOT and best_bid == NO_BID and best_ask == NO_ASK:
                    break
                far += 1
            elif ticks < best_bid if is_bid else ticks > best_ask:
                # Behind the best: most rows end here, without a branch that could be guessed wrong.
                book[BID if is_bid else ASK, column] = lots
                low_bid = min(low_bid, ticks if is_bid else low_bid)
                high_ask = max(high_ask, high_ask if is_bid else ticks)
            elif stops_at_top:
                break
            elif is_bid:
                if lots > 0 and ticks > best_bid:
                    if column < window >> 3 or column >= window - (window >> 3):
                        break
                    best_bid, low_bid = ticks, min(low_bid, ticks)
                    if ticks >= best_ask:
                        crossed += 1
                        best_ask = first_ask(book[ASK], base, ticks + 1, high_ask)
                elif lots == 0 and ticks == best_bid:
                    best_bid = first_bid(book[BID], base, ticks - 1, low_bid)
                top_version += book[BID, column] != lots
                book[BID, column] = lots
            else:
                if lots > 0 and ticks < best_ask:
                    if column < window >> 3 or column >= window - (window >> 3):
                        break
                    best_ask, high_ask = ticks, max(high_ask, ticks)
                    if ticks <= best_bid:
                        crossed += 1
                        best_bid = first_bid(book[BID], base, ticks - 1, low_bid)
                elif lots == 0 and ticks == best_ask:
                    best_ask = first_ask(book[ASK], base, ticks + 1, high_ask)
                top_version += book[ASK, column] != lots
                book[ASK, column] = lots
        elif kind != ROW_TRADE or stops_at_trade:
            break
        else:
            slot = trades % TAPE_LENGTH
            tape[slot, T_NS] = row["ts_local_ns"]
            tape[slot, T_TICKS] = row["price_ticks"]
            tape[slot, T_LOTS] = lots
            tape[slot, T_SIDE] = row["side"]
            trades += 1
            volume += lots
            last = index
        newest_ns = max(newest_ns, venue_ns)
        index += 1
    if last >= 0:
        row = rows[last]
        scalars[M_LAST_TICKS], scalars[M_LAST_LOTS] = row["price_ticks"], row["qty_lots"]
        scalars[M_LAST_SIDE], scalars[M_LAST_NS] = row["side"], row["ts_local_ns"]
        scalars[M_TRADES], scalars[M_VOLUME] = trades, volume
    scalars[M_BEST_BID], scalars[M_BEST_ASK] = best_bid, best_ask
    scalars[M_LOW_BID], scalars[M_HIGH_ASK] = low_bid, high_ask
    scalars[M_EXCH_NS] = newest_ns
    scalars[M_FAR] += far
    scalars[M_CROSSED] += crossed
    scalars[M_TOP_VERSION] += top_version
    return index


@kernel
def run_exchange(
    book: Int64s,
    scalars: Int64s,
    rows: Rows,
    order: Int64s,
    index: int,
    count: int,
    limit_ns: int,
    marks: Int32s,
    buy_high: int,
    sell_low: int,
) -> int:
    """Apply plain rows at the exchange from `order[index]` on that are stamped not after
    `limit_ns`; returns the index of the first row that is not plain or later: one that clears,
    moves the window, changes a level that may hold one of our orders (`marks`, by side and tick) or
    meets one (`buy_high`: our highest buy, `sell_low`: our lowest sell)."""
    base, window, slots = scalars[M_BASE], book.shape[1], marks.shape[1] - 1
    best_bid, best_ask = scalars[M_BEST_BID], scalars[M_BEST_ASK]
    low_bid, high_ask = scalars[M_LOW_BID], scalars[M_HIGH_ASK]
    newest_ns = scalars[M_EXCH_NS]
    far, crossed = 0, 0
    while index < count:
        row = rows[order[index]]
        venue_ns = row["ts_exch_ns"]
        if venue_ns > limit_ns:
            break
        kind, ticks, is_bid = row["kind"], row["price_ticks"], row["side"] == BUY
        if kind in (ROW_DEPTH, ROW_SNAPSHOT):
            lots, column, side = row["qty_lots"], ticks - base, BID if is_bid else ASK
            if marks[side, ticks & slots]:
                break
            if column < 0 or column >= window:
                far += 1
            elif ticks < best_bid if is_bid else ticks > best_ask:
                book[side, column] = lots
                low_bid = min(low_bid, ticks if is_bid else low_bid)
                high_ask = max(high_ask, high_ask if is_bid else ticks)
            elif is_bid:
                if lots > 0 and ticks > best_bid:
                    if (
                        ticks >= sell_low
                        or column < window >> 3
                        or column >= window - (window >> 3)
                    ):
                        break
                    best_bid, low_bid = ticks, min(low_bid, ticks)
                    if ticks >= best_ask:
                        crossed += 1
                        best_ask = first_ask(book[ASK], base, ticks + 1, high_ask)
                elif lots == 0 and ticks == best_bid:
                    best_bid = first_bid(book[BID], base, ticks - 1, low_bid)
                book[BID, column] = lots
            else:
                if lots > 0 and ticks < best_ask:
                    if (
                        ticks <= buy_high
                        or column < window >> 3
                        or column >= window - (window >> 3)
                    ):
                        break
                    best_ask, high_ask = ticks, max(high_ask, ticks)
                    if ticks <= best_bid:
                        crossed += 1
                        best_bid = first_bid(book[BID], base, ticks - 1, low_bid)
                elif lots == 0 and ticks == best_ask:
                    best_ask = first_ask(book[ASK], base, ticks + 1, high_ask)
                book[ASK, column] = lots
        elif kind != ROW_TRADE or (ticks >= sell_low if is_bid else ticks <= buy_high):
            break
        newest_ns = max(newest_ns, venue_ns)
        index += 1
    scalars[M_BEST_BID], scalars[M_BEST_ASK] = best_bid, best_ask
    scalars[M_LOW_BID], scalars[M_HIGH_ASK] = low_bid, high_ask
    scalars[M_EXCH_NS] = newest_ns
    scalars[M_FAR] += far
    scalars[M_CROSSED] += crossed
    return index
