"""Two processors with latency between them: the exchange, and we who hear of it later.

Four sources of events; the earliest goes first, and at one instant the order is: market data that
reaches us, answers that reach us, market data at the exchange, requests that reach the exchange.
We can only know what has crossed the wire, so looking ahead is impossible by construction.
"""

from __future__ import annotations

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import ExchangeState, Int64s, MarketState, Rows
from engine.kernels.local import local_run
from engine.kernels.matching import arrive_cancel, arrive_new, exchange_run

X_NOW_NS, X_ROWS, X_EXCH_ROW, X_LOCAL_ROW = k.X_NOW_NS, k.X_ROWS, k.X_EXCH_ROW, k.X_LOCAL_ROW
X_MORE, X_REQ_HEAD, X_REQ_TAIL = k.X_MORE, k.X_REQ_HEAD, k.X_REQ_TAIL
X_ANS_HEAD, X_ANS_TAIL = k.X_ANS_HEAD, k.X_ANS_TAIL
REQUESTS_LENGTH, ANSWERS_LENGTH = k.REQUESTS_LENGTH, k.ANSWERS_LENGTH
Q_ARRIVAL_NS, Q_KIND, Q_SLOT, REQUEST_NEW = k.Q_ARRIVAL_NS, k.Q_KIND, k.Q_SLOT, k.REQUEST_NEW
X_PENDING = k.X_PENDING
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
def take_request(ex: ExchangeState, now_ns: int) -> None:
    row = ex.requests[ex.control[X_REQ_HEAD] % REQUESTS_LENGTH]
    ex.control[X_REQ_HEAD] += 1
    if row[Q_KIND] == REQUEST_NEW:
        arrive_new(ex, now_ns, row[Q_SLOT])
    else:
        arrive_cancel(ex, now_ns, row[Q_SLOT])


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
    exch_row, local_index = control[X_EXCH_ROW], control[X_LOCAL_ROW]
    has_more = control[X_MORE] == 1
    now_ns = control[X_NOW_NS]
    mask |= WAKE_REPORT
    reasons = control[X_PENDING]
    answer_ns, request_ns = next_answer_ns(ex), next_request_ns(ex)
    while True:
        if has_more and (exch_row == exch_count or local_index == count):
            control[X_PENDING] = reasons
            reasons = WAKE_MORE
            break
        local_ns = rows[local_index]["ts_local_ns"] if local_index < count else FAR_NS
        exch_ns = rows[exch_order[exch_row]]["ts_exch_ns"] if exch_row < exch_count else FAR_NS
        first_ns = min(min(local_ns, answer_ns), min(exch_ns, request_ns))
        if first_ns > now_ns:
            if reasons & mask:
                break
            if first_ns > until_ns:
                reasons |= WAKE_END if first_ns == FAR_NS else WAKE_UNTIL
                break
            reasons = 0
            now_ns = first_ns
        # Rows stamped earlier than now (one stream a little out of order) happen now.
        if local_ns == first_ns:
            limit_ns = min(min(answer_ns, exch_ns), min(request_ns, until_ns))
            local_index, now_ns, reasons = local_run(
                market, rows, local_index, count, now_ns, max(limit_ns, now_ns), reasons, mask
            )
        elif answer_ns == first_ns:
            control[X_ANS_HEAD] += 1
            reasons |= WAKE_REPORT
            answer_ns = next_answer_ns(ex)
        elif exch_ns == first_ns:
            last_ns = now_ns if reasons & mask else min(request_ns, until_ns)
            exch_row, now_ns = exchange_run(
                ex,
                rows,
                exch_order,
                exch_row,
                exch_count,
                now_ns,
                min(local_ns, answer_ns),
                max(last_ns, now_ns),
            )
            answer_ns = next_answer_ns(ex)
        else:
            take_request(ex, now_ns)
            request_ns = next_request_ns(ex)
            answer_ns = next_answer_ns(ex)
    if not reasons & WAKE_MORE:
        control[X_PENDING] = 0
    if reasons & WAKE_UNTIL:
        now_ns = max(now_ns, until_ns)
    control[X_EXCH_ROW], control[X_LOCAL_ROW] = exch_row, local_index
    control[X_NOW_NS] = now_ns
    market.scalars[M_NOW_NS] = now_ns
    return reasons
