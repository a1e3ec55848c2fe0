"""The simulated exchange and the market around it: `ports.world.World` over the kernels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from engine.domain import reports as r
from engine.domain.errors import BadInput, WorkFailed
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, ZERO
from engine.domain.order import Fill, OrderSpec, OrderType, Purpose, Side, TimeInForce
from engine.kernels import layout as k
from engine.kernels.replay import FAR_NS, advance_parts, catch_up
from engine.ports.rows import RereadableRows, RowSource
from engine.ports.venue import Cancel, Submit, VenueRequest
from engine.ports.world import Wake
from engine.sim.fees import FeeBook
from engine.sim.funding import payment
from engine.sim.impact import set_impact
from engine.sim.latency import Shape, request_ns, shape_of
from engine.sim.margin import set_margin
from engine.sim.refusals import refusal_words, set_filters
from engine.sim.replay_feed import venue_order, with_feed_latency
from engine.sim.scenario import FillMode, Scenario

_KINDS = {
    OrderType.LIMIT: k.KIND_LIMIT,
    OrderType.MARKET: k.KIND_MARKET,
    OrderType.STOP: k.KIND_STOP,
    OrderType.STOP_LIMIT: k.KIND_STOP_LIMIT,
}
_TIFS = {
    TimeInForce.GTC: k.TIF_GTC,
    TimeInForce.IOC: k.TIF_IOC,
    TimeInForce.FOK: k.TIF_FOK,
    TimeInForce.POST_ONLY: k.TIF_POST_ONLY,
}
_REASONS = {
    k.REASON_POST_ONLY: "post-only: it would have taken",
    k.REASON_IOC: "nothing more within its limit",
    k.REASON_FOK: "not enough within its limit to fill it whole",
    k.REASON_REDUCE_ONLY: "reduce-only: no position to reduce",
    k.REASON_NOT_WORKING: "order is not working",
    k.REASON_SELF_TRADE: "self-trade prevention: it would have met an order of this account",
    k.REASON_LIQUIDATION: "ended by the venue: the position was liquidated",
}
_HALF = Decimal("0.5")


Compiled = Callable[[k.Rows, k.Int64s, k.ExchangeState, k.MarketState], int]
"""Rows, their venue order, the exchange, the market; returns why it stopped."""


class _Slot:
    """Who holds a row of the order table, until its last answer has been handed out."""

    __slots__ = ("cancels", "client_order_id", "is_final", "is_liquidation", "latency_ns")

    def __init__(self, client_order_id: str) -> None:
        self.client_order_id = client_order_id
        self.cancels = 0
        """Cancels under way: their answers still need the row."""
        self.is_final = False
        self.latency_ns = -1
        """From sending it to its arrival; -1 where nothing was sent."""
        self.is_liquidation = False


class SimExchange:
    """One instrument. `source` is a whole recording or something that hands out blocks."""

    def __init__(
        self,
        instrument: Instrument,
        source: k.Rows | RowSource,
        scenario: Scenario,
        periods_ns: tuple[int, ...] = (),
    ) -> None:
        self._instrument = instrument
        self._scenario = scenario
        self._source = _OneBlock(source) if isinstance(source, np.ndarray) else source
        self._feed_shifts = isinstance(source, np.ndarray)
        first = self._next_rows()
        if first is None or not len(first):
            raise BadInput("market data", instrument.instrument_id, "holds no depth or trade rows")
        self._rows = first
        self._rows_dropped = 0
        """Rows that came before the first of `_rows`."""
        mid_ticks = int(self._rows["price_ticks"][0])
        window = k.window_for(mid_ticks)
        self._exchange = k.new_exchange(mid_ticks, window)
        self._market = k.new_market(mid_ticks, periods_ns, window)
        control = self._exchange.control
        control[k.X_RESPONSE_NS] = scenario.response_latency_ns
        self._latency: Shape | None = None
        if scenario.latency is not None:
            self._latency = shape = shape_of(scenario.latency, instrument.venue, scenario.seed)
            control[k.X_LATENCY], control[k.X_RESPONSE_NS] = shape.code, shape.least_ns
            self._exchange = self._exchange._replace(shape=shape.drawn, delays=shape.answers)
        control[k.X_QUEUE_MODEL] = scenario.queue.code
        control[k.X_WHOLE_FILLS] = scenario.fills is FillMode.WHOLE
        self._exchange.queue[0] = scenario.queue.power
        set_filters(control, scenario.refusals, instrument)
        set_impact(self._exchange, scenario.impact, instrument)
        control[k.X_SELF_TRADE] = scenario.self_trade.code
        self._order = venue_order(self._rows)
        control[k.X_ROWS] = len(self._rows)
        control[k.X_MORE] = not isinstance(source, np.ndarray)
        # The world begins when something first happens, which is before we hear of it.
        first_venue_ns = self._rows["ts_exch_ns"][self._order[0]]
        self.start_ns = int(min(self._rows["ts_local_ns"][0], first_venue_ns))
        control[k.X_NOW_NS] = control[k.X_EXCH_NS] = self.start_ns - 1
        self._instruments = {instrument.instrument_id: instrument}
        self._markets = {instrument.instrument_id: self._market}
        self._owners: dict[str, int] = {}
        self._owner_names: list[str] = []
        self._has_margin = scenario.margin is not None and instrument.can_short
        if scenario.margin is not None and self._has_margin:
            self._exchange = set_margin(self._exchange, scenario.margin, instrument)
        self._parts = (*self._market, *self._exchange)
        self._funding = scenario.funding if instrument.can_short else None
        if self._funding is not None:
            control[k.X_STAMP_EVERY_NS] = self._funding.interval_ns
            control[k.X_STAMP_NS] = self._funding.first_stamp_ns(self.start_ns)
        self._liquidations: dict[int, int] = {}
        """Slots kept so far, by owner."""
        self._slots: dict[str, int] = {}
        self._names: dict[int, _Slot] = {}
        self._free: deque[int] = deque(range(k.ORDER_SLOTS))
        self._reported = 0
        self._report_seq = 0
        self._trades = 0
        self._last_arrival_ns = 0
        self._sent = 0
        self._is_fickle = bool(scenario.refusals.reject_rate or scenario.refusals.outage_rate)
        self._fees = FeeBook(instrument, scenario.maker, scenario.taker, scenario.fees)

    # -- world -----------------------------------------------------------------------------------

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._instruments

    @property
    def markets(self) -> Mapping[str, k.MarketState]:
        return self._markets

    @property
    def now_ns(self) -> int:
        return self._exchange.control.item(k.X_NOW_NS)

    @property
    def last_loaded_ns(self) -> int:
        """Local time of the last row that is in memory: of the recording, where that was given as
        a whole."""
        return int(self._rows["ts_local_ns"][-1])

    @property
    def rows(self) -> int:
        return self._market.scalars.item(k.M_ROWS)

    def advance(self, until_ns: int, wake_mask: int) -> Wake:
        while True:
            reasons = advance_parts(self._rows, self._order, until_ns, wake_mask, *self._parts)
            if not reasons & k.WAKE_MORE:
                break
            self._load()
        if self._exchange.control.item(k.X_OVERFLOW):
            raise WorkFailed("simulated exchange: too many orders at once; it has lost some")
        return Wake(self._exchange.control.item(k.X_NOW_NS), reasons)

    def run_compiled(self, run: Compiled) -> int:
        """Let a compiled strategy trade here until it stops for a reason of its own, which is
        returned. It writes its requests and reads its answers itself; `submit` and
        `drain_reports` are not for a world that is traded this way."""
        while True:
            reason = run(self._rows, self._order, self._exchange, self._market)
            if self._exchange.control.item(k.X_OVERFLOW):
                raise WorkFailed("simulated exchange: too many orders at once; it has lost some")
            if reason != k.WAKE_MORE:
                return reason
            self._load()

    def next_event_ns(self) -> int:
        """No instant before this one can bring anything, unless a request is handed over; FAR_NS
        when nothing is left."""
        ex, control = self._exchange, self._exchange.control
        while control.item(k.X_MORE) and self._is_short_of_rows():
            self._load()
        now_ns, soonest_ns = control.item(k.X_NOW_NS), FAR_NS
        local_row, exch_row = control.item(k.X_LOCAL_ROW), control.item(k.X_EXCH_ROW)
        if local_row < len(self._rows):
            soonest_ns = int(self._rows["ts_local_ns"][local_row])
        if exch_row < len(self._order):
            # What lies before now has been looked at, or has nobody to look at it.
            exch_ns = int(self._rows["ts_exch_ns"][self._order[exch_row]])
            soonest_ns = min(soonest_ns, exch_ns) if exch_ns > now_ns else soonest_ns
            if self._funding is not None:
                soonest_ns = min(soonest_ns, control.item(k.X_STAMP_NS))
        asked, answered = control.item(k.X_REQ_HEAD), control.item(k.X_ANS_HEAD)
        if asked < control.item(k.X_REQ_TAIL):
            arrival_ns = ex.requests.item(asked % k.REQUESTS_LENGTH, k.Q_ARRIVAL_NS)
            soonest_ns = min(soonest_ns, arrival_ns)
        if answered < control.item(k.X_ANS_TAIL):
            received_ns = ex.answers.item(answered % k.ANSWERS_LENGTH, k.A_RECEIVED_NS)
            soonest_ns = min(soonest_ns, received_ns)
        return max(soonest_ns, now_ns)

    def _is_short_of_rows(self) -> bool:
        control = self._exchange.control
        return control.item(k.X_LOCAL_ROW) >= len(self._rows) or control.item(k.X_EXCH_ROW) >= len(
            self._order
        )

    def fee_rates(self, instrument_id: str) -> tuple[Decimal, Decimal]:
        return self._fees.rates()

    def own_queue_ahead(self, client_order_id: str) -> int:
        """Lots ahead of a resting order now, -1 where it makes no sense."""
        slot = self._slots.get(client_order_id)
        if slot is None or self._exchange.orders[slot, k.O_STATE] != k.STATE_RESTING:
            return -1
        return max(0, round(self._exchange.fronts.item(slot, 0)))

    # -- rows ------------------------------------------------------------------------------------

    def _next_rows(self) -> k.Rows | None:
        rows = self._source.next_block()
        if rows is None:
            return None
        if self._feed_shifts:
            return with_feed_latency(rows, self._scenario.feed_latency_ns) if len(rows) else rows
        return self._delayed(rows)

    def _delayed(self, rows: k.Rows) -> k.Rows:
        """Rows of a source that does not put the clocks together itself."""
        if self._scenario.feed_latency_ns:
            rows["ts_local_ns"] += self._scenario.feed_latency_ns
        return rows

    def __getstate__(self) -> dict[str, Any]:
        """Without what can be had again: rows that the source reads once more, or the order of a
        whole recording."""
        state = self.__dict__.copy()
        if isinstance(self._source, RereadableRows):
            del state["_rows"]
        elif self._feed_shifts:
            del state["_order"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self._source, RereadableRows):
            self._rows = self._delayed(self._source.reread(self._rows_dropped))
        elif self._feed_shifts:
            self._order = venue_order(self._rows)

    def _load(self) -> None:
        """Append the next block and drop the rows that both sides have passed."""
        control = self._exchange.control
        block = self._next_rows()
        while block is not None and not len(block):
            block = self._next_rows()
        if block is None:
            control[k.X_MORE] = 0
            return
        catch_up(self._rows, self._order, self._exchange)
        # Blocks do not overlap in time, so the passed rows of both sides are one prefix.
        done = min(control.item(k.X_EXCH_ROW), control.item(k.X_LOCAL_ROW))
        pending = self._order[control.item(k.X_EXCH_ROW) :]
        if len(pending):
            done = min(done, int(pending.min()))
        kept = self._rows[done:]
        self._rows = np.concatenate([kept, block])
        self._order = np.concatenate([pending - done, venue_order(block) + len(kept)])
        control[k.X_EXCH_ROW] = 0
        control[k.X_LOCAL_ROW] -= done
        self._rows_dropped += done
        control[k.X_ROWS] = len(self._rows)

    # -- orders ----------------------------------------------------------------------------------

    def submit(self, requests: Sequence[VenueRequest], now_ns: int) -> None:
        refusals, seed = self._scenario.refusals, self._scenario.seed
        for request in requests:
            arrival_ns = self._arrival_ns(now_ns)
            reason = k.REASON_NONE
            if isinstance(request, Submit):
                kind, slot = k.REQUEST_NEW, self._new_slot(request)
                self._names[slot].latency_ns = arrival_ns - now_ns
                if self._is_fickle:
                    reason = refusals.of_order(seed, self._sent, arrival_ns)
            else:
                kind, slot = k.REQUEST_CANCEL, self._slot_to_cancel(request)
                if self._is_fickle and refusals.is_out(seed, arrival_ns):
                    reason = k.REASON_OUTAGE
            self._push(arrival_ns, kind, slot, reason)

    def _arrival_ns(self, now_ns: int) -> int:
        """When a request sent now reaches the venue: never before one sent earlier."""
        delay_ns = self._scenario.entry_latency_ns
        if self._latency is not None:
            delay_ns = request_ns(self._latency, self._sent, now_ns)
        self._sent += 1
        self._last_arrival_ns = max(self._last_arrival_ns, now_ns + delay_ns)
        return self._last_arrival_ns

    def _push(self, arrival_ns: int, kind: int, slot: int, reason: int) -> None:
        control = self._exchange.control
        tail = control.item(k.X_REQ_TAIL)
        if tail - control.item(k.X_REQ_HEAD) >= k.REQUESTS_LENGTH:
            raise WorkFailed("simulated exchange: more requests under way than it can hold")
        self._exchange.requests[tail % k.REQUESTS_LENGTH] = (arrival_ns, kind, slot, reason)
        control[k.X_REQ_TAIL] = tail + 1

    def _free_slot(self) -> int:
        if not self._free:
            raise WorkFailed("simulated exchange: more orders than it can hold")
        return self._free.popleft()

    def _owner(self, bot_id: str) -> int:
        owner = self._owners.get(bot_id)
        if owner is not None:
            return owner
        owner = self._owners[bot_id] = len(self._owner_names)
        if owner >= k.OWNERS:
            raise WorkFailed("simulated exchange: more bots than it can hold")
        self._owner_names.append(bot_id)
        self._exchange.control[k.X_OWNERS] = len(self._owner_names)
        if self._has_margin:
            self._keep_liquidation_slot(owner)
        return owner

    def _keep_liquidation_slot(self, owner: int) -> None:
        """A slot and a name for the order that the venue would close the owner's position with."""
        slot, number = self._free_slot(), self._liquidations.get(owner, 0) + 1
        self._liquidations[owner] = number
        name = f"liquidation-{self._instrument.symbol}-{self._owner_names[owner]}-{number}"
        self._names[slot] = _Slot(name)
        self._names[slot].is_liquidation = True
        self._slots[name] = slot
        self._exchange.guards[owner, k.G_SLOT] = slot

    def _new_slot(self, request: Submit) -> int:
        slot = self._free_slot()
        spec = request.spec
        owner = self._owner(request.bot_id)
        self._exchange.orders[slot] = (
            spec.side.sign,
            spec.price_ticks,
            spec.qty_lots,
            _KINDS[spec.type],
            _TIFS[spec.tif],
            spec.trigger_ticks,
            spec.reduce_only,
            owner,
            k.STATE_SENT,
            -1,
        )
        self._slots[request.client_order_id] = slot
        self._names[slot] = _Slot(request.client_order_id)
        return slot

    def _slot_to_cancel(self, request: Cancel) -> int:
        slot = self._slots.get(request.client_order_id)
        if slot is None:
            # Finished and reported before: a row of its own carries the refusal back.
            slot = self._free_slot()
            self._exchange.orders[slot, k.O_STATE] = k.STATE_DONE
            self._names[slot] = _Slot(request.client_order_id)
            self._names[slot].is_final = True
        self._names[slot].cancels += 1
        return slot

    def _release_if_done(self, slot: int, name: _Slot, kind: int, final: int) -> None:
        """Free the row once the order is over and no answer can refer to it any more."""
        if final:
            name.is_final = True
        if kind in (k.ANSWER_CANCEL, k.ANSWER_CANCEL_REJECT):
            name.cancels -= 1
        if name.is_final and name.cancels == 0:
            self._slots.pop(name.client_order_id, None)
            del self._names[slot]
            self._free.append(slot)

    # -- reports ---------------------------------------------------------------------------------

    def drain_reports(self) -> list[r.AnyVenueReport]:
        head = self._exchange.control.item(k.X_ANS_HEAD)
        if head == self._reported:
            return []
        indices = np.arange(self._reported, head) % k.ANSWERS_LENGTH
        self._reported = head
        reports = []
        for answer in self._exchange.answers[indices].tolist():
            report = self._report(answer)
            if report is not None:
                reports.append(report)
        return reports

    def _report(self, answer: list[int]) -> r.AnyVenueReport | None:
        received_ns, exch_ns, kind, slot, ticks, _, _, ahead, reason, final, _, _ = answer
        stamps = {"venue_ns": exch_ns, "received_ns": received_ns}
        if kind == k.ANSWER_FUNDING:
            return self._funding_report(answer, stamps)
        name = self._names[slot]
        self._release_if_done(slot, name, kind, final)
        self._report_seq += 1
        fields: dict[str, Any] = {
            "client_order_id": name.client_order_id,
            "report_seq": self._report_seq,
            **stamps,
        }
        if kind == k.ANSWER_FILL:
            return r.FillReport(fill=self._fill(answer, name), **fields)
        if kind == k.ANSWER_ACCEPT:
            venue_order_id = f"s{self._report_seq}"
            return r.AcceptReport(
                venue_order_id=venue_order_id,
                queue_ahead_lots=ahead,
                queue_rank_tenths=self._rank_tenths(ahead),
                latency_ns=name.latency_ns,
                **fields,
            )
        if kind == k.ANSWER_CANCEL:
            return r.CancelReport(**fields)
        if kind == k.ANSWER_EXPIRE:
            return r.ExpireReport(reason=_REASONS[reason], **fields)
        if kind == k.ANSWER_TRIGGER:
            return r.TriggerReport(**fields)
        if kind == k.ANSWER_LIQUIDATION:
            return self._liquidation_report(answer, fields)
        words = _REASONS.get(reason) or refusal_words(self._instrument, reason, ticks)
        if kind == k.ANSWER_REJECT:
            return r.RejectReport(reason=words, **fields)
        return r.CancelRejectReport(reason=words, **fields)

    def _funding_report(self, answer: list[int], stamps: dict[str, int]) -> r.FundingReport | None:
        """None where there is nothing to pay: no rate, or no price to pay it on."""
        assert self._funding is not None, answer
        instrument, lots, mid_x2 = self._instrument, answer[k.A_LOTS], answer[k.A_TICKS]
        found = self._funding.at(
            answer[k.A_EXCH_NS] // self._funding.interval_ns * self._funding.interval_ns
        )
        mark = found.mark
        if mark is None:
            mark = MONEY.multiply(Decimal(mid_x2), MONEY.multiply(instrument.tick, _HALF))
        amount = payment(instrument, lots, mark, found.rate) if mark else ZERO
        if not amount:
            return None
        self._report_seq += 1
        return r.FundingReport(
            report_seq=self._report_seq,
            bot_id=self._owner_names[answer[k.A_SLOT]],
            instrument_id=instrument.instrument_id,
            lots=lots,
            rate=found.rate,
            mark=mark,
            amount=amount,
            **stamps,
        )

    def _liquidation_report(self, answer: list[int], fields: dict[str, Any]) -> r.LiquidationReport:
        order = self._exchange.orders[answer[k.A_SLOT]]
        owner = order.item(k.O_OWNER)
        self._keep_liquidation_slot(owner)
        return r.LiquidationReport(
            bot_id=self._owner_names[owner],
            spec=OrderSpec(
                instrument_id=self._instrument.instrument_id,
                side=Side.BUY if order[k.O_SIDE] == k.BUY else Side.SELL,
                qty_lots=answer[k.A_LOTS],
                type=OrderType.MARKET,
                tif=TimeInForce.IOC,
                reduce_only=True,
                purpose=Purpose.FLATTEN,
            ),
            due_ticks=answer[k.A_TICKS],
            **fields,
        )

    def _rank_tenths(self, ahead: int) -> int:
        """`ahead` in tenths of the market's average trade up to now; -1 before there was one."""
        volume = self._market.scalars.item(k.M_VOLUME)
        if ahead < 0 or volume == 0:
            return -1
        return ahead * self._market.scalars.item(k.M_TRADES) * 10 // volume

    def _fill(self, answer: list[int], name: _Slot) -> Fill:
        self._trades += 1
        ticks, lots = answer[k.A_TICKS], answer[k.A_LOTS]
        venue_ns, is_maker = answer[k.A_EXCH_NS], bool(answer[k.A_MAKER])
        charge = self._fees.charge(lots, ticks, venue_ns, is_maker=is_maker)
        if name.is_liquidation and self._scenario.margin is not None:
            charge = self._fees.with_penalty(
                charge, lots, ticks, self._scenario.margin.liquidation_fee
            )
        return Fill(
            trade_id=f"t{self._trades}",
            price_ticks=ticks,
            lots=lots,
            fee=charge.fee,
            fee_asset=charge.asset,
            is_maker=is_maker,
            venue_ns=venue_ns,
            queue_ahead_lots=answer[k.A_AHEAD] if is_maker else -1,
            queue_left_lots=answer[k.A_FRONT] if is_maker else -1,
            level_volume_lots=answer[k.A_TRADED] if is_maker else -1,
            latency_ns=name.latency_ns,
            fee_worth=charge.worth,
        )


class _OneBlock:
    """A whole recording as a source: one block, then no more."""

    def __init__(self, rows: k.Rows) -> None:
        self._rows: k.Rows | None = rows

    def next_block(self) -> k.Rows | None:
        rows, self._rows = self._rows, None
        return rows
