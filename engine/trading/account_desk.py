"""What a live account is told of beside orders, turned into events; differences into incidents."""

from __future__ import annotations

from decimal import Decimal

from engine.domain import events as e
from engine.domain import reports as r
from engine.domain.claims import CashClaim, CashKind
from engine.domain.money import MONEY, ZERO
from engine.trading.incidents import IncidentDesk
from engine.trading.order_manager import Record
from engine.trading.state import MANUAL, TradingState


class AccountDesk:
    def __init__(self, state: TradingState, incidents: IncidentDesk, record: Record) -> None:
        self._state = state
        self._incidents = incidents
        self._record = record

    def on_report(self, report: r.AnyAccountReport, now_ns: int) -> None:
        """Take a report in, once."""
        seq = report.report_seq
        if seq <= self._state.report_seq:
            return
        match report:
            case r.OpeningReport(balances=balances):
                if self._state.accounting is None:
                    self._record(e.AccountOpened(ts_ns=now_ns, balances=balances, report_seq=seq))
            case r.CashReport(cash=cash):
                self._on_cash(cash, seq, now_ns)
            case r.ForeignReport(orders=orders):
                if {one.venue_order_id: one for one in orders} != self._state.foreign:
                    self._record(e.ForeignChanged(ts_ns=now_ns, orders=orders, report_seq=seq))
                self._incidents.look_at_foreign(now_ns)
            case r.BalanceReport(totals=totals):
                self._incidents.on_balances(totals, now_ns)
            case r.DoubtReport(client_order_id=key, words=words):
                if key not in self._state.suspects:
                    self._record(
                        e.DoubtRaised(
                            ts_ns=now_ns, client_order_id=key, words=words, report_seq=seq
                        )
                    )
            case r.RulesReport(instrument=instrument):
                if self._state.instruments[instrument.instrument_id] != instrument:
                    self._record(
                        e.RulesChanged(ts_ns=now_ns, instrument=instrument, report_seq=seq)
                    )
            case r.VerifiedReport(command_id=command_id, words=words, left=left, is_clean=clean):
                self._record(
                    e.ReceiptVerified(
                        ts_ns=now_ns,
                        command_id=command_id,
                        words=words,
                        left=left,
                        is_clean=clean,
                        report_seq=seq,
                    )
                )

    def _on_cash(self, cash: CashClaim, seq: int, now_ns: int) -> None:
        books = self._state.accounting
        if books is None or cash.cash_id in books.cash_ids:
            return
        self._record(e.CashMoved(ts_ns=now_ns, cash=cash, report_seq=seq))
        if cash.kind is CashKind.FUNDING and cash.instrument_id in self._state.instruments:
            self._share_funding(cash, now_ns)

    def _share_funding(self, cash: CashClaim, now_ns: int) -> None:
        """The venue settles with the account; each book pays for the lots that it holds. What
        cannot be shared out evenly falls to the last, and to the person where nobody holds any."""
        instrument_id = cash.instrument_id
        held = {
            bot_id: position.lots
            for (bot_id, key), position in self._state.positions.items()
            if key == instrument_id and position.lots
        }
        net = sum(held.values())
        paid = left = MONEY.minus(cash.amount)
        shares = list(held.items()) if net else [(MANUAL, 0)]
        for index, (bot_id, lots) in enumerate(shares):
            is_last = index == len(shares) - 1
            part = MONEY.divide(MONEY.multiply(paid, Decimal(lots)), Decimal(net or 1))
            share = left if is_last else part.quantize(cash.amount, context=MONEY)
            left = MONEY.subtract(left, share)
            if share != ZERO:
                self._record(
                    e.FundingPaid(
                        ts_ns=now_ns,
                        bot_id=bot_id,
                        instrument_id=instrument_id,
                        amount=share,
                        lots=lots,
                    )
                )
