"""The account in lines: where the day's profit or loss comes from, to the cent."""

from __future__ import annotations

from decimal import Decimal

from app.views import format as fmt
from app.views.cells import Cell, Line, fit
from engine.domain.money import MONEY
from engine.domain.snapshots import EngineSnapshot

_NAME, _AMOUNT = 22, 16
_NARROW = 52
"""Below this width the columns are closer together."""


def account_lines(snapshot: EngineSnapshot | None, width: int) -> list[Line]:
    """Capital + realised + unrealised - fees - funding = equity, each a line."""
    if snapshot is None:
        return [(Cell(" waiting for the engine", "faint"),)]
    settle = snapshot.settle
    change = MONEY.subtract(snapshot.equity, snapshot.capital)
    lines = [
        _amount("capital", snapshot.capital, settle, width, signed=False),
        _amount("realised", snapshot.realised, settle, width),
        _amount("unrealised", snapshot.unrealised, settle, width),
        _amount("fees", -snapshot.fees, settle, width),
        _amount("funding", -snapshot.funding, settle, width),
        _amount("equity", snapshot.equity, settle, width, signed=False, tone="strong"),
        (),
        _amount("since the start", change, settle, width, share_of=snapshot.capital),
        _amount("today (UTC)", snapshot.day_pnl, settle, width, share_of=snapshot.capital),
    ]
    return lines


def _amount(
    name: str,
    amount: Decimal,
    settle: str,
    width: int,
    *,
    signed: bool = True,
    tone: str = "",
    share_of: Decimal | None = None,
) -> Line:
    words = fmt.signed_money(amount, settle) if signed else fmt.money(amount, settle)
    if not tone:
        tone = fmt.tone_of(fmt.sign(amount, settle)) if signed else "text"
    share = f"  {fmt.percent(amount, share_of)}" if share_of else ""
    name_width, amount_width = (16, 13) if width < _NARROW else (_NAME, _AMOUNT)
    rest = max(0, width - name_width - amount_width)
    unit = f" {settle}{share}"
    return (
        Cell(fit(f" {name}", name_width), "dim"),
        Cell(fit(words, amount_width, ">"), tone),
        Cell(fit(unit if len(unit) <= rest else share or f" {settle}", rest), "dim"),
    )
