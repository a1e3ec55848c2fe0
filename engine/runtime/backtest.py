"""A backtest: the trader and the simulated world, run as fast as they go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from engine.domain import events as e
from engine.domain.errors import WorkFailed
from engine.domain.money import MONEY, ZERO
from engine.domain.order import Order
from engine.kernels import layout as k
from engine.ports.store import Journal
from engine.ports.world import Wake, World
from engine.runtime.bot_record import BacktestResult, BotRecord, FillRow, TraceRow
from engine.runtime.driver import Driver
from engine.runtime.trader import BotSpec, Trader
from engine.strategy.runner import NEVER_NS

__all__ = ["Backtest", "BacktestResult", "FillRow", "Outcome", "TraceRow"]

PROGRESS_EVERY_BATCHES = 512
_OVER = (e.OrderCanceled, e.OrderExpired, e.OrderRejected)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all bots together, and of each."""

    bots: list[BacktestResult]
    """In the order in which they were given."""
    equity: Decimal
    """Profit or loss of the account since the start."""
    max_drawdown: Decimal
    """Deepest fall of that profit, at every fill and every sample of any bot."""


class Backtest:
    """Bots in one world. `journal` takes the events (in memory, a ledger, or nowhere)."""

    def __init__(
        self,
        trader: Trader,
        world: World,
        journal: Journal,
        *,
        keep_trace: bool = False,
        keep_orders: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """`progress` is told the market's time in ns and the rows so far."""
        self._driver = Driver(trader, world)
        self._trader = trader
        self._world = world
        self._journal = journal
        self._keep_trace = keep_trace
        self._keep_orders = keep_orders
        self._progress = progress
        self._records: dict[str, BotRecord] = {}
        self._peak = self._drawdown = ZERO

    def run(self, session: e.SessionStarted, bot: BotSpec) -> BacktestResult:
        """One bot from the first row to the last; see `run_all`."""
        return self.run_all(session, [bot]).bots[0]

    def run_all(self, session: e.SessionStarted, bots: Sequence[BotSpec]) -> Outcome:
        """From the first row to the last. WorkFailed when a market of a bot cannot be valued."""
        self._trader.begin(session, bots)
        self._records = {
            bot.bot_id: BotRecord(
                self._trader, bot, keep_trace=self._keep_trace, keep_orders=self._keep_orders
            )
            for bot in bots
        }
        self._commit(self._trader.drain().events)
        records, batches = list(self._records.values()), 0
        while True:
            wake = self._driver.advance(NEVER_NS)
            for record in records:
                record.before(wake.ts_ns)
            self._step(wake)
            batches += 1
            if batches % PROGRESS_EVERY_BATCHES == 0:
                self._mark_account()
                if self._progress is not None:
                    self._progress(wake.ts_ns, self._world.rows)
            if wake.reasons & k.WAKE_END:
                return self._outcome(session)

    def _step(self, wake: Wake) -> None:
        outbox = self._driver.batch(wake)
        if outbox.events:
            self._commit(outbox.events)
            self._watch(outbox.events)
        if outbox.requests:
            self._world.submit(outbox.requests, wake.ts_ns)

    def _commit(self, events: list[e.AnyEvent]) -> None:
        self._journal.append(events).result()

    # -- watching ------------------------------------------------------------------------------

    def _watch(self, events: list[e.AnyEvent]) -> None:
        """Tell every bot's record what became of its orders."""
        traded = set()
        for event in events:
            if isinstance(event, e.OrderFilled):
                order, record = self._of(event.client_order_id)
                record.filled(event, order)
                traded.add(record.bot.bot_id)
                if not order.leaves_lots:
                    record.over(order, event.ts_ns)
            elif isinstance(event, e.OrderIntended):
                self._records[event.order.bot_id].intended(event)
            elif isinstance(event, e.OrderDenied):
                self._records[event.bot_id].denied(event)
            elif isinstance(event, e.RiskTripped):
                for record in self._records.values():
                    record.tripped(event)
            elif isinstance(event, e.PositionLiquidated):
                self._records[event.bot_id].liquidations += 1
            elif isinstance(event, e.CancelIntended):
                self._of(event.client_order_id)[1].cancelled()
            elif isinstance(event, _OVER):
                order, record = self._of(event.client_order_id)
                record.over(order, event.ts_ns, event.reason)
        for bot_id in traded:
            self._records[bot_id].recorder.mark_profit()
        if traded:
            self._mark_account()

    def _of(self, client_order_id: str) -> tuple[Order, BotRecord]:
        # Several events of one batch all find the order as the last of them has left it.
        order = self._trader.state.find_order(client_order_id)
        assert order is not None, client_order_id
        return order, self._records[order.bot_id]

    def _mark_account(self) -> None:
        """The account's profit, looked at for its deepest fall."""
        profit = MONEY.subtract(self._trader.portfolio.equity(), self._trader.state.capital)
        self._peak = max(self._peak, profit)
        self._drawdown = max(self._drawdown, MONEY.subtract(self._peak, profit))

    # -- result --------------------------------------------------------------------------------

    def _outcome(self, session: e.SessionStarted) -> Outcome:
        end_ns, rows = self._world.now_ns, self._world.rows
        for record in self._records.values():
            if not record.view.has_both_sides:
                name = record.bot.instrument_id if len(self._records) > 1 else "the recording"
                raise WorkFailed(f"{name} ends without a two-sided book: nothing to value")
            self._trader.portfolio.refresh(record.bot.instrument_id)
        self._mark_account()
        return Outcome(
            bots=[record.result(rows, session.ts_ns, end_ns) for record in self._records.values()],
            equity=self._trader.portfolio.account().profit,
            max_drawdown=self._drawdown,
        )
