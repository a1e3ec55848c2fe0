"""A shelf with two backtests, one story and a page: what `FileShelf` reads, without files."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from app.views.shelf import Page, Run, RunRow, SettingRow, Told
from engine.domain.errors import BadInput
from tests.support.session import SECOND, START_NS

MINUTE = 60 * SECOND


def a_run_row(run_id: str, **changes: object) -> RunRow:
    fields: dict[str, object] = {
        "run_id": run_id,
        "kept_ns": START_NS,
        "strategy": "grid",
        "instrument_id": "binance_usdm.BTCUSDT",
        "settle": "USDT",
        "start_ns": START_NS - 60 * MINUTE,
        "end_ns": START_NS,
        "fills": 1_284,
        "profit": Decimal("412.5"),
        "profit_pct": Decimal("0.41"),
        "hold_pct": Decimal("-1.2"),
        "drawdown_pct": Decimal("0.3"),
        "sharpe": None,
    }
    return RunRow(**{**fields, **changes})  # type: ignore[arg-type]


class FakeShelf:
    """Implements `app.views.shelf.Shelf`. `asked` collects the questions."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self._rows = [
            a_run_row("a1b2c3d4e5f6a7b8"),
            a_run_row("0f1e2d3c4b5a6978", strategy="trend", profit_pct=Decimal("-2.5")),
        ]

    def story(self, ident: str) -> Sequence[Told]:
        self.asked.append(("story", ident))
        return [
            Told(START_NS - SECOND, "the bot wanted to buy 0.005 limit @ 60011.5 for grid"),
            Told(START_NS, "0.005 filled @ 60011.5 as maker, fee 0.06 USDT; filled completely"),
        ]

    def runs(self, ident: str = "") -> Sequence[RunRow]:
        self.asked.append(("runs", ident))
        return self._rows

    def run(self, ident: str) -> Run:
        self.asked.append(("run", ident))
        row = next((row for row in self._rows if row.run_id == ident), None)
        if row is None:
            raise BadInput("backtest", ident, "it is gone: read the list again")
        document = {
            "params": {"levels": "5"},
            "scenario": "latency 10 ms, queue risk-averse",
            "fees": Decimal("18.2"),
            "metrics": {"profit_pct": row.profit_pct, "sharpe": None, "orders": 2_402},
            "benchmarks": {"buy_and_hold": {"profit_pct": row.hold_pct}},
        }
        equity = [(START_NS - (60 - at) * MINUTE, Decimal(at * 7)) for at in range(61)]
        return Run(row=row, document=document, equity=equity)

    def settings(self, ident: str = "") -> Sequence[SettingRow]:
        self.asked.append(("settings", ident))
        return [
            SettingRow("risk.daily_loss_max_pct", "5", "settings.toml:3"),
            SettingRow("risk.collar_pct", "5", "default"),
            SettingRow("ui.palette", "colour-blind", "default"),
        ]

    def pages(self, ident: str = "") -> Sequence[Page]:
        self.asked.append(("pages", ident))
        return [
            Page("first", "First minutes", "# First minutes\n\nSelect a **bot** and press `p`."),
            Page("limits", "Limits", "# Limits\n\n- one\n- two"),
        ]
