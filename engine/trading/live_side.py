"""What the trader knows of a live venue beside its orders: holds, the account, what is foreign."""

from __future__ import annotations

from engine.domain import events as e
from engine.domain.foreign import ForeignOrder
from engine.domain.order import Side
from engine.trading.accounting import AssetBooks


class LiveSide:
    """A part of `TradingState`, folded from its events like the rest of it."""

    def __init__(self) -> None:
        self.report_seq = 0
        self.suspects: dict[str, str] = {}
        """Orders that need reconciliation, and why."""
        self.holds: dict[str, str] = {}
        """Why no bot acts and nothing adds risk, by instrument; "" stands for every one."""
        self.foreign: dict[str, ForeignOrder] = {}
        """Open orders of the account that are not ours, by the venue's id."""
        self.accounting: AssetBooks | None = None
        """What the account should hold; None in worlds without a venue's account."""

    def hold_on(self, instrument_id: str) -> str:
        """Why nothing may be risked in this instrument now; "" while trading is on."""
        if not self.holds:
            return ""
        return self.holds.get("") or self.holds.get(instrument_id, "")

    def foreign_lots(self, instrument_id: str, side: Side) -> int:
        """What orders that are not ours may still add towards `side`."""
        return sum(
            order.leaves_lots
            for order in self.foreign.values()
            if order.instrument_id == instrument_id and order.side is side and not order.reduce_only
        )

    # -- folding ------------------------------------------------------------------------------

    def hold_changed(self, event: e.HoldChanged) -> None:
        if event.reason:
            self.holds[event.instrument_id] = event.reason
        else:
            self.holds.pop(event.instrument_id, None)

    def account_opened(self, event: e.AccountOpened) -> None:
        self.report_seq = max(self.report_seq, event.report_seq)
        self.accounting = AssetBooks(event.balances, event.ts_ns)

    def cash_moved(self, event: e.CashMoved) -> None:
        self.report_seq = max(self.report_seq, event.report_seq)
        if self.accounting is not None:
            self.accounting.book_cash(event.cash)

    def foreign_changed(self, event: e.ForeignChanged) -> None:
        self.report_seq = max(self.report_seq, event.report_seq)
        self.foreign = {order.venue_order_id: order for order in event.orders}

    def balance_adopted(self, event: e.BalanceAdopted) -> None:
        if self.accounting is not None:
            self.accounting.adopt(event.asset, event.amount)

    def doubt_raised(self, event: e.DoubtRaised) -> None:
        self.report_seq = max(self.report_seq, event.report_seq)
        self.suspects[event.client_order_id] = event.words

    def receipt_verified(self, event: e.ReceiptVerified) -> None:
        self.report_seq = max(self.report_seq, event.report_seq)
