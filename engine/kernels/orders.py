"""Our orders at the exchange: what is said of them, how they fill, the lists they are kept in."""

from __future__ import annotations

from engine.kernels import chance, latency, margin
from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import ExchangeState

RESPONSE = chance.RESPONSE
X_LATENCY, LATENCY_CONSTANT, LATENCY_RECORDED = k.X_LATENCY, k.LATENCY_CONSTANT, k.LATENCY_RECORDED
NO_ASK, NO_BID = k.NO_ASK, k.NO_BID
O_SIDE, O_TICKS, O_LEAVES, O_OWNER, O_STATE = k.O_SIDE, k.O_TICKS, k.O_LEAVES, k.O_OWNER, k.O_STATE
O_AHEAD = k.O_AHEAD
STATE_RESTING, STATE_PARKED, STATE_DONE = k.STATE_RESTING, k.STATE_PARKED, k.STATE_DONE
X_ANS_HEAD, X_ANS_TAIL, X_LAST_ANSWER_NS = k.X_ANS_HEAD, k.X_ANS_TAIL, k.X_LAST_ANSWER_NS
X_RESPONSE_NS, X_OVERFLOW, X_MARGIN, MARGIN_NONE = (
    k.X_RESPONSE_NS,
    k.X_OVERFLOW,
    k.X_MARGIN,
    k.MARGIN_NONE,
)
X_BUYS, X_SELLS = k.X_BUYS, k.X_SELLS
X_BUY_LOW, X_BUY_HIGH = k.X_BUY_LOW, k.X_BUY_HIGH
X_SELL_LOW, X_SELL_HIGH = k.X_SELL_LOW, k.X_SELL_HIGH
ANSWERS_LENGTH, LIVE_MAX, MARKS = k.ANSWERS_LENGTH, k.LIVE_MAX, k.MARKS
ANSWER_FILL, ANSWER_EXPIRE, REASON_NONE = k.ANSWER_FILL, k.ANSWER_EXPIRE, k.REASON_NONE
A_RECEIVED_NS, A_EXCH_NS, A_KIND, A_SLOT = k.A_RECEIVED_NS, k.A_EXCH_NS, k.A_KIND, k.A_SLOT
A_TICKS, A_LOTS, A_MAKER, A_AHEAD, A_REASON = (
    k.A_TICKS,
    k.A_LOTS,
    k.A_MAKER,
    k.A_AHEAD,
    k.A_REASON,
)
A_FINAL, A_FRONT, A_TRADED = k.A_FINAL, k.A_FRONT, k.A_TRADED
LIVE_BUYS, LIVE_SELLS, LIVE_STOPS = 0, 1, 2
"""Rows of `ExchangeState.live`."""


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
