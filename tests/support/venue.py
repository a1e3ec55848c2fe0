"""A simulated exchange over a market that a test writes line by line."""

from __future__ import annotations

import numpy as np

from engine.domain import reports as r
from engine.domain.order import OrderSpec, OrderType, Side, TimeInForce
from engine.kernels import layout as k
from engine.ports.venue import Cancel, Submit
from engine.sim.exchange import SimExchange
from engine.sim.scenario import FillMode, Scenario
from tests.support.builders import linear

MS = 1_000_000
MID = 50_000


class Tape:
    """Rows in the making: `tape.at(ms).bid(...).ask(...).trade(...)`; both clocks agree."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._now_ms = 0

    def at(self, ms: int) -> Tape:
        self._now_ms = ms
        return self

    def bid(self, ticks: int, lots: int) -> Tape:
        return self._add(k.ROW_DEPTH, k.BUY, ticks, lots)

    def ask(self, ticks: int, lots: int) -> Tape:
        return self._add(k.ROW_DEPTH, k.SELL, ticks, lots)

    def bought(self, ticks: int, lots: int) -> Tape:
        """A buyer took `lots` at `ticks`."""
        return self._add(k.ROW_TRADE, k.BUY, ticks, lots)

    def sold(self, ticks: int, lots: int) -> Tape:
        return self._add(k.ROW_TRADE, k.SELL, ticks, lots)

    def _add(self, kind: int, side: int, ticks: int, lots: int) -> Tape:
        self._rows.append((self._now_ms * MS, kind, side, ticks, lots))
        return self

    def rows(self) -> k.Rows:
        rows = np.zeros(len(self._rows), k.ROW)
        for index, (now_ns, kind, side, ticks, lots) in enumerate(self._rows):
            rows[index] = (now_ns, now_ns, ticks, lots, kind, side)
        return rows


def a_book() -> Tape:
    """10 lots at each of five levels a side, at 0 ms: bids from 49,999 down, asks from 50,001."""
    tape = Tape()
    for level in range(1, 6):
        tape.bid(MID - level, 10).ask(MID + level, 10)
    return tape


class Venue:
    """`venue.place(...)` at a time, then `venue.to(ms)` and read `reports`."""

    def __init__(self, tape: Tape, *, fills: FillMode = FillMode.PARTIAL, latency_ms: int = 1):
        scenario = Scenario(
            entry_latency_ns=latency_ms * MS, response_latency_ns=latency_ms * MS, fills=fills
        )
        # A last row far away keeps the recording going until the test is over.
        self.world = SimExchange(linear(), tape.at(1000).bid(MID - 900, 1).rows(), scenario)
        self.reports: list[r.AnyReport] = []
        self._orders = 0

    def to(self, ms: int) -> Venue:
        while self.world.advance(ms * MS, 0).ts_ns < ms * MS:
            self.reports += self.world.drain_reports()
        self.reports += self.world.drain_reports()
        return self

    def place(
        self,
        side: Side,
        lots: int,
        ticks: int = 0,
        tif: TimeInForce = TimeInForce.GTC,
        *,
        type: OrderType | None = None,
        trigger: int = 0,
        reduce_only: bool = False,
    ) -> str:
        self._orders += 1
        key = f"o{self._orders}"
        kind = type or (OrderType.LIMIT if ticks else OrderType.MARKET)
        spec = OrderSpec(
            instrument_id="test.BTCUSDT",
            side=side,
            qty_lots=lots,
            type=kind,
            price_ticks=ticks,
            trigger_ticks=trigger,
            tif=tif,
            reduce_only=reduce_only,
        )
        self.world.submit([Submit(client_order_id=key, bot_id="bot", spec=spec)], self.now_ns)
        return key

    def cancel(self, key: str) -> None:
        self.world.submit([Cancel(client_order_id=key)], self.now_ns)

    @property
    def now_ns(self) -> int:
        return self.world.now_ns

    def fills(self, key: str = "o1") -> list[tuple[int, int, bool]]:
        """(ticks, lots, maker) of every fill of `key`."""
        return [
            (report.fill.price_ticks, report.fill.lots, report.fill.is_maker)
            for report in self.reports
            if isinstance(report, r.FillReport) and report.client_order_id == key
        ]

    def words(self, key: str = "o1") -> list[str]:
        """What was reported of `key`, in order: `Accept`, `Fill`, `Expire` ..."""
        return [
            type(report).__name__.removesuffix("Report")
            for report in self.reports
            if report.client_order_id == key
        ]
