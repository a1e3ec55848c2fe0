"""Two processors with latency between them: the exchange, and we who hear of it later.

At one instant the order is: market data that reaches us, answers that reach us, market data at the
exchange, funding stamps, requests that reach the exchange. We can only know what has crossed the
wire, so looking ahead is impossible by construction.

The two sides meet only in answers and requests. So each runs in strides, as far as nothing of the
other can reach it, instead of taking turns row by row:
timed       only an answer or the clock can stop us: the exchange goes first, up to that stop.
watchful    a row may stop us too: we go first, while no answer can have been received, and the
            exchange follows. It is never ahead of the instant at which control is handed back.
"""

from __future__ import annotations

from typing import Any

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.funding import pay_funding
from engine.kernels.layout import ExchangeState, Int64s, MarketState, Rows
from engine.kernels.local import local_run
from engine.kernels.matching import (
    arrive_cancel,
    arrive_new,
    exchange_run,
    has_orders,
    refuse,
)

X_NOW_NS, X_ROWS, X_EXCH_ROW, X_LOCAL_ROW = k.X_NOW_NS, k.X_ROWS, k.X_EXCH_ROW, k.X_LOCAL_ROW
X_MORE, X_REQ_HEAD, X_REQ_TAIL = k.X_MORE, k.X_REQ_HEAD, k.X_REQ_TAIL
X_ANS_HEAD, X_ANS_TAIL = k.X_ANS_HEAD, k.X_ANS_TAIL
REQUESTS_LENGTH, ANSWERS_LENGTH = k.REQUESTS_LENGTH, k.ANSWERS_LENGTH
Q_ARRIVAL_NS, Q_KIND, Q_SLOT, REQUEST_NEW = k.Q_ARRIVAL_NS, k.Q_KIND, k.Q_SLOT, k.REQUEST_NEW
Q_REASON, REASON_NONE = k.Q_REASON, k.REASON_NONE
ANSWERS_PASS = k.ANSWERS_PASS
X_STAMP_NS, X_STAMP_EVERY_NS = k.X_STAMP_NS, k.X_STAMP_EVERY_NS
X_PENDING, X_EXCH_NS, X_RESPONSE_NS = k.X_PENDING, k.X_EXCH_NS, k.X_RESPONSE_NS
A_RECEIVED_NS, M_NOW_NS = k.A_RECEIVED_NS, k.M_NOW_NS
WAKE_UNTIL, WAKE_REPORT, WAKE_END, WAKE_MORE = (
    k.WAKE_UNTIL,
    k.WAKE_REPORT,
    k.WAKE_END,
    k.WAKE_MORE,
)
FAR_NS = (1 << 63) - 1


@kernel
def next_answer_ns(ex: ExchangeState) -> int:
    control = ex.control
    if control[X_ANS_HEAD] == control[X_ANS_TAIL]:
        return FAR_NS
    return ex.answers[control[X_ANS_HEAD] % ANSWERS_LENGTH, A_RECEIVED_NS]


@kernel
def next_request_ns(ex: ExchangeState) -> int:
    control = ex.control
    if control[X_REQ_HEAD] == control[X_REQ_TAIL]:
        return FAR_NS
    return ex.requests[control[X_REQ_HEAD] % REQUESTS_LENGTH, Q_ARRIVAL_NS]


@kernel
def next_stamp_ns(ex: ExchangeState, has_rows: bool) -> int:
    """The next funding stamp; there is none after the last row."""
    if ex.control[X_STAMP_EVERY_NS] == 0 or not has_rows:
        return FAR_NS
    return ex.control[X_STAMP_NS]


@kernel
def take_request(ex: ExchangeState, now_ns: int) -> None:
    row = ex.requests[ex.control[X_REQ_HEAD] % REQUESTS_LENGTH]
    ex.control[X_REQ_HEAD] += 1
    if row[Q_REASON] != REASON_NONE:
        refuse(ex, now_ns, row[Q_KIND], row[Q_SLOT], row[Q_REASON])
    elif row[Q_KIND] == REQUEST_NEW:
        arrive_new(ex, now_ns, row[Q_SLOT])
    else:
        arrive_cancel(ex, now_ns, row[Q_SLOT])


@kernel
def is_exchange_awaited(ex: ExchangeState) -> bool:
    """Whether anything can come of the exchange's rows: an order of ours is there, or under way.

    Where not, its book is left behind, and made up for when the next request arrives: what comes of
    it is the same, and a market that is only watched costs one book instead of two. Funding is paid
    at the mid of its stamp, so it never lags where there is any."""
    control = ex.control
    is_asked = control[X_REQ_HEAD] != control[X_REQ_TAIL]
    return has_orders(ex) or is_asked or control[X_STAMP_EVERY_NS] != 0


@kernel
def catch_up(rows: Rows, exch_order: Int64s, ex: ExchangeState) -> None:
    """Bring an exchange that was left behind to the present; before rows are let go."""
    control = ex.control
    if not is_exchange_awaited(ex):
        control[X_EXCH_ROW], control[X_EXCH_NS] = exchange_run(
            ex,
            rows,
            exch_order,
            control[X_EXCH_ROW],
            len(exch_order),
            control[X_EXCH_NS],
            control[X_NOW_NS],
        )


@kernel
def after(start_ns: int, gap_ns: int) -> int:
    """`start_ns` + `gap_ns`, without running over."""
    return start_ns + gap_ns if start_ns < FAR_NS - gap_ns else FAR_NS


@kernel
def advance(
    rows: Rows, exch_order: Int64s, ex: ExchangeState, market: MarketState, until_ns: int, mask: int
) -> int:
    """Run to the first instant, not after `until_ns`, with a reason in `mask`; returns reasons.

    `exch_order` lists, by venue time, the indices of the rows that the exchange may still have to
    process; X_EXCH_ROW counts into it. Everything of one instant is processed before
    control goes back. WAKE_MORE: give more rows and call again.
    """
    control = ex.control
    count, exch_count = control[X_ROWS], len(exch_order)
    exch_row, local_row = control[X_EXCH_ROW], control[X_LOCAL_ROW]
    has_more = control[X_MORE] == 1
    now_ns, exch_now_ns = control[X_NOW_NS], control[X_EXCH_NS]
    response_ns = control[X_RESPONSE_NS]
    is_passing = mask & ANSWERS_PASS != 0
    is_timed = mask & ~(WAKE_REPORT | ANSWERS_PASS) == 0
    mask = mask & ~ANSWERS_PASS if is_passing else mask | WAKE_REPORT
    reasons = control[X_PENDING]
    while True:
        answer_ns, request_ns = next_answer_ns(ex), next_request_ns(ex)
        # A side whose rows have run out, while there are more, has got as far as its last row.
        local_ns = exch_ns = FAR_NS
        has_local, has_exch = local_row < count, exch_row < exch_count
        stamp_ns = next_stamp_ns(ex, has_exch or has_more)
        request_ns = min(request_ns, stamp_ns)
        if has_local or has_more:
            local_ns = rows[min(local_row, count - 1)]["ts_local_ns"]
        is_awaited = is_exchange_awaited(ex)
        if (has_exch or has_more) and is_awaited:
            exch_ns = rows[exch_order[min(exch_row, exch_count - 1)]]["ts_exch_ns"]
        stop_ns = until_ns if is_passing else min(until_ns, answer_ns)
        if reasons & mask:
            stop_ns = now_ns
        if is_timed:
            exch_limit_ns = stop_ns
            local_limit_ns = min(stop_ns, min(exch_ns, request_ns))
        else:
            exch_limit_ns = min(stop_ns, max(local_ns, now_ns))
            cause_ns = min(request_ns, exch_ns) if has_orders(ex) else request_ns
            local_limit_ns = min(stop_ns, after(cause_ns, response_ns))
        # Rows stamped earlier than now (one stream a little out of order) happen now.
        can_local = has_local and local_ns <= max(local_limit_ns, now_ns)
        can_exch = has_exch and is_awaited and exch_ns <= min(exch_limit_ns, request_ns)
        can_request = request_ns < exch_ns and request_ns <= exch_limit_ns
        if can_local and not (is_timed and (can_exch or can_request)):
            local_row, now_ns, reasons = local_run(
                market, rows, local_row, count, now_ns, max(local_limit_ns, now_ns), reasons, mask
            )
        elif can_exch:
            limit_ns = min(exch_limit_ns, request_ns)
            exch_row, exch_now_ns = exchange_run(
                ex, rows, exch_order, exch_row, exch_count, exch_now_ns, limit_ns
            )
        elif can_request:
            exch_now_ns = max(exch_now_ns, request_ns)
            if stamp_ns == request_ns:
                pay_funding(ex, exch_now_ns)
            else:
                take_request(ex, exch_now_ns)
        elif has_more and not (has_local and has_exch):
            break
        elif answer_ns <= stop_ns:
            reasons = reasons | WAKE_REPORT if answer_ns <= now_ns else WAKE_REPORT
            now_ns = max(now_ns, answer_ns)
            control[X_ANS_HEAD] += 1
        else:
            break
    if has_more and not (has_local and has_exch):
        control[X_PENDING] = reasons
        reasons = WAKE_MORE
    else:
        control[X_PENDING] = 0
        reasons &= mask
        last_ns = rows[exch_order[exch_count - 1]]["ts_exch_ns"] if has_exch else exch_now_ns
        soonest_ns = min(min(local_ns, exch_ns), min(answer_ns, request_ns))
        if reasons == 0 and soonest_ns == FAR_NS and last_ns <= until_ns:
            exch_now_ns = max(exch_now_ns, last_ns)
            reasons, now_ns = WAKE_END, max(now_ns, exch_now_ns)
        elif reasons == 0:
            reasons, now_ns = WAKE_UNTIL, max(now_ns, until_ns)
    control[X_EXCH_ROW], control[X_LOCAL_ROW] = exch_row, local_row
    control[X_NOW_NS], control[X_EXCH_NS] = now_ns, exch_now_ns
    market.scalars[M_NOW_NS] = now_ns
    return reasons


@kernel
def advance_parts(
    rows: Rows,
    exch_order: Int64s,
    until_ns: int,
    mask: int,
    book: Int64s,
    scalars: Int64s,
    tape: Int64s,
    bars: Int64s,
    bar_scalars: Int64s,
    *exchange: Any,
) -> int:
    """`advance` for callers in Python: bare arrays (the market's, then the exchange's in the order
    of their fields) take a third of the time that named tuples of them take to be handed over."""
    market = MarketState(book, scalars, tape, bars, bar_scalars)
    return advance(rows, exch_order, ExchangeState(*exchange), market, until_ns, mask)
