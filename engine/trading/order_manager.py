"""Orders from wish to fact: gate, durable intent, request, and what the venue's reports mean.

The manager decides and records; it sends nothing itself. Requests it hands over leave only after
the events recorded with them are durable: that is the caller's promise (`engine.runtime`).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.core.ids import client_order_id
from engine.domain import events as e
from engine.domain import reports as r
from engine.domain.order import Order, OrderSpec, OrderStatus, Pending
from engine.ports.venue import Cancel, Submit, VenueRequest
from engine.trading.risk.gate import RiskGate
from engine.trading.state import TradingState

DENIAL_QUIET_NS = 1_000_000_000

Record = Callable[[e.AnyEvent], None]
Send = Callable[[VenueRequest], None]


class OrderManager:
    def __init__(
        self,
        state: TradingState,
        gate: RiskGate,
        record: Record,
        send: Send,
        *,
        cuts_reducing: bool = False,
    ) -> None:
        """`cuts_reducing`: the venue does not cut reduce-only orders, so that is done here."""
        self._cuts_reducing = cuts_reducing
        self._state = state
        self._gate = gate
        self._record = record
        self._send = send
        self._repeats: dict[tuple[str, str, str], int] = {}
        """Refusals since the one last journalled, by bot, limit and side. Only this count is lost
        with the process; when to journal again is in the state."""

    # -- wishes ------------------------------------------------------------------------------

    def place(
        self,
        spec: OrderSpec,
        bot_id: str,
        placed_by: str,
        now_ns: int,
        command_id: str = "",
        *,
        algo_id: str = "",
        leg: str = "",
    ) -> Order | e.OrderDenied:
        """Intend `spec` for the book of `bot_id`, or say which limit forbids it."""
        if self._cuts_reducing and spec.reduce_only:
            spec = self._cut(spec, bot_id)
        denial = self._gate.check(spec, bot_id, now_ns, algo_id)
        if denial is not None:
            denied = e.OrderDenied(
                ts_ns=now_ns,
                bot_id=bot_id,
                placed_by=placed_by,
                spec=spec,
                limit=denial.limit,
                limit_value=denial.limit_value,
                order_value=denial.order_value,
                command_id=command_id,
                algo_id=algo_id,
                leg=leg,
            )
            self._record_denied(denied)
            return denied
        order = Order(
            client_order_id=client_order_id(
                self._bot_index(bot_id), self._state.intents + 1, self._state.salt
            ),
            bot_id=bot_id,
            placed_by=placed_by,
            spec=spec,
            created_ns=now_ns,
            updated_ns=now_ns,
            algo_id=algo_id,
            leg=leg,
        )
        self._record(e.OrderIntended(ts_ns=now_ns, order=order, command_id=command_id))
        self._send(Submit(client_order_id=order.client_order_id, bot_id=bot_id, spec=spec))
        return order

    def _cut(self, spec: OrderSpec, bot_id: str) -> OrderSpec:
        """No more than the book holds and its other reducing orders do not sell already: at a
        venue without reduce-only the rest would sell coins that are not this book's."""
        held = -spec.side.sign * self._state.position(bot_id, spec.instrument_id).lots
        promised = sum(
            order.leaves_lots
            for order in self._state.bot_orders(bot_id).values()
            if order.spec.reduce_only
            and (order.spec.instrument_id, order.spec.side) == (spec.instrument_id, spec.side)
        )
        lots = max(0, min(spec.qty_lots, held - promised))
        return msgspec.structs.replace(spec, qty_lots=lots)

    def _record_denied(self, denied: e.OrderDenied) -> None:
        """Journal a refusal, but equal ones of a bot only once a second, with their count."""
        key = (denied.bot_id, denied.limit, denied.spec.side)
        last_ns = self._state.denied_ns.get(key, denied.ts_ns - DENIAL_QUIET_NS)
        if denied.placed_by in ("bot", "engine") and denied.ts_ns - last_ns < DENIAL_QUIET_NS:
            self._repeats[key] = self._repeats.get(key, 0) + 1
            return
        self._record(msgspec.structs.replace(denied, repeats=self._repeats.pop(key, 0)))

    def cancel(self, order: Order, by: str, now_ns: int, then_price_ticks: int = 0) -> bool:
        """Ask for the cancel of a live order; False when there is nothing (more) to ask.

        With `then_price_ticks` what is left is placed there once the cancel is confirmed.
        """
        is_asked = order.client_order_id in self._state.cancels_asked
        if not order.is_live or order.pending is Pending.CANCELLING or is_asked:
            return False
        self._record(
            e.CancelIntended(
                ts_ns=now_ns,
                client_order_id=order.client_order_id,
                by=by,
                then_price_ticks=then_price_ticks,
            )
        )
        self._send(Cancel(client_order_id=order.client_order_id))
        return True

    def _bot_index(self, bot_id: str) -> int:
        """Position among the bots, from 1; 0 is the person's own book."""
        for index, known in enumerate(self._state.bots, start=1):
            if known == bot_id:
                return index
        return 0

    # -- reports -----------------------------------------------------------------------------

    def on_report(self, report: r.AnyReport, now_ns: int) -> e.AnyOrderEvent | None:
        """Turn a venue's claim into a fact and record it; None when it had been applied before."""
        if report.report_seq <= self._state.report_seq:
            return None
        order = self._state.find_order(report.client_order_id)
        event = self._event_of(report, order, now_ns)
        self._record(event)
        if order is not None:
            self._continue_move(order.client_order_id, now_ns)
            self._end_ghost(order, now_ns)
        return event

    def _end_ghost(self, before: Order, now_ns: int) -> None:
        """An order that was taken for gone lives after all: its owner has moved on without it."""
        if before.status not in (OrderStatus.ABSENT, OrderStatus.REJECTED):
            return
        order = self._state.orders.get(before.client_order_id)
        if order is not None:
            self.cancel(order, "engine", now_ns)

    def on_funding(self, report: r.FundingReport, now_ns: int) -> None:
        """Book funding that the venue has settled, once."""
        if report.report_seq <= self._state.report_seq:
            return
        self._record(
            e.FundingPaid(
                ts_ns=now_ns,
                bot_id=report.bot_id,
                instrument_id=report.instrument_id,
                amount=report.amount,
                report_seq=report.report_seq,
                lots=report.lots,
                rate=report.rate,
                mark=report.mark,
            )
        )

    def on_liquidation(self, report: r.LiquidationReport, now_ns: int) -> bool:
        """Take in the venue's own order for a position of ours, once: False when it was known."""
        if report.report_seq <= self._state.report_seq:
            return False
        order = Order(
            client_order_id=report.client_order_id,
            bot_id=report.bot_id,
            placed_by="venue",
            spec=report.spec,
            created_ns=now_ns,
            updated_ns=now_ns,
            status=OrderStatus.OPEN,
            pending=Pending.NONE,
        )
        self._record(
            e.PositionLiquidated(
                ts_ns=now_ns,
                bot_id=report.bot_id,
                order=order,
                due_ticks=report.due_ticks,
                report_seq=report.report_seq,
            )
        )
        return True

    def _event_of(self, report: r.AnyReport, order: Order | None, now_ns: int) -> e.AnyOrderEvent:
        key, seq = report.client_order_id, report.report_seq
        match report:
            case r.FillReport(fill=fill):
                value_units = 0
                if order is not None:
                    instrument = self._state.instruments[order.spec.instrument_id]
                    value_units = instrument.value_units(fill.lots, fill.price_ticks)
                return e.OrderFilled(
                    ts_ns=now_ns,
                    client_order_id=key,
                    report_seq=seq,
                    fill=fill,
                    value_units=value_units,
                )
            case r.AcceptReport():
                return e.OrderAccepted(
                    ts_ns=now_ns,
                    client_order_id=key,
                    report_seq=seq,
                    venue_order_id=report.venue_order_id,
                    queue_ahead_lots=report.queue_ahead_lots,
                    queue_rank_tenths=report.queue_rank_tenths,
                    latency_ns=report.latency_ns,
                )
            case r.RejectReport(reason=reason):
                return e.OrderRejected(
                    ts_ns=now_ns, client_order_id=key, report_seq=seq, reason=reason
                )
            case r.CancelReport(reason=reason):
                return e.OrderCanceled(
                    ts_ns=now_ns, client_order_id=key, report_seq=seq, reason=reason
                )
            case r.CancelRejectReport(reason=reason):
                return e.CancelRejected(
                    ts_ns=now_ns, client_order_id=key, report_seq=seq, reason=reason
                )
            case r.ExpireReport(reason=reason):
                return e.OrderExpired(
                    ts_ns=now_ns, client_order_id=key, report_seq=seq, reason=reason
                )
            case r.TriggerReport():
                return e.OrderTriggered(ts_ns=now_ns, client_order_id=key, report_seq=seq)
            case r.UnknownReport(reason=reason):
                return e.PlacementUnknown(
                    ts_ns=now_ns, client_order_id=key, report_seq=seq, reason=reason
                )
            case r.AbsentReport():
                return e.OrderProvenAbsent(ts_ns=now_ns, client_order_id=key, report_seq=seq)

    def _continue_move(self, client_order_id: str, now_ns: int) -> None:
        """Second half of a move: the old order is gone, place what it had left."""
        price_ticks = self._state.moves.get(client_order_id)
        if price_ticks is None:
            return
        order = self._state.find_order(client_order_id)
        if order is None or order.is_live:
            return
        self._record(e.MoveEnded(ts_ns=now_ns, client_order_id=client_order_id))
        if order.leaves_lots == 0:
            return
        spec = OrderSpec(
            instrument_id=order.spec.instrument_id,
            side=order.spec.side,
            qty_lots=order.leaves_lots,
            type=order.spec.type,
            price_ticks=price_ticks if order.spec.price_ticks else 0,
            trigger_ticks=price_ticks if order.spec.trigger_ticks else 0,
            tif=order.spec.tif,
            reduce_only=order.spec.reduce_only,
            purpose=order.spec.purpose,
        )
        self.place(spec, order.bot_id, "human", now_ns)
