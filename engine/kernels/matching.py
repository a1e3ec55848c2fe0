"""The exchange side: what market rows do to our resting orders, and what our requests do.

Assumptions are stated beside the branch that makes them. Resting orders do not change the replayed
book; what we take from it is gone until the level's next depth row, and longer with a half-life
(`impact`).
"""

from __future__ import annotations

from engine.kernels import impact, queue
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
from engine.kernels.orders import (
    LIVE_BUYS,
    LIVE_SELLS,
    LIVE_STOPS,
    add_live,
    answer,
    expire,
    fill,
    reducible,
    sweep_live,
)
from engine.kernels.plain import run_exchange
from engine.kernels.self_trade import ends_by_self_trade, first_met

BUY, SELL, BID, ASK = k.BUY, k.SELL, k.BID, k.ASK
NO_ASK, NO_BID = k.NO_ASK, k.NO_BID
M_BASE, M_BEST_BID, M_BEST_ASK = k.M_BASE, k.M_BEST_BID, k.M_BEST_ASK
M_EXCH_NS = k.M_EXCH_NS
O_SIDE, O_TICKS, O_LEAVES, O_KIND, O_TIF = k.O_SIDE, k.O_TICKS, k.O_LEAVES, k.O_KIND, k.O_TIF
O_TRIGGER, O_REDUCE, O_OWNER, O_STATE = k.O_TRIGGER, k.O_REDUCE, k.O_OWNER, k.O_STATE
O_AHEAD = k.O_AHEAD
KIND_MARKET, KIND_STOP, KIND_STOP_LIMIT = k.KIND_MARKET, k.KIND_STOP, k.KIND_STOP_LIMIT
TIF_GTC, TIF_FOK, TIF_POST_ONLY = k.TIF_GTC, k.TIF_FOK, k.TIF_POST_ONLY
TIF_LIQUIDATION = k.TIF_LIQUIDATION
STATE_SENT, STATE_RESTING, STATE_PARKED = k.STATE_SENT, k.STATE_RESTING, k.STATE_PARKED
STATE_DONE = k.STATE_DONE
X_ANS_TAIL, X_QUEUE_MODEL, X_WHOLE_FILLS = k.X_ANS_TAIL, k.X_QUEUE_MODEL, k.X_WHOLE_FILLS
X_BUYS, X_SELLS, X_STOPS, X_OWNERS = k.X_BUYS, k.X_SELLS, k.X_STOPS, k.X_OWNERS
X_BUY_LOW, X_BUY_HIGH = k.X_BUY_LOW, k.X_BUY_HIGH
X_SELL_LOW, X_SELL_HIGH = k.X_SELL_LOW, k.X_SELL_HIGH
X_FILTERS, X_EATEN, X_SELF_TRADE = k.X_FILTERS, k.X_EATEN, k.X_SELF_TRADE
X_MARGIN, MARGIN_NONE, SELF_TRADE_MAKER = k.X_MARGIN, k.MARGIN_NONE, k.SELF_TRADE_MAKER
G_SIDE, G_TICKS, G_SLOT = k.G_SIDE, k.G_TICKS, k.G_SLOT
REQUEST_NEW = k.REQUEST_NEW
ANSWER_ACCEPT, ANSWER_CANCEL = k.ANSWER_ACCEPT, k.ANSWER_CANCEL
ANSWER_CANCEL_REJECT, ANSWER_TRIGGER = k.ANSWER_CANCEL_REJECT, k.ANSWER_TRIGGER
ANSWER_REJECT, ANSWER_LIQUIDATION = k.ANSWER_REJECT, k.ANSWER_LIQUIDATION
REASON_NONE, REASON_POST_ONLY, REASON_IOC = k.REASON_NONE, k.REASON_POST_ONLY, k.REASON_IOC
REASON_FOK, REASON_REDUCE_ONLY = k.REASON_FOK, k.REASON_REDUCE_ONLY
REASON_NOT_WORKING, REASON_LIQUIDATION = k.REASON_NOT_WORKING, k.REASON_LIQUIDATION
REASON_SELF_TRADE = k.REASON_SELF_TRADE
ROW_TRADE, ROW_CLEAR = k.ROW_TRADE, k.ROW_CLEAR


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
    worst_ticks = 0
    while wanted > 0:
        ticks = scalars[M_BEST_ASK] if is_buy else scalars[M_BEST_BID]
        is_empty = ticks in (NO_ASK, NO_BID)
        is_over = is_empty or (limit != 0 and (ticks > limit if is_buy else ticks < limit))
        if ends_by_self_trade(ex, now_ns, slot, limit if is_over else ticks):
            return
        if is_over:
            if is_empty:
                take_beyond(ex, now_ns, slot, wanted, worst_ticks)
            return
        worst_ticks = ticks
        held = book[ASK if is_buy else BID, ticks - scalars[M_BASE]]
        lots = min(held, wanted)
        wanted -= lots
        fill(ex, now_ns, slot, ticks, lots, 0)
        if is_buy:
            set_ask(book, scalars, ticks, held - lots)
        else:
            set_bid(book, scalars, ticks, held - lots)
        impact.note_taken(ex, now_ns, ASK if is_buy else BID, ticks, lots)


@kernel
def take_beyond(ex: ExchangeState, now_ns: int, slot: int, lots: int, worst_ticks: int) -> None:
    """The book has no more: what is left fills where the square-root law says, if anywhere."""
    order = ex.orders[slot]
    ticks = impact.ticks_beyond(ex, lots, worst_ticks, order[O_SIDE])
    if ticks != 0 and (order[O_TICKS] == 0 or (ticks - order[O_TICKS]) * order[O_SIDE] <= 0):
        fill(ex, now_ns, slot, ticks, lots, 0)


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
    meets_own = first_met(ex, slot, order[O_TICKS]) >= 0
    marketable = is_marketable(ex, slot) or meets_own
    if marketable and tif == TIF_POST_ONLY:
        # Judged by the book at arrival, not by the one its sender saw.
        expire(ex, now_ns, slot, REASON_POST_ONLY)
        return
    if tif == TIF_FOK and not fills_whole(ex, slot):
        expire(ex, now_ns, slot, REASON_FOK)
        return
    if tif == TIF_FOK and meets_own and ex.control[X_SELF_TRADE] != SELF_TRADE_MAKER:
        expire(ex, now_ns, slot, REASON_SELF_TRADE)
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
    order[O_KIND], order[O_TIF], order[O_REDUCE] = KIND_MARKET, TIF_LIQUIDATION, 1
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
        if control[X_EATEN] > 0:
            lots = impact.standing(ex, now_ns, BID, ticks, lots)
        best = scalars[M_BEST_BID]
        before = set_bid(book, scalars, ticks, lots)
        if control[X_BUY_LOW] <= ticks <= control[X_BUY_HIGH]:
            update_queue(ex, LIVE_BUYS, ticks, before, lots)
        if ticks > best and lots > 0 and ticks >= control[X_SELL_LOW]:
            quote_through(ex, now_ns, LIVE_SELLS, ticks)
    else:
        if control[X_EATEN] > 0:
            lots = impact.standing(ex, now_ns, ASK, ticks, lots)
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
