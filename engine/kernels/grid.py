"""The quoting grid as a strategy compiled into the replay: the whole run is one call.

It decides what `engine.strategy.grid.Grid` decides, from the same numbers in the same order, and
its orders pass the same exchange: fills are equal one by one, which a test holds. What it leaves
out is the engine between the two: no risk gate, no ledger, no events.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import ExchangeState, Float64s, Int64s, MarketState, Rows
from engine.kernels.replay import advance

BUY, SELL, NO_BID, NO_ASK = k.BUY, k.SELL, k.NO_BID, k.NO_ASK
M_BEST_BID, M_BEST_ASK, M_READY = k.M_BEST_BID, k.M_BEST_ASK, k.M_READY
X_ANS_HEAD, X_REQ_TAIL, X_REQ_HEAD = k.X_ANS_HEAD, k.X_REQ_TAIL, k.X_REQ_HEAD
X_OVERFLOW, ANSWERS_LENGTH, REQUESTS_LENGTH = k.X_OVERFLOW, k.ANSWERS_LENGTH, k.REQUESTS_LENGTH
O_SIDE, O_TICKS, O_LEAVES, O_KIND, O_TIF = k.O_SIDE, k.O_TICKS, k.O_LEAVES, k.O_KIND, k.O_TIF
O_TRIGGER, O_REDUCE, O_OWNER, O_STATE = k.O_TRIGGER, k.O_REDUCE, k.O_OWNER, k.O_STATE
O_AHEAD, STATE_SENT = k.O_AHEAD, k.STATE_SENT
KIND_LIMIT, TIF_POST_ONLY = k.KIND_LIMIT, k.TIF_POST_ONLY
Q_ARRIVAL_NS, Q_KIND, Q_SLOT, Q_REASON = k.Q_ARRIVAL_NS, k.Q_KIND, k.Q_SLOT, k.Q_REASON
REQUEST_NEW, REQUEST_CANCEL, REASON_NONE = k.REQUEST_NEW, k.REQUEST_CANCEL, k.REASON_NONE
ANSWER_ACCEPT, ANSWER_FILL, ANSWER_CANCEL = k.ANSWER_ACCEPT, k.ANSWER_FILL, k.ANSWER_CANCEL
ANSWER_CANCEL_REJECT = k.ANSWER_CANCEL_REJECT
A_RECEIVED_NS, A_EXCH_NS, A_KIND, A_SLOT = k.A_RECEIVED_NS, k.A_EXCH_NS, k.A_KIND, k.A_SLOT
A_TICKS, A_LOTS, A_MAKER, A_FINAL = k.A_TICKS, k.A_LOTS, k.A_MAKER, k.A_FINAL
WAKE_UNTIL, ANSWERS_PASS = k.WAKE_UNTIL, k.ANSWERS_PASS

LEVELS_MAX = 100
PLACES = 4096
FILLS_LENGTH = 1 << 16
DESK_FULL = 256
"""What `run_grid` returns when `Desk.fills` has to be emptied before it can go on."""

# Indices of `Desk.counters`
D_EVERY_NS, D_NEXT_NS, D_ENTRY_NS, D_LAST_ARRIVAL_NS = range(4)
D_LEVELS, D_LOTS, D_CAN_SHORT = 4, 5, 6
D_OWN, D_FREE, D_HELD_LOTS = 7, 8, 9  # own orders, free slots, position
D_FILLS, D_ORDERS, D_CANCELS, D_WAKES = 10, 11, 12, 13
D_LOT_PARTS, D_LOT_UNITS = 14, 15  # a lot is parts / units of the asset
D_ANSWERS = 16  # answers looked at
D_BIDS, D_ASKS = 17, 18  # wanted prices
DESK_COUNTERS = 24

# Indices of `Desk.shape`
S_TICK, S_INTERVAL, S_HALF_SPREAD, S_MAX_POSITION, S_SUMMED = range(5)
DESK_SHAPE = 5

# Columns of `Desk.fills`
L_RECEIVED_NS, L_VENUE_NS, L_SIDE, L_TICKS, L_LOTS, L_MAKER = range(6)
FILL_COLUMNS = 6

OWN_SENT, OWN_WORKING, OWN_CANCELLING, OWN_OVER = 1, 2, 3, 4


class Desk(NamedTuple):
    """What the strategy knows of its own orders. Allocated by `engine.sim.compiled`.

    counters  int64[DESK_COUNTERS]            see the D_ codes
    shape     float64[DESK_SHAPE]             see the S_ codes; in the instrument's own units
    own       int64[ORDER_SLOTS]              slots of own orders, oldest first
    free      int64[ORDER_SLOTS]              stack of free slots
    states    int64[ORDER_SLOTS, 2]           OWN_ code; cancels under way
    wanted    int64[2, LEVELS_MAX]            prices to bid and to ask at, best first
    is_taken  int64[2, LEVELS_MAX]            1: an order of ours stands there
    levels    int64[2, PLACES]                index into `wanted` by tick % PLACES, -1 for none;
                                              the last one where several share a place
    fills     int64[FILLS_LENGTH, FILL_COLUMNS]
    """

    counters: Int64s
    shape: Float64s
    own: Int64s
    free: Int64s
    states: Int64s
    wanted: Int64s
    is_taken: Int64s
    levels: Int64s
    fills: Int64s


@kernel
def take_answer(ex: ExchangeState, desk: Desk, row: Int64s) -> None:
    """What an answer of the venue changes in what we know."""
    counters, slot, kind = desk.counters, row[A_SLOT], row[A_KIND]
    state = desk.states[slot]
    if kind == ANSWER_FILL:
        side = ex.orders[slot, O_SIDE]
        counters[D_HELD_LOTS] += side * row[A_LOTS]
        desk.shape[S_SUMMED] += side * (row[A_LOTS] * counters[D_LOT_PARTS] / counters[D_LOT_UNITS])
        fill = desk.fills[counters[D_FILLS]]
        fill[L_RECEIVED_NS], fill[L_VENUE_NS] = row[A_RECEIVED_NS], row[A_EXCH_NS]
        fill[L_SIDE], fill[L_MAKER] = side, row[A_MAKER]
        fill[L_TICKS], fill[L_LOTS] = row[A_TICKS], row[A_LOTS]
        counters[D_FILLS] += 1
    elif kind == ANSWER_ACCEPT and state[0] == OWN_SENT:
        state[0] = OWN_WORKING
    if kind in (ANSWER_CANCEL, ANSWER_CANCEL_REJECT):
        state[1] -= 1
        if state[0] == OWN_CANCELLING:
            state[0] = OWN_WORKING
    if row[A_FINAL] != 0:
        state[0] = OWN_OVER


@kernel
def take_answers(ex: ExchangeState, desk: Desk) -> None:
    """Everything that was received since the last wake-up; then forget what is over."""
    counters, head = desk.counters, ex.control[X_ANS_HEAD]
    if counters[D_ANSWERS] == head:
        return
    for number in range(counters[D_ANSWERS], head):
        take_answer(ex, desk, ex.answers[number % ANSWERS_LENGTH])
    counters[D_ANSWERS] = head
    kept = 0
    for index in range(counters[D_OWN]):
        slot = desk.own[index]
        # Until no cancel is under way, an answer may still refer to the slot.
        if desk.states[slot, 0] == OWN_OVER and desk.states[slot, 1] == 0:
            desk.free[counters[D_FREE]] = slot
            counters[D_FREE] += 1
        else:
            desk.own[kept] = slot
            kept += 1
    counters[D_OWN] = kept


@kernel
def want(desk: Desk, best_bid: int, best_ask: int) -> None:
    """Fill `wanted`; the arithmetic is that of `Grid.wanted`, operation by operation."""
    counters, shape = desk.counters, desk.shape
    tick, interval, half_spread = shape[S_TICK], shape[S_INTERVAL], shape[S_HALF_SPREAD]
    mid = (best_bid * tick + best_ask * tick) / 2.0
    bid = math.floor((mid - half_spread) / interval) * interval
    ask = math.ceil((mid + half_spread) / interval) * interval
    levels, held = counters[D_LEVELS], shape[S_SUMMED]
    counters[D_BIDS] = levels if held < shape[S_MAX_POSITION] else 0
    may_sell = held > -shape[S_MAX_POSITION] if counters[D_CAN_SHORT] else counters[D_HELD_LOTS] > 0
    counters[D_ASKS] = levels if may_sell else 0
    for level in range(counters[D_BIDS]):
        desk.wanted[0, level] = round(bid / tick)
        bid -= interval
    for level in range(counters[D_ASKS]):
        desk.wanted[1, level] = round(ask / tick)
        ask += interval


@kernel
def level_of(desk: Desk, which: int, count: int, ticks: int) -> int:
    """Which of the first `count` wanted prices of a side `ticks` is; -1 for none of them."""
    level = desk.levels[which, ticks % PLACES]
    if level < 0 or desk.wanted[which, level] == ticks:
        return level
    # Two wanted prices share the place, and the other one came last.
    for other in range(count):
        if desk.wanted[which, other] == ticks:
            return other
    return -1


@kernel
def note_levels(desk: Desk, which: int, count: int) -> None:
    """Make the wanted prices of a side findable, and forget who stands there."""
    for level in range(count):
        desk.levels[which, desk.wanted[which, level] % PLACES] = level
        desk.is_taken[which, level] = 0


@kernel
def forget_levels(desk: Desk, which: int, count: int) -> None:
    for level in range(count):
        desk.levels[which, desk.wanted[which, level] % PLACES] = -1


@kernel
def request(ex: ExchangeState, desk: Desk, now_ns: int, kind: int, slot: int) -> None:
    control, counters = ex.control, desk.counters
    if control[X_REQ_TAIL] - control[X_REQ_HEAD] >= REQUESTS_LENGTH:
        control[X_OVERFLOW] = 1
        return
    counters[D_LAST_ARRIVAL_NS] = max(counters[D_LAST_ARRIVAL_NS], now_ns + counters[D_ENTRY_NS])
    row = ex.requests[control[X_REQ_TAIL] % REQUESTS_LENGTH]
    row[Q_ARRIVAL_NS], row[Q_KIND] = counters[D_LAST_ARRIVAL_NS], kind
    row[Q_SLOT], row[Q_REASON] = slot, REASON_NONE
    control[X_REQ_TAIL] += 1


@kernel
def place(ex: ExchangeState, desk: Desk, now_ns: int, side: int, ticks: int) -> None:
    """Send a post-only order."""
    counters = desk.counters
    if counters[D_FREE] == 0:
        ex.control[X_OVERFLOW] = 1
        return
    counters[D_FREE] -= 1
    slot = desk.free[counters[D_FREE]]
    order = ex.orders[slot]
    order[O_SIDE], order[O_TICKS], order[O_LEAVES] = side, ticks, counters[D_LOTS]
    order[O_KIND], order[O_TIF] = KIND_LIMIT, TIF_POST_ONLY
    order[O_TRIGGER], order[O_REDUCE], order[O_OWNER] = 0, 0, 0
    order[O_STATE], order[O_AHEAD] = STATE_SENT, -1
    desk.states[slot, 0], desk.states[slot, 1] = OWN_SENT, 0
    desk.own[counters[D_OWN]] = slot
    counters[D_OWN] += 1
    counters[D_ORDERS] += 1
    request(ex, desk, now_ns, REQUEST_NEW, slot)


@kernel
def look_at_own(ex: ExchangeState, desk: Desk, now_ns: int) -> None:
    """Cancel what is not wanted any more; note which wanted prices hold an order of ours, of
    whichever side."""
    counters = desk.counters
    bids, asks = counters[D_BIDS], counters[D_ASKS]
    for index in range(counters[D_OWN]):
        slot = desk.own[index]
        state, order = desk.states[slot], ex.orders[slot]
        if state[0] == OWN_OVER:
            continue
        at_bid = level_of(desk, 0, bids, order[O_TICKS])
        at_ask = level_of(desk, 1, asks, order[O_TICKS])
        if at_bid >= 0:
            desk.is_taken[0, at_bid] = 1
        if at_ask >= 0:
            desk.is_taken[1, at_ask] = 1
        if state[0] == OWN_WORKING and (at_bid if order[O_SIDE] == BUY else at_ask) < 0:
            state[0] = OWN_CANCELLING
            state[1] += 1
            counters[D_CANCELS] += 1
            request(ex, desk, now_ns, REQUEST_CANCEL, slot)


@kernel
def quote(ex: ExchangeState, desk: Desk, now_ns: int) -> None:
    """Cancel what is not wanted any more, place what is wanted and not there."""
    bids, asks = desk.counters[D_BIDS], desk.counters[D_ASKS]
    note_levels(desk, 0, bids)
    note_levels(desk, 1, asks)
    look_at_own(ex, desk, now_ns)
    for level in range(bids):
        if desk.is_taken[0, level] == 0:
            place(ex, desk, now_ns, BUY, desk.wanted[0, level])
    for level in range(asks):
        if desk.is_taken[1, level] == 0:
            place(ex, desk, now_ns, SELL, desk.wanted[1, level])
    forget_levels(desk, 0, bids)
    forget_levels(desk, 1, asks)


@kernel
def run_grid(
    rows: Rows, exch_order: Int64s, ex: ExchangeState, market: MarketState, desk: Desk
) -> int:
    """Trade until the rows end (WAKE_END), more rows are needed (WAKE_MORE) or the fills have to be
    fetched (DESK_FULL); call again to go on."""
    counters, scalars = desk.counters, market.scalars
    while True:
        reasons = advance(rows, exch_order, ex, market, counters[D_NEXT_NS], ANSWERS_PASS)
        take_answers(ex, desk)
        if reasons != WAKE_UNTIL:
            return reasons
        counters[D_WAKES] += 1
        now_ns = counters[D_NEXT_NS]
        counters[D_NEXT_NS] += counters[D_EVERY_NS]
        best_bid, best_ask = scalars[M_BEST_BID], scalars[M_BEST_ASK]
        has_both = best_bid != NO_BID and best_ask != NO_ASK
        if scalars[M_READY] == 1 and has_both and best_bid < best_ask:
            want(desk, best_bid, best_ask)
            quote(ex, desk, now_ns)
        if counters[D_FILLS] > FILLS_LENGTH - ANSWERS_LENGTH or ex.control[X_OVERFLOW]:
            return DESK_FULL
