"""The account: from capital to equity, a line each."""

from __future__ import annotations

from app.views.cells import Line
from app.views.desk import Desk
from app.views.moneyview import account_lines
from ui_tui.widgets.scrolled import ScrolledPane


class AccountPane(ScrolledPane):
    key = "account"
    goes_stale = True

    def lines(self, desk: Desk, now_ns: int, width: int) -> list[Line]:
        return account_lines(desk.snapshot, width)
