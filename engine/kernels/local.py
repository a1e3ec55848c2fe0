"""The local side: what we know of the market once a row has reached us. Live feeds use it too."""

from __future__ import annotations

import numpy as np

from engine.kernels import layout as k
from engine.kernels.book import clear_asks, clear_bids, follow_price, set_ask, set_bid
from engine.kernels.compile import kernel
from engine.kernels.layout import Int64s, MarketState, Rows
from engine.kernels.plain import run_local

BUY, NO_ASK, NO_BID = k.BUY, k.NO_ASK, k.NO_BID
M_BEST_BID, M_BEST_ASK = k.M_BEST_BID, k.M_BEST_ASK
M_ROWS, M_READY, M_TOP_VERSION = k.M_ROWS, k.M_READY, k.M_TOP_VERSION
M_TRADES, M_LAST_TICKS, M_LAST_LOTS = k.M_TRADES, k.M_LAST_TICKS, k.M_LAST_LOTS
M_LAST_SIDE, M_LAST_NS, M_EXCH_NS, M_VOLUME = k.M_LAST_SIDE, k.M_LAST_NS, k.M_EXCH_NS, k.M_VOLUME
M_QUIET_NS = k.M_QUIET_NS
T_NS, T_TICKS, T_LOTS, T_SIDE, TAPE_LENGTH = k.T_NS, k.T_TICKS, k.T_LOTS, k.T_SIDE, k.TAPE_LENGTH
B_START_NS, B_OPEN, B_HIGH, B_LOW = k.B_START_NS, k.B_OPEN, k.B_HIGH, k.B_LOW
B_CLOSE, B_VOLUME, B_COUNT, BARS_LENGTH = k.B_CLOSE, k.B_VOLUME, k.B_COUNT, k.BARS_LENGTH
F_PERIOD_NS, F_CLOSED, F_LATE, F_OPEN = k.F_PERIOD_NS, k.F_CLOSED, k.F_LATE, k.F_OPEN
ROW_TRADE, ROW_CLEAR, ROW_SNAPSHOT = k.ROW_TRADE, k.ROW_CLEAR, k.ROW_SNAPSHOT
WAKE_TOP, WAKE_TRADE, WAKE_BAR = k.WAKE_TOP, k.WAKE_TRADE, k.WAKE_BAR

QUIET_CLOSE_NS = 1_000_000_000
"""A depth row this long after a bar's end closes it too: a quiet market must not wait for ever."""


@kernel
def close_bars(market: MarketState, frame: int, venue_ns: int) -> bool:
    """Close the forming bar and make flat ones until `venue_ns` lies in the forming period."""
    frames = market.bar_scalars[frame]
    period = frames[F_PERIOD_NS]
    has_closed = False
    while True:
        bar = market.bars[frame, frames[F_CLOSED] % BARS_LENGTH]
        end_ns = bar[B_START_NS] + period
        if venue_ns < end_ns:
            return has_closed
        has_closed = True
        close = bar[B_CLOSE]
        frames[F_CLOSED] += 1
        following = market.bars[frame, frames[F_CLOSED] % BARS_LENGTH]
        following[:] = 0
        following[B_START_NS] = end_ns
        following[B_OPEN] = following[B_HIGH] = following[B_LOW] = following[B_CLOSE] = close


@kernel
def trade_into_bar(market: MarketState, frame: int, venue_ns: int, ticks: int, lots: int) -> bool:
    """Add a trade to the bar of its venue time. Returns whether a bar closed."""
    frames = market.bar_scalars[frame]
    period = frames[F_PERIOD_NS]
    has_closed = False
    if frames[F_OPEN] == 0:
        frames[F_OPEN] = 1
        bar = market.bars[frame, frames[F_CLOSED] % BARS_LENGTH]
        bar[:] = 0
        bar[B_START_NS] = venue_ns - venue_ns % period
    else:
        has_closed = close_bars(market, frame, venue_ns)
    bar = market.bars[frame, frames[F_CLOSED] % BARS_LENGTH]
    if venue_ns < bar[B_START_NS]:
        frames[F_LATE] += 1
        return has_closed
    if bar[B_COUNT] == 0:
        # The first trade of a period opens it; the carried close was only a placeholder.
        bar[B_OPEN] = bar[B_HIGH] = bar[B_LOW] = ticks
    bar[B_HIGH] = max(bar[B_HIGH], ticks)
    bar[B_LOW] = min(bar[B_LOW], ticks)
    bar[B_CLOSE] = ticks
    bar[B_VOLUME] += lots
    bar[B_COUNT] += 1
    return has_closed


@kernel
def local_trade(
    scalars: Int64s, tape: Int64s, received_ns: int, side: int, ticks: int, lots: int
) -> None:
    """Tape and last trade."""
    slot = scalars[M_TRADES] % TAPE_LENGTH
    tape[slot, T_NS] = received_ns
    tape[slot, T_TICKS] = ticks
    tape[slot, T_LOTS] = lots
    tape[slot, T_SIDE] = side
    scalars[M_TRADES] += 1
    scalars[M_LAST_TICKS] = ticks
    scalars[M_LAST_LOTS] = lots
    scalars[M_LAST_SIDE] = side
    scalars[M_LAST_NS] = received_ns
    scalars[M_VOLUME] += lots


@kernel
def has_bars(market: MarketState) -> bool:
    for frame in range(market.bar_scalars.shape[0]):
        if market.bar_scalars[frame, F_PERIOD_NS] > 0:
            return True
    return False


@kernel
def trade_into_bars(market: MarketState, venue_ns: int, ticks: int, lots: int) -> int:
    """Bars of every timeframe. Returns wake reasons."""
    reasons = 0
    for frame in range(market.bar_scalars.shape[0]):
        used = market.bar_scalars[frame, F_PERIOD_NS] > 0
        if used and trade_into_bar(market, frame, venue_ns, ticks, lots):
            reasons = WAKE_BAR
    if reasons or market.scalars[M_QUIET_NS] == NO_ASK:
        note_quiet(market)
    return reasons


@kernel
def note_quiet(market: MarketState) -> None:
    """When the next bar closes even without a trade."""
    soonest = NO_ASK
    for frame in range(market.bar_scalars.shape[0]):
        frames = market.bar_scalars[frame]
        if frames[F_PERIOD_NS] > 0 and frames[F_OPEN] == 1:
            bar = market.bars[frame, frames[F_CLOSED] % BARS_LENGTH]
            soonest = min(soonest, bar[B_START_NS] + frames[F_PERIOD_NS] + QUIET_CLOSE_NS)
    market.scalars[M_QUIET_NS] = soonest


@kernel
def quiet_bars(market: MarketState, venue_ns: int) -> int:
    """Close bars whose end lies well behind `venue_ns`, trades or not."""
    reasons = 0
    for frame in range(market.bar_scalars.shape[0]):
        frames = market.bar_scalars[frame]
        forming = frames[F_PERIOD_NS] > 0 and frames[F_OPEN] == 1
        if forming and close_bars(market, frame, venue_ns - QUIET_CLOSE_NS):
            reasons |= WAKE_BAR
    note_quiet(market)
    return reasons


@kernel
def local_depth(market: MarketState, row: np.void) -> int:
    """Apply a depth row of any kind to what we know. Returns wake reasons."""
    book, scalars = market.book, market.scalars
    side, ticks, lots, venue_ns = (
        row["side"],
        row["price_ticks"],
        row["qty_lots"],
        row["ts_exch_ns"],
    )
    scalars[M_EXCH_NS] = max(scalars[M_EXCH_NS], venue_ns)
    reasons = quiet_bars(market, venue_ns) if venue_ns >= scalars[M_QUIET_NS] else 0
    if row["kind"] == ROW_CLEAR:
        if side == BUY:
            clear_bids(book, scalars, ticks)
        else:
            clear_asks(book, scalars, ticks)
        scalars[M_TOP_VERSION] += 1
        return reasons | WAKE_TOP
    if row["kind"] == ROW_SNAPSHOT:
        follow_price(book, scalars, ticks)
    if side == BUY:
        touched = ticks >= scalars[M_BEST_BID]
        before = set_bid(book, scalars, ticks, lots)
    else:
        touched = ticks <= scalars[M_BEST_ASK]
        before = set_ask(book, scalars, ticks, lots)
    has_both = scalars[M_BEST_BID] != NO_BID and scalars[M_BEST_ASK] != NO_ASK
    if scalars[M_READY] == 0 and has_both:
        scalars[M_READY] = 1
    if touched and before >= 0 and before != lots:
        scalars[M_TOP_VERSION] += 1
        reasons |= WAKE_TOP
    return reasons


@kernel
def local_run(
    market: MarketState,
    rows: Rows,
    index: int,
    count: int,
    now_ns: int,
    limit_ns: int,
    reasons: int,
    mask: int,
) -> tuple[int, int, int]:
    """Apply rows from `index` on that are received not after `limit_ns`; stops at the end of an
    instant that has a reason in `mask`. Returns (next index, now, reasons of that instant, of
    which only those in `mask` are certain)."""
    scalars, tape, keeps_bars = market.scalars, market.tape, has_bars(market)
    first = index
    while index < count:
        if scalars[M_READY] == 1:
            plain = index
            index = run_local(
                market.book,
                scalars,
                tape,
                rows,
                index,
                count,
                now_ns if reasons & mask else limit_ns,
                mask & WAKE_TOP != 0,
                keeps_bars or mask & WAKE_TRADE != 0,
            )
            if index > plain and rows[index - 1]["ts_local_ns"] > now_ns:
                now_ns, reasons = rows[index - 1]["ts_local_ns"], 0
            if index == count:
                break
        row = rows[index]
        if row["ts_local_ns"] > now_ns:
            if row["ts_local_ns"] > limit_ns or reasons & mask:
                break
            now_ns, reasons = row["ts_local_ns"], 0
        index += 1
        if row["kind"] == ROW_TRADE:
            ticks, lots = row["price_ticks"], row["qty_lots"]
            scalars[M_EXCH_NS] = max(scalars[M_EXCH_NS], row["ts_exch_ns"])
            local_trade(scalars, tape, row["ts_local_ns"], row["side"], ticks, lots)
            reasons |= WAKE_TRADE
            if keeps_bars:
                reasons |= trade_into_bars(market, row["ts_exch_ns"], ticks, lots)
        else:
            reasons |= local_depth(market, row)
    scalars[M_ROWS] += index - first
    return index, now_ns, reasons


@kernel
def local_message(
    book: Int64s,
    scalars: Int64s,
    tape: Int64s,
    bars: Int64s,
    bar_scalars: Int64s,
    rows: Rows,
    count: int,
    mask: int,
) -> tuple[int, int, int]:
    """Apply the first `count` rows, one whole message that has just been received.

    The fields of a `MarketState` one by one: a call costs half of what it costs with the tuple.
    Returns (best bid, best ask, reasons, of which only those in `mask` are certain).
    """
    market = MarketState(book, scalars, tape, bars, bar_scalars)
    _, _, reasons = local_run(market, rows, 0, count, NO_ASK, NO_ASK, 0, mask)
    return scalars[M_BEST_BID], scalars[M_BEST_ASK], reasons
