"""What an order event does to an order: one pure table, no clock, no await.

Two fields that never mix: `status` is what the venue has told us, `pending` what we have asked and
not heard back about. The table below is over the status; `_pending_after` settles the other.

Fills are the exception to "next state": a fill may come before the acknowledgement, after the
cancel, twice, or beyond the ordered quantity, and money has moved in each case. So a fill that has
not been seen before is always added, whatever the status; the table only says what to call the
order afterwards and whether somebody must look at it.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from engine.domain.events import (
    AnyOrderEvent,
    CancelIntended,
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderProvenAbsent,
    OrderRejected,
    OrderTriggered,
    PlacementUnknown,
)
from engine.domain.order import Order, OrderStatus, Pending

S = OrderStatus


class Row(NamedTuple):
    """`to` is the next status; None keeps the present one. `suspect` flags for reconciliation."""

    to: OrderStatus | None
    note: str = ""
    suspect: bool = False


class Step(NamedTuple):
    order: Order
    is_repeat: bool
    """The event changed nothing because it had been applied before."""
    anomaly: str
    """Why the order was marked for reconciliation by this very event; "" if it was not."""


_SAME = Row(None)
LOST_NOTE = "the venue lost an order it had confirmed"

TABLE: dict[type[AnyOrderEvent], dict[OrderStatus, Row]] = {
    OrderAccepted: {
        S.INTENT: Row(S.OPEN),
        S.OPEN: Row(None, "acknowledged again after a reconnect"),
        S.PARTIAL: Row(None, "the fill overtook the acknowledgement"),
        S.FILLED: Row(None, "the last fill overtook the acknowledgement"),
        S.CANCELED: Row(None, "the cancel overtook the acknowledgement"),
        S.EXPIRED: Row(None, "ended at once; the acknowledgement came late"),
        S.REJECTED: Row(S.OPEN, "rejected first, live after all", suspect=True),
        S.ABSENT: Row(S.OPEN, "a ghost: proven absent, live after all", suspect=True),
    },
    OrderRejected: {
        S.INTENT: Row(S.REJECTED),
        S.OPEN: Row(None, "rejected after it was live: two answers to one order", suspect=True),
        S.PARTIAL: Row(None, "rejected after it traded", suspect=True),
        S.FILLED: Row(None, "rejected after it traded", suspect=True),
        S.CANCELED: Row(None, "rejected after it was cancelled", suspect=True),
        S.EXPIRED: Row(None, "a post-only refusal reported in both forms"),
        S.REJECTED: Row(None, "rejected twice"),
        S.ABSENT: Row(S.REJECTED, "the late answer to a lost placement"),
    },
    # `to` of a fill row is the status while quantity is left; None keeps the present status.
    OrderFilled: {
        S.INTENT: Row(S.PARTIAL, "the fill overtook the acknowledgement"),
        S.OPEN: Row(S.PARTIAL),
        S.PARTIAL: Row(S.PARTIAL),
        S.FILLED: Row(None, "filled beyond its quantity", suspect=True),
        S.CANCELED: Row(None, "traded before the cancel reached the venue"),
        S.EXPIRED: Row(None, "traded before it expired"),
        S.REJECTED: Row(S.PARTIAL, "rejected, yet it traded", suspect=True),
        S.ABSENT: Row(S.PARTIAL, "proven absent, yet it traded", suspect=True),
    },
    OrderTriggered: {
        S.INTENT: Row(S.OPEN, "triggered before the acknowledgement"),
        S.OPEN: _SAME,
        S.PARTIAL: Row(None, "the fill overtook the trigger report"),
        S.FILLED: Row(None, "the fill overtook the trigger report"),
        S.CANCELED: Row(None, "triggered and cancelled in one moment"),
        S.EXPIRED: Row(None, "triggered into an empty book"),
        S.REJECTED: Row(S.OPEN, "rejected, yet it triggered", suspect=True),
        S.ABSENT: Row(S.OPEN, "proven absent, yet it triggered", suspect=True),
    },
    CancelIntended: {
        S.INTENT: Row(None, "cancel chases the placement"),
        S.OPEN: _SAME,
        S.PARTIAL: _SAME,
        S.FILLED: Row(None, "nothing left to cancel"),
        S.CANCELED: Row(None, "nothing left to cancel"),
        S.EXPIRED: Row(None, "nothing left to cancel"),
        S.REJECTED: Row(None, "nothing left to cancel"),
        S.ABSENT: Row(None, "nothing left to cancel"),
    },
    OrderCanceled: {
        S.INTENT: Row(S.CANCELED, "the cancel overtook the acknowledgement"),
        S.OPEN: Row(S.CANCELED),
        S.PARTIAL: Row(S.CANCELED),
        S.FILLED: Row(None, "the last fill won the race"),
        S.CANCELED: Row(None, "reported twice"),
        S.EXPIRED: Row(None, "one end reported in two words"),
        S.REJECTED: Row(None, "rejected first, then cancelled: never live either way"),
        S.ABSENT: Row(S.CANCELED, "the ghost was cancelled"),
    },
    CancelRejected: {
        # Only `pending` is touched: "unknown order" on a cancel is no proof of anything.
        status: Row(None)
        for status in S
    },
    OrderExpired: {
        S.INTENT: Row(S.EXPIRED, "refused or spent on arrival: post-only, IOC, FOK"),
        S.OPEN: Row(S.EXPIRED),
        S.PARTIAL: Row(S.EXPIRED),
        S.FILLED: Row(None, "the last fill won the race"),
        S.CANCELED: Row(None, "one end reported in two words"),
        S.EXPIRED: Row(None, "reported twice"),
        S.REJECTED: Row(None, "refused in two words"),
        S.ABSENT: Row(S.EXPIRED, "the late answer to a lost placement"),
    },
    PlacementUnknown: {
        S.INTENT: _SAME,
        S.OPEN: Row(None, "the stream answered before the request timed out"),
        S.PARTIAL: Row(None, "the stream answered before the request timed out"),
        S.FILLED: Row(None, "the stream answered before the request timed out"),
        S.CANCELED: Row(None, "the stream answered before the request timed out"),
        S.EXPIRED: Row(None, "the stream answered before the request timed out"),
        S.REJECTED: Row(None, "the stream answered before the request timed out"),
        S.ABSENT: Row(None, "already decided"),
    },
    OrderProvenAbsent: {
        S.INTENT: Row(S.ABSENT),
        S.OPEN: Row(None, LOST_NOTE, suspect=True),
        S.PARTIAL: Row(None, "the venue lost an order that has traded", suspect=True),
        S.FILLED: Row(None, "asked too late: it has filled"),
        S.CANCELED: Row(None, "asked too late: it has ended"),
        S.EXPIRED: Row(None, "asked too late: it has ended"),
        S.REJECTED: Row(None, "asked too late: it has ended"),
        S.ABSENT: Row(None, "proven twice"),
    },
}


def order_step(order: Order, event: AnyOrderEvent) -> Step:
    """`order` after `event`. Pure and total: every (status, event) pair has a row.

    A repeated fill (same trade id) changes nothing and says so in `is_repeat`.
    """
    assert event.client_order_id == order.client_order_id, (order.client_order_id, event)
    row = TABLE[type(event)][order.status]
    if isinstance(event, OrderFilled):
        return _step_fill(order, event, row)
    status = row.to or order.status
    changes: dict[str, object] = {
        "status": status,
        "pending": _pending_after(order.pending, status, event),
        "updated_ns": event.ts_ns,
    }
    if isinstance(event, OrderAccepted):
        changes["venue_order_id"] = event.venue_order_id
        changes["queue_ahead_lots"] = event.queue_ahead_lots
    if row.suspect:
        changes["suspect"] = row.note
    return Step(msgspec.structs.replace(order, **changes), False, row.note if row.suspect else "")


def _step_fill(order: Order, event: OrderFilled, row: Row) -> Step:
    fill = event.fill
    assert fill.lots > 0, fill
    if fill.trade_id in order.trade_ids:
        return Step(order, True, "")
    filled = order.filled_lots + fill.lots
    overfilled = filled > order.spec.qty_lots
    # A late partial fill leaves a cancelled order cancelled: it adds quantity, not life.
    status = S.FILLED if filled >= order.spec.qty_lots else row.to or order.status
    note = "filled beyond its quantity" if overfilled else row.note
    is_suspect = row.suspect or overfilled
    return Step(
        msgspec.structs.replace(
            order,
            status=status,
            pending=_pending_after(order.pending, status, event),
            filled_lots=filled,
            filled_value_units=order.filled_value_units + event.value_units,
            trade_ids=order.trade_ids | {fill.trade_id},
            updated_ns=event.ts_ns,
            suspect=note if is_suspect else order.suspect,
        ),
        False,
        note if is_suspect else "",
    )


def _pending_after(pending: Pending, status: OrderStatus, event: AnyOrderEvent) -> Pending:
    """The other half of the table: what is still unanswered after `event`."""
    if status.is_final:
        # Nothing can be outstanding on a dead order; a late answer finds its row above.
        return Pending.NONE
    match event:
        case CancelIntended():
            # A cancel does not answer whether a lost placement is live; keep asking.
            return pending if pending is Pending.UNKNOWN else Pending.CANCELLING
        case CancelRejected():
            # Still placing if the cancel chased a placement that has not been answered.
            if pending is not Pending.CANCELLING:
                return pending
            return Pending.PLACING if status is S.INTENT else Pending.NONE
        case PlacementUnknown():
            return Pending.UNKNOWN if status is S.INTENT else pending
        case OrderAccepted() | OrderFilled() | OrderTriggered():
            # Any sign of life answers the placement, but not a cancel that is under way.
            return pending if pending is Pending.CANCELLING else Pending.NONE
        case _:
            return pending
