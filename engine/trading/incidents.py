"""The reconcile desk: opens an incident where the venue and we differ, and carries decisions out.

Nothing is smoothed over: a difference stays until the venue has answered or a person has decided,
and what was decided is an event with that person's name. Closing a book is the helm's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from engine.domain import events as e
from engine.domain import reports as r
from engine.domain.incident import (
    CHOICES,
    Choice,
    Incident,
    IncidentKind,
    balance_key,
    position_key,
)
from engine.domain.money import MONEY, plain
from engine.domain.order import Order, Pending
from engine.domain.order_step import LOST_NOTE
from engine.trading.order_manager import Record
from engine.trading.portfolio import Portfolio
from engine.trading.state import TradingState

UNKNOWN_QUIET_NS = 30_000_000_000
"""How long a placement may stay without an answer before a person is asked."""


class IncidentDesk:
    def __init__(
        self,
        state: TradingState,
        portfolio: Portfolio,
        record: Record,
    ) -> None:
        self._state = state
        self._portfolio = portfolio
        self._record = record

    # -- what opens and closes them by itself ---------------------------------------------------

    def look(self, now_ns: int) -> None:
        """Open what has come to light. Cheap while nothing has."""
        if self._state.suspects:
            told = {one.client_order_id for one in self._state.incidents.values()}
            for key, words in list(self._state.suspects.items()):
                if key not in told:
                    self._open_suspect(key, words, now_ns)

    def look_for_unknown(self, now_ns: int) -> None:
        """Placements that the venue has not answered for too long, and those it now has."""
        state = self._state
        told = {one.client_order_id for one in state.incidents.values()}
        for order in state.orders.values():
            key = order.client_order_id
            is_late = now_ns - order.updated_ns >= UNKNOWN_QUIET_NS
            if order.pending is not Pending.UNKNOWN or not is_late:
                continue
            if key not in told and key not in state.ignored:
                self._open_unknown(order, now_ns)
        for incident in list(state.incidents.values()):
            if incident.kind is IncidentKind.UNKNOWN and self._is_answered(incident):
                self._resolve(incident, Choice.ANSWERED, "venue", now_ns)

    def _is_answered(self, incident: Incident) -> bool:
        order = self._state.find_order(incident.client_order_id)
        return order is not None and order.pending is not Pending.UNKNOWN

    def on_position(self, report: r.PositionReport, now_ns: int) -> None:
        """Compare what the venue holds for a book with what our fills add up to."""
        state = self._state
        held = state.position(report.bot_id, report.instrument_id).lots
        open_ones = [
            one
            for one in state.incidents.values()
            if one.kind is IncidentKind.POSITION
            and (one.bot_id, one.instrument_id) == (report.bot_id, report.instrument_id)
        ]
        missing_lots = report.lots - held
        told = [one for one in open_ones if one.missing_lots == missing_lots]
        for one in open_ones:
            if one not in told:
                # Gone, or another difference than the one that was told: adopting books that one.
                self._resolve(one, Choice.ANSWERED, "venue", now_ns)
        key = position_key(report.bot_id, report.instrument_id, missing_lots)
        if not missing_lots or told or key in state.ignored:
            return
        instrument = state.instruments[report.instrument_id]
        self._open(
            IncidentKind.POSITION,
            now_ns,
            instrument_id=report.instrument_id,
            bot_id=report.bot_id,
            ours=f"position {plain(instrument.qty(held))}",
            venues=f"position {plain(instrument.qty(report.lots))}",
            last_event=f"the venue's statement {report.report_seq}",
            missing_lots=missing_lots,
        )

    def on_balances(self, totals: Mapping[str, Decimal], now_ns: int) -> None:
        """Compare what the venue holds of each asset with what ours adds up to."""
        books = self._state.accounting
        if books is None:
            return
        open_ones = {
            one.asset: one
            for one in self._state.incidents.values()
            if one.kind is IncidentKind.BALANCE
        }
        for asset, total in totals.items():
            missing = books.missing(asset, total)
            known = open_ones.get(asset)
            if known is not None and known.missing != missing:
                self._resolve(known, Choice.ANSWERED, "venue", now_ns)
                known = None
            if not missing or known is not None:
                continue
            if balance_key(asset, missing) not in self._state.ignored:
                self._open_balance(asset, books.total(asset), total, now_ns)

    def _open_balance(self, asset: str, ours: Decimal, venues: Decimal, now_ns: int) -> None:
        concerned = [
            one.instrument_id
            for one in self._state.instruments.values()
            if asset in (one.base, one.quote)
        ]
        self._open(
            IncidentKind.BALANCE,
            now_ns,
            instrument_id=concerned[0] if len(concerned) == 1 else "",
            ours=f"{plain(ours)} {asset}",
            venues=f"{plain(venues)} {asset}",
            last_event=f"{plain(MONEY.subtract(venues, ours))} {asset} unexplained",
            asset=asset,
            missing=MONEY.subtract(venues, ours),
        )

    def look_at_foreign(self, now_ns: int) -> None:
        """Open what has turned up of others, close what has gone."""
        state = self._state
        open_ones = {
            one.client_order_id: one
            for one in state.incidents.values()
            if one.kind is IncidentKind.FOREIGN
        }
        present = {one.client_order_id or one.venue_order_id: one for one in state.foreign.values()}
        for key, order in present.items():
            if key in open_ones or key in state.ignored:
                continue
            instrument = state.instruments[order.instrument_id]
            self._open(
                IncidentKind.FOREIGN,
                now_ns,
                instrument_id=order.instrument_id,
                client_order_id=key,
                ours="no such order",
                venues=f"{order.side} {plain(instrument.qty(order.leaves_lots))} at "
                f"{plain(instrument.price(order.price_ticks))} ({key})",
                last_event="found among the account's open orders",
            )
        for key, incident in open_ones.items():
            if key not in present and key not in state.suspects:
                self._resolve(incident, Choice.ANSWERED, "venue", now_ns)

    def _open_suspect(self, key: str, words: str, now_ns: int) -> None:
        order = self._state.find_order(key)
        if order is None:
            ids = list(self._state.instruments)
            self._open(
                IncidentKind.FOREIGN,
                now_ns,
                instrument_id=ids[0] if len(ids) == 1 else "",
                client_order_id=key,
                ours="no such order",
                venues=f"order {key}",
                last_event=words,
            )
            return
        self._open(
            IncidentKind.CONTRADICTION,
            now_ns,
            instrument_id=order.spec.instrument_id,
            bot_id=order.bot_id,
            client_order_id=key,
            ours=self._words_of(order),
            venues=words,
            last_event=words,
        )

    def _open_unknown(self, order: Order, now_ns: int) -> None:
        self._open(
            IncidentKind.UNKNOWN,
            now_ns,
            instrument_id=order.spec.instrument_id,
            bot_id=order.bot_id,
            client_order_id=order.client_order_id,
            ours=self._words_of(order),
            venues=f"no answer for {UNKNOWN_QUIET_NS // 1_000_000_000} s",
            last_event="the answer to its placement was lost",
        )

    def _words_of(self, order: Order) -> str:
        instrument = self._state.instruments[order.spec.instrument_id]
        filled = plain(instrument.qty(order.filled_lots))
        whole = plain(instrument.qty(order.spec.qty_lots))
        return f"{order.spec.side} {whole}, {order.status}, {filled} filled"

    def _open(self, kind: IncidentKind, now_ns: int, **fields: object) -> None:
        incident_id = f"i{self._state.incidents_opened + 1}"
        incident = Incident(incident_id=incident_id, kind=kind, since_ns=now_ns, **fields)  # type: ignore[arg-type]
        self._record(e.IncidentOpened(ts_ns=now_ns, incident=incident))

    # -- decisions: each returns why it is refused, or "" --------------------------------------

    def decide(self, incident_id: str, choice: Choice, by: str, now_ns: int) -> str:
        """Adopt or ignore; FLATTEN adopts where there is something to adopt."""
        incident = self._state.incidents.get(incident_id)
        if incident is None:
            return f"no open incident {incident_id}"
        if choice not in CHOICES[incident.kind]:
            allowed = " or ".join(CHOICES[incident.kind])
            return f"{choice} {incident_id}: a {incident.kind} takes {allowed}"
        if choice is not Choice.IGNORE:
            why = self._adopt(incident, by, now_ns)
            if why:
                return why
        self._resolve(incident, choice, by, now_ns)
        return ""

    def _adopt(self, incident: Incident, by: str, now_ns: int) -> str:
        if incident.kind is IncidentKind.POSITION:
            return self._adopt_position(incident, by, now_ns)
        if incident.kind is IncidentKind.BALANCE:
            self._record(
                e.BalanceAdopted(
                    ts_ns=now_ns,
                    incident_id=incident.incident_id,
                    asset=incident.asset,
                    amount=incident.missing,
                    by=by,
                )
            )
        if incident.kind is IncidentKind.CONTRADICTION and incident.last_event == LOST_NOTE:
            # The venue has lost an order that it had confirmed: it is right that there is none.
            order = self._state.orders.get(incident.client_order_id)
            if order is not None:
                self._record(
                    e.OrderCanceled(
                        ts_ns=now_ns, client_order_id=order.client_order_id, reason=LOST_NOTE
                    )
                )
        if incident.kind is IncidentKind.UNKNOWN and not self._is_answered(incident):
            self._record(
                e.OrderProvenAbsent(ts_ns=now_ns, client_order_id=incident.client_order_id)
            )
        return ""

    def _adopt_position(self, incident: Incident, by: str, now_ns: int) -> str:
        """Book the difference at the last good mid, which moves profit by what it is worth."""
        instrument_id, lots = incident.instrument_id, incident.missing_lots
        mid_x2 = self._portfolio.good_mid_x2.get(instrument_id, 0)
        if not mid_x2:
            return f"{instrument_id} has no price yet to book the difference at: wait for one"
        instrument = self._state.instruments[instrument_id]
        price = max(1, mid_x2 // 2)
        self._record(
            e.PositionAdopted(
                ts_ns=now_ns,
                incident_id=incident.incident_id,
                bot_id=incident.bot_id,
                instrument_id=instrument_id,
                lots=lots,
                value_units=instrument.value_units(abs(lots), price),
                price_ticks=price,
                by=by,
                books_cash=True,
            )
        )
        return ""

    def _resolve(self, incident: Incident, choice: Choice, by: str, now_ns: int) -> None:
        self._record(
            e.IncidentResolved(ts_ns=now_ns, incident_id=incident.incident_id, choice=choice, by=by)
        )
