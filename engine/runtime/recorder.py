"""What a backtest writes down along the way for the report: the equity curve at fixed market
times, and around each fill the market before and after it.

All of it is what was known locally at its time, in ticks and lots; statistics come later
(`engine.research`). Memory is bounded but for one record a fill and one a day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from engine.domain.money import MONEY, ZERO
from engine.domain.order import Fill
from engine.kernels import layout as k
from engine.market.view import MarketView
from engine.runtime.trader import DAY_NS, Trader
from engine.strategy.runner import NEVER_NS

SAMPLE_NS = 500_000_000
SAMPLES_MAX = 8192
"""With more, every second one is dropped and the interval doubles: a year has as many as a day."""
MARKOUT_NS = (1_000_000_000, 5_000_000_000, 60_000_000_000)
MARKOUT_LATE_NS = 250_000_000
"""Read at the trader's next instant, no more than this late: on recorded books the housekeeping
alone is that often. Bars do not tell what happened seconds later; there it stays unknown."""
UNKNOWN = 0
"""A mid that was not there: the book had one side only, or the data had ended."""


class Sample(NamedTuple):
    """The account as the last instant before `ts_ns` left it. `profit` is since the start, open
    positions at the last good mid; `mid_x2` is best bid + best ask in ticks."""

    ts_ns: int
    profit: Decimal
    mid_x2: int
    lots: int


class FillMark(msgspec.Struct, kw_only=True):
    """The market around one fill. Mids are best bid + best ask in ticks, `UNKNOWN` if missing."""

    sign: int
    price_ticks: int
    lots: int
    is_maker: bool
    queue_ahead_lots: int
    """Ahead of the order when it joined its level, and still when it filled; -1 for takers."""
    queue_left_lots: int
    level_volume_lots: int
    """Lots that the market traded at its price or beyond while it rested; -1 for takers."""
    latency_ns: int
    """How long the order was under way to the venue; -1 where it is not known."""
    intended_x2: int
    """Mid when the order was decided on."""
    volume_before: int
    """Lots that the market had traded, and in how many trades, when the order was decided on:
    the average trade that its place in the queue is measured by."""
    trades_before: int
    volume_resting: int
    """Lots that the market traded from then to the fill, at whatever price."""
    mid_x2: int
    spread_ticks: int
    after_x2: list[int]
    """Mids `MARKOUT_NS` after we heard of the fill."""


class _Intent(NamedTuple):
    mid_x2: int
    volume: int
    trades: int


class Recorder:
    """Follows one bot's book and instrument. The caller says when: see `Backtest.run_all`."""

    def __init__(self, trader: Trader, view: MarketView, bot_id: str) -> None:
        self.samples: list[Sample] = []
        self.days: list[Sample] = []
        """At every UTC midnight, those that lie in a gap of the data included."""
        self.marks: list[FillMark] = []
        self.max_drawdown = ZERO
        """Deepest fall of the profit from its peak, at every fill and every sample."""
        self.next_markout_ns = NEVER_NS
        """When `markouts` has something to do."""
        self._trader = trader
        self._view = view
        self._bot_id = bot_id
        self._instrument_id = view.instrument.instrument_id
        self._intents: dict[str, _Intent] = {}
        self._waiting: tuple[deque[tuple[int, FillMark]], ...] = tuple(deque() for _ in MARKOUT_NS)
        self._interval_ns = SAMPLE_NS
        self._next_sample_ns = 0
        self._next_day_ns = 0
        self._peak = ZERO

    # -- equity ----------------------------------------------------------------------------------

    def before(self, now_ns: int) -> None:
        """Called before the trader takes in what happened at `now_ns`: its state is still the one
        that every sampling time since the last call has seen."""
        if now_ns < self._next_sample_ns and now_ns < self._next_day_ns:
            return
        mid_x2 = self._trader.portfolio.good_mid_x2.get(self._instrument_id, UNKNOWN)
        if mid_x2 == UNKNOWN:
            return
        profit = self.mark_profit()
        lots = self._trader.state.position(self._bot_id, self._instrument_id).lots
        if self._next_day_ns == 0:  # Before the first mid there was nothing to be valued.
            self._next_day_ns = _after(now_ns, DAY_NS)
            self._next_sample_ns = _after(now_ns, self._interval_ns)
        while self._next_day_ns <= now_ns:
            self.days.append(Sample(self._next_day_ns, profit, mid_x2, lots))
            self._next_day_ns += DAY_NS
        if now_ns >= self._next_sample_ns:
            ts_ns = now_ns - now_ns % self._interval_ns
            self.samples.append(Sample(ts_ns, profit, mid_x2, lots))
            if len(self.samples) > SAMPLES_MAX:
                self._interval_ns *= 2
                kept = (one for one in self.samples if one.ts_ns % self._interval_ns == 0)
                self.samples = list(kept)
            self._next_sample_ns = _after(now_ns, self._interval_ns)

    def end(self, now_ns: int) -> None:
        """The account as it is now is the last sample."""
        mid_x2 = self._trader.portfolio.good_mid_x2[self._instrument_id]
        lots = self._trader.state.position(self._bot_id, self._instrument_id).lots
        self.samples.append(Sample(now_ns, self.mark_profit(), mid_x2, lots))

    def mark_profit(self) -> Decimal:
        """Profit or loss since the start, looked at for the deepest fall."""
        profit = self._trader.portfolio.valuation(self._bot_id, self._instrument_id).equity
        self._peak = max(self._peak, profit)
        self.max_drawdown = max(self.max_drawdown, MONEY.subtract(self._peak, profit))
        return profit

    # -- fills -----------------------------------------------------------------------------------

    def intend(self, client_order_id: str) -> None:
        self._intents[client_order_id] = self._intent()

    def _intent(self) -> _Intent:
        item = self._view.state.scalars.item
        return _Intent(self._mid_x2(), item(k.M_VOLUME), item(k.M_TRADES))

    def forget(self, client_order_ids: Iterable[str]) -> None:
        """These orders are over."""
        for client_order_id in client_order_ids:
            self._intents.pop(client_order_id, None)

    def fill(self, now_ns: int, client_order_id: str, sign: int, fill: Fill) -> None:
        # A venue may report a fill of an order that it had called over.
        intent, view = self._intents.get(client_order_id) or self._intent(), self._view
        mid_x2 = self._mid_x2()
        mark = FillMark(
            sign=sign,
            price_ticks=fill.price_ticks,
            lots=fill.lots,
            is_maker=fill.is_maker,
            queue_ahead_lots=fill.queue_ahead_lots,
            queue_left_lots=fill.queue_left_lots,
            level_volume_lots=fill.level_volume_lots,
            latency_ns=fill.latency_ns,
            intended_x2=intent.mid_x2,
            volume_before=intent.volume,
            trades_before=intent.trades,
            volume_resting=view.state.scalars.item(k.M_VOLUME) - intent.volume,
            mid_x2=mid_x2,
            spread_ticks=view.best_ask - view.best_bid if mid_x2 != UNKNOWN else 0,
            after_x2=[UNKNOWN] * len(MARKOUT_NS),
        )
        self.marks.append(mark)
        for wait_ns, waiting in zip(MARKOUT_NS, self._waiting, strict=True):
            waiting.append((now_ns + wait_ns, mark))
        self.next_markout_ns = min(self.next_markout_ns, now_ns + MARKOUT_NS[0])

    def markouts(self, now_ns: int) -> None:
        """Write the present mid beside the fills whose time has come since the last call."""
        mid_x2 = self._mid_x2()
        self.next_markout_ns = NEVER_NS
        for index, waiting in enumerate(self._waiting):
            while waiting and waiting[0][0] <= now_ns:
                due_ns, mark = waiting.popleft()
                if now_ns - due_ns <= MARKOUT_LATE_NS:
                    mark.after_x2[index] = mid_x2
            if waiting and waiting[0][0] < self.next_markout_ns:
                self.next_markout_ns = waiting[0][0]

    def _mid_x2(self) -> int:
        return self._view.mid_x2 if self._view.has_both_sides else UNKNOWN


def _after(now_ns: int, period_ns: int) -> int:
    return (now_ns // period_ns + 1) * period_ns
