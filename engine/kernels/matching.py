"""The exchange side: what market rows do to our resting orders, and what our requests do.

Assumptions are stated beside the branch that makes them. Resting orders do not change the replayed
book; what we take from it is gone until the level's next depth row.
"""

from __future__ import annotations

from engine.kernels import chance, latency, margin, queue
from engine.kernels import layout as k
from engine.kernels.book import (
    clear_asks,
    clear_bids,
    next_ask,
    next_bid,
    set_ask,
    set_bid,
)
from engine.kernels.compile import kernel
from engine.kernels.filters import filter_reason
from engine.kernels.layout import ExchangeState, Int64s, Rows
from engine.kernels.plain import run_exchange

RESPONSE = chance.RESPONSE
X_LATENCY, LATENCY_CONSTANT, LATENCY_RECORDED = k.X_LATENCY, k.LATENCY_CONSTANT, k.LATENCY_RECORDED
BUY, SELL, BID, ASK = k.BUY, k.SELL, k.BID, k.ASK
NO_ASK, NO_BID = k.NO_ASK, k.NO_BID
M_BASE, M_BEST_BID, M_BEST_ASK = k.M_BASE, k.M_BEST_BID, k.M_BEST_ASK
M_EXCH_NS = k.M_EXCH_NS
O_SIDE, O_TICKS, O_LEAVES, O_KIND, O_TIF = k.O_SIDE, k.O_TICKS, k.O_LEAVES, k.O_KIND, k.O_TIF
O_TRIGGER, O_REDUCE, O_OWNER, O_STATE = k.O_TRIGGER, k.O_REDUCE, k.O_OWNER, k.O_STATE
O_AHEAD = k.O_AHEAD
KIND_LIMIT, KIND_MARKET, KIND_STOP = k.KIND_LIMIT, k.KIND_MARKET, k.KIND_STOP
KIND_STOP_LIMIT = k.KIND_STOP_LIMIT
TIF_GTC, TIF_IOC, TIF_FOK, TIF_POST_ONLY = k.TIF_GTC, k.TIF_IOC, k.TIF_FOK, k.TIF_POST_ONLY
STATE_SENT, STATE_RESTING, STATE_PARKED = k.STATE_SENT, k.STATE_RESTING, k.STATE_PARKED
STATE_DONE = k.STATE_DONE
X_ANS_HEAD, X_ANS_TAIL, X_LAST_ANSWER_NS = k.X_ANS_HEAD, k.X_ANS_TAIL, k.X_LAST_ANSWER_NS
X_RESPONSE_NS, X_QUEUE_MODEL, X_WHOLE_FILLS = k.X_RESPONSE_NS, k.X_QUEUE_MODEL, k.X_WHOLE_FILLS
X_BUYS, X_SELLS, X_STOPS, X_OVERFLOW = k.X_BUYS, k.X_SELLS, k.X_STOPS, k.X_OVERFLOW
X_BUY_LOW, X_BUY_HIGH = k.X_BUY_LOW, k.X_BUY_HIGH
X_SELL_LOW, X_SELL_HIGH = k.X_SELL_LOW, k.X_SELL_HIGH
ANSWERS_LENGTH, LIVE_MAX, MARKS = k.ANSWERS_LENGTH, k.LIVE_MAX, k.MARKS
ANSWER_ACCEPT, ANSWER_FILL, ANSWER_CANCEL = k.ANSWER_ACCEPT, k.ANSWER_FILL, k.ANSWER_CANCEL
ANSWER_CANCEL_REJECT, ANSWER_EXPIRE = k.ANSWER_CANCEL_REJECT, k.ANSWER_EXPIRE
ANSWER_TRIGGER, ANSWER_REJECT, REQUEST_NEW = k.ANSWER_TRIGGER, k.ANSWER_REJECT, k.REQUEST_NEW
X_MARGIN, MARGIN_NONE, X_OWNERS = k.X_MARGIN, k.MARGIN_NONE, k.X_OWNERS
G_SIDE, G_TICKS, G_SLOT = k.G_SIDE, k.G_TICKS, k.G_SLOT
ANSWER_LIQUIDATION = k.ANSWER_LIQUIDATION
REASON_LIQUIDATION = k.REASON_LIQUIDATION
X_FILTERS, X_MIN_LOTS, X_MIN_VALUE_X2, X_BAND = (
    k.X_FILTERS,
    k.X_MIN_LOTS,
    k.X_MIN_VALUE_X2,
    k.X_BAND,
)
REASON_MIN_LOTS, REASON_MIN_VALUE = k.REASON_MIN_LOTS, k.REASON_MIN_VALUE
REASON_BAND_HIGH, REASON_BAND_LOW = k.REASON_BAND_HIGH, k.REASON_BAND_LOW
BAND_UNIT = 1_000_000
A_RECEIVED_NS, A_EXCH_NS, A_KIND, A_SLOT = k.A_RECEIVED_NS, k.A_EXCH_NS, k.A_KIND, k.A_SLOT
A_TICKS, A_LOTS, A_MAKER, A_AHEAD, A_REASON = (
    k.A_TICKS,
    k.A_LOTS,
    k.A_MAKER,
    k.A_AHEAD,
    k.A_REASON,
)
A_FINAL, A_FRONT, A_TRADED = k.A_FINAL, k.A_FRONT, k.A_TRADED
REASON_NONE, REASON_POST_ONLY, REASON_IOC = k.REASON_NONE, k.REASON_POST_ONLY, k.REASON_IOC
REASON_FOK, REASON_REDUCE_ONLY = k.REASON_FOK, k.REASON_REDUCE_ONLY
REASON_NOT_WORKING = k.REASON_NOT_WORKING
ROW_TRADE, ROW_CLEAR = k.ROW_TRADE, k.ROW_CLEAR
LIVE_BUYS, LIVE_SELLS, LIVE_STOPS = 0, 1, 2


# -- answers -----------------------------------------------------------------------------------


@kernel
def response_ns(ex: ExchangeState, now_ns: int) -> int:
    """How long the next answer will be under way, where that is not always the same."""
    if ex.control[X_LATENCY] == LATENCY_RECORDED:
        return latency.recorded_ns(ex.delays[0], ex.delays[1], now_ns)
    return latency.drawn_ns(ex.shape, RESPONSE, ex.control[X_ANS_TAIL], now_ns)


@kernel
def answer(
    ex: ExchangeState,
    now_ns: int,
    kind: int,
    slot: int,
    ticks: int,
    lots: int,
    maker: int,
    reason: int,
) -> None:
    """Send an answer; it arrives after the response latency, never before an earlier one."""
    control = ex.control
    if control[X_ANS_TAIL] - control[X_ANS_HEAD] >= ANSWERS_LENGTH:
        control[X_OVERFLOW] = 1
        return
    delay_ns = control[X_RESPONSE_NS]
    if control[X_LATENCY] != LATENCY_CONSTANT:
        delay_ns = response_ns(ex, now_ns)
    received_ns = max(control[X_LAST_ANSWER_NS], now_ns + delay_ns)
    control[X_LAST_ANSWER_NS] = received_ns
    row = ex.answers[control[X_ANS_TAIL] % ANSWERS_LENGTH]
    row[A_RECEIVED_NS] = received_ns
    row[A_EXCH_NS] = now_ns
    row[A_KIND] = kind
    row[A_SLOT] = slot
    row[A_TICKS] = ticks
    row[A_LOTS] = lots
    row[A_MAKER] = maker
    row[A_AHEAD] = ex.orders[slot, O_AHEAD]
    row[A_REASON] = reason
    row[A_FINAL] = ex.orders[slot, O_STATE] == STATE_DONE
    row[A_FRONT] = int(ex.fronts[slot, 0] + 0.5)
    row[A_TRADED] = int(ex.fronts[slot, 2])
    control[X_ANS_TAIL] += 1


@kernel
def expire(ex: ExchangeState, now_ns: int, slot: int, reason: int) -> None:
    ex.orders[slot, O_STATE] = STATE_DONE
    answer(ex, now_ns, ANSWER_EXPIRE, slot, 0, 0, 0, reason)


@kernel
def reducible(ex: ExchangeState, slot: int) -> int:
    """Lots that the order may still fill without turning its owner's position round."""
    order = ex.orders[slot]
    held = ex.positions[order[O_OWNER]]
    if held * order[O_SIDE] >= 0:
        return 0
    return abs(held)


@kernel
def fill(ex: ExchangeState, now_ns: int, slot: int, ticks: int, lots: int, maker: int) -> None:
    """Book `lots` at `ticks` for the order; the caller has made sure that they are left."""
    order = ex.orders[slot]
    owner = order[O_OWNER]
    order[O_LEAVES] -= lots
    if ex.control[X_MARGIN] != MARGIN_NONE:
        margin.note_fill(ex, owner, ex.positions[owner], order[O_SIDE], lots, ticks)
    ex.positions[owner] += order[O_SIDE] * lots
    if order[O_LEAVES] == 0:
        order[O_STATE] = STATE_DONE
    answer(ex, now_ns, ANSWER_FILL, slot, ticks, lots, maker, REASON_NONE)


# -- lists of live orders ------------------------------------------------------------------------


@kernel
def note_ranges(ex: ExchangeState) -> None:
    """Price range of the resting orders of each side: rows outside it cost one comparison."""
    control, orders = ex.control, ex.orders
    low, high = NO_ASK, NO_BID
    for index in range(control[X_BUYS]):
        ticks = orders[ex.live[LIVE_BUYS, index], O_TICKS]
        low, high = min(low, ticks), max(high, ticks)
    control[X_BUY_LOW], control[X_BUY_HIGH] = low, high
    low, high = NO_ASK, NO_BID
    for index in range(control[X_SELLS]):
        ticks = orders[ex.live[LIVE_SELLS, index], O_TICKS]
        low, high = min(low, ticks), max(high, ticks)
    control[X_SELL_LOW], control[X_SELL_HIGH] = low, high


@kernel
def add_live(ex: ExchangeState, which: int, slot: int) -> None:
    control = ex.control
    count = control[X_BUYS + which]
    if count >= LIVE_MAX:
        control[X_OVERFLOW] = 1
        return
    ex.live[which, count] = slot
    control[X_BUYS + which] = count + 1
    if which != LIVE_STOPS:
        ex.marks[which, ex.orders[slot, O_TICKS] % MARKS] += 1
    note_ranges(ex)


@kernel
def sweep_live(ex: ExchangeState, which: int) -> None:
    """Drop what is no longer working from a list, keeping the time order of the rest."""
    control = ex.control
    wanted = STATE_PARKED if which == LIVE_STOPS else STATE_RESTING
    kept = 0
    for index in range(control[X_BUYS + which]):
        slot = ex.live[which, index]
        if ex.orders[slot, O_STATE] == wanted:
            ex.live[which, kept] = slot
            kept += 1
        elif which != LIVE_STOPS:
            ex.marks[which, ex.orders[slot, O_TICKS] % MARKS] -= 1
    control[X_BUYS + which] = kept
    note_ranges(ex)


# -- arrivals ------------------------------------------------------------------------------------


@kernel
def is_marketable(ex: ExchangeState, slot: int) -> bool:
    order = ex.orders[slot]
    if order[O_SIDE] == BUY:
        best = ex.scalars[M_BEST_ASK]
        return best != NO_ASK and (order[O_TICKS] == 0 or order[O_TICKS] >= best)
    best = ex.scalars[M_BEST_BID]
    return best != NO_BID and order[O_TICKS] <= best


@kernel
def reachable(ex: ExchangeState, slot: int, enough: int) -> int:
    """Lots on the other side within the order's limit; stops counting at `enough`."""
    order, scalars, book = ex.orders[slot], ex.scalars, ex.book
    limit, found = order[O_TICKS], 0
    if order[O_SIDE] == BUY:
        ticks = scalars[M_BEST_ASK]
        while ticks != NO_ASK and (limit == 0 or ticks <= limit) and found < enough:
            found += book[ASK, ticks - scalars[M_BASE]]
            ticks = next_ask(book, scalars, ticks)
    else:
        ticks = scalars[M_BEST_BID]
        while ticks != NO_BID and ticks >= limit and found < enough:
            found += book[BID, ticks - scalars[M_BASE]]
            ticks = next_bid(book, scalars, ticks)
    return found


@kernel
def fills_whole(ex: ExchangeState, slot: int) -> bool:
    """Whether a FOK order would fill at once to its last lot; a cut to the position is a no."""
    leaves = ex.orders[slot, O_LEAVES]
    if ex.orders[slot, O_REDUCE] and reducible(ex, slot) < leaves:
        return False
    return reachable(ex, slot, leaves) >= leaves


@kernel
def take(ex: ExchangeState, now_ns: int, slot: int) -> None:
    """Walk the book: fill level by level within the limit and consume what is taken."""
    order, scalars, book = ex.orders[slot], ex.scalars, ex.book
    limit, is_buy = order[O_TICKS], order[O_SIDE] == BUY
    wanted = order[O_LEAVES]
    if order[O_REDUCE]:
        wanted = min(wanted, reducible(ex, slot))
    while wanted > 0:
        ticks = scalars[M_BEST_ASK] if is_buy else scalars[M_BEST_BID]
        if ticks in (NO_ASK, NO_BID):
            return
        if limit != 0 and (ticks > limit if is_buy else ticks < limit):
            return
        held = book[ASK if is_buy else BID, ticks - scalars[M_BASE]]
        lots = min(held, wanted)
        wanted -= lots
        fill(ex, now_ns, slot, ticks, lots, 0)
        if is_buy:
            set_ask(book, scalars, ticks, held - lots)
        else:
            set_bid(book, scalars, ticks, held - lots)


@kernel
def rest(ex: ExchangeState, now_ns: int, slot: int) -> None:
    """Join the level behind what is displayed; our own orders there are served before it too."""
    order, scalars = ex.orders[slot], ex.scalars
    which = LIVE_BUYS if order[O_SIDE] == BUY else LIVE_SELLS
    index = order[O_TICKS] - scalars[M_BASE]
    ahead = 0
    if 0 <= index < ex.book.shape[1]:
        ahead = ex.book[which, index]
    order[O_AHEAD] = ahead
    order[O_STATE] = STATE_RESTING
    queue.join(ex.fronts, slot, ahead)
    add_live(ex, which, slot)


@kernel
def work(ex: ExchangeState, now_ns: int, slot: int, is_new: bool) -> None:
    """An order starts to work: on arrival, or when its trigger is reached."""
    order = ex.orders[slot]
    tif = order[O_TIF]
    order[O_AHEAD] = -1
    if order[O_REDUCE] and reducible(ex, slot) == 0:
        expire(ex, now_ns, slot, REASON_REDUCE_ONLY)
        return
    marketable = is_marketable(ex, slot)
    if marketable and tif == TIF_POST_ONLY:
        # Judged by the book at arrival, not by the one its sender saw.
        expire(ex, now_ns, slot, REASON_POST_ONLY)
        return
    if tif == TIF_FOK and not fills_whole(ex, slot):
        expire(ex, now_ns, slot, REASON_FOK)
        return
    is_resting = order[O_TICKS] != 0 and tif in (TIF_GTC, TIF_POST_ONLY)
    if is_resting and not marketable:
        rest(ex, now_ns, slot)
    if is_new:
        answer(ex, now_ns, ANSWER_ACCEPT, slot, 0, 0, 0, REASON_NONE)
    if marketable:
        take(ex, now_ns, slot)
        if order[O_STATE] == STATE_DONE:
            return
        if order[O_REDUCE] and reducible(ex, slot) == 0:
            expire(ex, now_ns, slot, REASON_REDUCE_ONLY)
        elif is_resting:
            rest(ex, now_ns, slot)
    if not is_resting and order[O_STATE] != STATE_DONE:
        expire(ex, now_ns, slot, REASON_IOC)


@kernel
def refuse(ex: ExchangeState, now_ns: int, kind: int, slot: int, reason: int) -> None:
    """A request that the venue does not look at: the order never is, a cancel changes nothing."""
    if kind == REQUEST_NEW:
        ex.orders[slot, O_STATE] = STATE_DONE
        answer(ex, now_ns, ANSWER_REJECT, slot, 0, 0, 0, reason)
    else:
        answer(ex, now_ns, ANSWER_CANCEL_REJECT, slot, 0, 0, 0, reason)


@kernel
def arrive_new(ex: ExchangeState, now_ns: int, slot: int) -> None:
    order = ex.orders[slot]
    if ex.control[X_FILTERS]:
        reason, allowed_ticks = filter_reason(ex, slot)
        if reason != REASON_NONE:
            order[O_STATE] = STATE_DONE
            answer(ex, now_ns, ANSWER_REJECT, slot, allowed_ticks, 0, 0, reason)
            return
    if order[O_KIND] in (KIND_STOP, KIND_STOP_LIMIT):
        order[O_STATE] = STATE_PARKED
        order[O_AHEAD] = -1
        add_live(ex, LIVE_STOPS, slot)
        answer(ex, now_ns, ANSWER_ACCEPT, slot, 0, 0, 0, REASON_NONE)
        return
    work(ex, now_ns, slot, True)


@kernel
def arrive_cancel(ex: ExchangeState, now_ns: int, slot: int) -> None:
    order = ex.orders[slot]
    state = order[O_STATE]
    if state not in (STATE_RESTING, STATE_PARKED):
        answer(ex, now_ns, ANSWER_CANCEL_REJECT, slot, 0, 0, 0, REASON_NOT_WORKING)
        return
    order[O_STATE] = STATE_DONE
    answer(ex, now_ns, ANSWER_CANCEL, slot, 0, 0, 0, REASON_NONE)
    if state == STATE_PARKED:
        sweep_live(ex, LIVE_STOPS)
    else:
        sweep_live(ex, LIVE_BUYS if order[O_SIDE] == BUY else LIVE_SELLS)


# -- market rows -----------------------------------------------------------------------------------


@kernel
def fill_resting(ex: ExchangeState, now_ns: int, slot: int, lots: int) -> None:
    """A resting order trades at its own price, as maker; reduce-only is cut to the position."""
    order = ex.orders[slot]
    if order[O_REDUCE]:
        lots = min(lots, reducible(ex, slot))
    if lots > 0:
        fill(ex, now_ns, slot, order[O_TICKS], lots, 1)
    if order[O_REDUCE] and order[O_STATE] == STATE_RESTING and reducible(ex, slot) == 0:
        expire(ex, now_ns, slot, REASON_REDUCE_ONLY)


@kernel
def trade_against(ex: ExchangeState, now_ns: int, which: int, ticks: int, lots: int) -> None:
    """A trade at `ticks` against one side: `which` is LIVE_BUYS or LIVE_SELLS."""
    sign = BUY if which == LIVE_BUYS else SELL
    has_ended = False
    used = 0
    for index in range(ex.control[X_BUYS + which]):
        slot = ex.live[which, index]
        order = ex.orders[slot]
        better = (order[O_TICKS] - ticks) * sign
        if better >= 0:
            ex.fronts[slot, 2] += lots
        if better > 0:
            # Through our price: everything at our level has gone before, we are filled whole.
            fill_resting(ex, now_ns, slot, order[O_LEAVES])
        elif better == 0:
            # At our price: only what is left of the trade after the queue ahead reaches us.
            reached = queue.on_trade(ex.fronts, slot, lots, used)
            if reached > 0:
                leaves = order[O_LEAVES]
                took = min(leaves, reached)
                used += took
                is_whole = ex.control[X_WHOLE_FILLS] == 1
                fill_resting(ex, now_ns, slot, leaves if is_whole else took)
        has_ended |= order[O_STATE] == STATE_DONE
    if has_ended:
        sweep_live(ex, which)


@kernel
def quote_through(ex: ExchangeState, now_ns: int, which: int, best: int) -> None:
    """The other side now quotes at or through our price: it would have met us, we are filled."""
    sign = BUY if which == LIVE_BUYS else SELL
    has_ended = False
    for index in range(ex.control[X_BUYS + which]):
        slot = ex.live[which, index]
        order = ex.orders[slot]
        if (order[O_TICKS] - best) * sign >= 0:
            fill_resting(ex, now_ns, slot, order[O_LEAVES])
            has_ended |= order[O_STATE] == STATE_DONE
    if has_ended:
        sweep_live(ex, which)


@kernel
def end_orders(ex: ExchangeState, now_ns: int, owner: int, reason: int) -> None:
    """The venue ends every working order of `owner`."""
    for which in range(3):
        for index in range(ex.control[X_BUYS + which]):
            slot = ex.live[which, index]
            if ex.orders[slot, O_OWNER] == owner:
                expire(ex, now_ns, slot, reason)
        sweep_live(ex, which)


@kernel
def liquidate(ex: ExchangeState, now_ns: int, owner: int) -> None:
    """The venue closes a position with a market order of its own, in the slot kept for it."""
    guard, held = ex.guards[owner], ex.positions[owner]
    slot = guard[G_SLOT]
    guard[G_SLOT] = -1
    end_orders(ex, now_ns, owner, REASON_LIQUIDATION)
    order = ex.orders[slot]
    order[:] = 0
    order[O_SIDE], order[O_LEAVES], order[O_OWNER] = guard[G_SIDE], abs(held), owner
    order[O_KIND], order[O_TIF], order[O_REDUCE] = KIND_MARKET, TIF_IOC, 1
    order[O_STATE], order[O_AHEAD] = STATE_SENT, -1
    answer(ex, now_ns, ANSWER_LIQUIDATION, slot, guard[G_TICKS], abs(held), 0, REASON_NONE)
    work(ex, now_ns, slot, False)


@kernel
def check_margins(ex: ExchangeState, now_ns: int, ticks: int) -> None:
    """A trade at `ticks`: does it reach anybody's liquidation price?"""
    for owner in range(ex.control[X_OWNERS]):
        guard = ex.guards[owner]
        side = guard[G_SIDE]
        if side != 0 and (ticks - guard[G_TICKS]) * side >= 0 and guard[G_SLOT] >= 0:
            liquidate(ex, now_ns, owner)


@kernel
def trigger_stops(ex: ExchangeState, now_ns: int, ticks: int) -> None:
    """Stops look at trades: a buy stop at or above its trigger, a sell stop at or below."""
    control = ex.control
    has_fired = False
    count = control[X_STOPS]
    for index in range(count):
        slot = ex.live[LIVE_STOPS, index]
        order = ex.orders[slot]
        if (ticks - order[O_TRIGGER]) * order[O_SIDE] >= 0:
            has_fired = True
            order[O_STATE] = STATE_SENT
            answer(ex, now_ns, ANSWER_TRIGGER, slot, 0, 0, 0, REASON_NONE)
            work(ex, now_ns, slot, False)
    if has_fired:
        sweep_live(ex, LIVE_STOPS)


@kernel
def update_queue(ex: ExchangeState, which: int, ticks: int, before: int, after: int) -> None:
    model, power = ex.control[X_QUEUE_MODEL], ex.queue[0]
    for index in range(ex.control[X_BUYS + which]):
        slot = ex.live[which, index]
        if ex.orders[slot, O_TICKS] == ticks:
            queue.on_depth(ex.fronts, slot, model, power, before, after)


@kernel
def exchange_trade(ex: ExchangeState, now_ns: int, side: int, ticks: int, lots: int) -> None:
    """A trade at the exchange; `side` is the aggressor's, so it meets the other side."""
    control = ex.control
    if side == BUY:
        if control[X_SELLS] > 0 and ticks >= control[X_SELL_LOW]:
            trade_against(ex, now_ns, LIVE_SELLS, ticks, lots)
    elif control[X_BUYS] > 0 and ticks <= control[X_BUY_HIGH]:
        trade_against(ex, now_ns, LIVE_BUYS, ticks, lots)
    if control[X_MARGIN] != MARGIN_NONE:
        check_margins(ex, now_ns, ticks)
    if control[X_STOPS] > 0:
        trigger_stops(ex, now_ns, ticks)


@kernel
def has_orders(ex: ExchangeState) -> bool:
    """Whether a market row can cause an answer at all."""
    control = ex.control
    live = control[X_BUYS] + control[X_SELLS] + control[X_STOPS]
    return live > 0 or control[X_MARGIN] != MARGIN_NONE


@kernel
def exchange_row(
    ex: ExchangeState, now_ns: int, kind: int, side: int, ticks: int, lots: int
) -> None:
    """One market row of any kind at the exchange, with all that it does to our orders.

    A level row touches our orders only inside the price range of their side, a new best price
    only if it reaches the nearest of the other side.
    """
    book, scalars, control = ex.book, ex.scalars, ex.control
    if kind == ROW_TRADE:
        exchange_trade(ex, now_ns, side, ticks, lots)
    elif kind == ROW_CLEAR:
        if side == BUY:
            clear_bids(book, scalars, ticks)
        else:
            clear_asks(book, scalars, ticks)
    elif side == BUY:
        best = scalars[M_BEST_BID]
        before = set_bid(book, scalars, ticks, lots)
        if control[X_BUY_LOW] <= ticks <= control[X_BUY_HIGH]:
            update_queue(ex, LIVE_BUYS, ticks, before, lots)
        if ticks > best and lots > 0 and ticks >= control[X_SELL_LOW]:
            quote_through(ex, now_ns, LIVE_SELLS, ticks)
    else:
        best = scalars[M_BEST_ASK]
        before = set_ask(book, scalars, ticks, lots)
        if control[X_SELL_LOW] <= ticks <= control[X_SELL_HIGH]:
            update_queue(ex, LIVE_SELLS, ticks, before, lots)
        if ticks < best and lots > 0 and ticks <= control[X_BUY_HIGH]:
            quote_through(ex, now_ns, LIVE_BUYS, ticks)


@kernel
def exchange_run(
    ex: ExchangeState,
    rows: Rows,
    order: Int64s,
    index: int,
    count: int,
    now_ns: int,
    limit_ns: int,
) -> tuple[int, int]:
    """Apply market rows at the exchange from `order[index]` on that are stamped not after
    `limit_ns`; stops after a row that caused an answer. Returns (next index, now).
    """
    control = ex.control
    answers = control[X_ANS_TAIL]
    while index < count and control[X_ANS_TAIL] == answers:
        # A waiting stop looks at every trade, and so does who may liquidate.
        has_stops = control[X_STOPS] > 0 or control[X_MARGIN] != MARGIN_NONE
        index = run_exchange(
            ex.book,
            ex.scalars,
            rows,
            order,
            index,
            count,
            limit_ns,
            ex.marks,
            NO_ASK if has_stops else control[X_BUY_HIGH],
            NO_BID if has_stops else control[X_SELL_LOW],
        )
        if index == count:
            break
        row = rows[order[index]]
        if row["ts_exch_ns"] > limit_ns:
            break
        index += 1
        now_ns = max(now_ns, row["ts_exch_ns"])
        exchange_row(ex, now_ns, row["kind"], row["side"], row["price_ticks"], row["qty_lots"])
    return index, max(now_ns, ex.scalars[M_EXCH_NS])
