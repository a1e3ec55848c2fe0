"""A backtest: the trader and the simulated world, run as fast as they go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from engine.domain import events as e
from engine.domain.errors import WorkFailed
from engine.domain.money import MONEY, ZERO
from engine.domain.order import Order, Side
from engine.kernels import layout as k
from engine.market.view import MarketView
from engine.ports.store import Journal
from engine.ports.world import Wake, World
from engine.runtime.driver import Driver
from engine.runtime.order_rows import OrderRow, order_row
from engine.runtime.recorder import FillMark, Recorder, Sample
from engine.runtime.trader import BotSpec, Trader
from engine.strategy.runner import NEVER_NS

PROGRESS_EVERY_BATCHES = 512
_OVER = (e.OrderCanceled, e.OrderExpired, e.OrderRejected)


class TraceRow(msgspec.Struct, frozen=True, array_like=True):
    """The account after one wake-up of the strategy."""

    ts_ns: int
    mid: Decimal
    position: Decimal
    cash: Decimal
    fee: Decimal
    fills: int


class FillRow(msgspec.Struct, frozen=True, array_like=True):
    ts_ns: int
    side: Side
    price: Decimal
    qty: Decimal
    fee: Decimal
    maker: bool
    queue_ahead: Decimal
    """Quantity ahead when the order joined its level; -1 for takers."""
    order_id: str


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Money is in the settle asset; `equity` is profit or loss since the start:
    cash + inventory - fees - funding, exactly."""

    rows: int
    start_ns: int
    end_ns: int
    orders: int
    cancels: int
    fills: int
    denied: int
    denied_by: dict[str, int]
    """Which limit or rule refused how many of them."""
    tripped: list[e.RiskTripped]
    """Account limits that were reached, in order."""
    position: Decimal
    mid: Decimal
    cash: Decimal
    inventory: Decimal
    fees: Decimal
    funding: Decimal
    equity: Decimal
    traded_notional: Decimal
    maker_fills: int
    max_drawdown: Decimal
    first_mid: Decimal
    bot_error: str
    """Why the strategy failed and was paused; "" if it did not."""
    trades: list[FillRow]
    marks: list[FillMark]
    """One beside each of `trades`."""
    samples: list[Sample]
    days: list[Sample]
    market_lots: int
    """Traded by the market, and in how many trades, since the start."""
    market_trades: int
    trace: list[TraceRow]
    order_rows: list[OrderRow]
    """In the order of their ends, those that rest at the end last; none unless asked for."""


class Backtest:
    """One bot in one world. `journal` keeps the events (in memory, or a ledger)."""

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
        self._progress = progress
        self._trace: list[TraceRow] = []
        self._trades: list[FillRow] = []
        self._orders: dict[str, OrderRow] | None = {} if keep_orders else None
        self._cancels = 0
        self._denied_by: dict[str, int] = {}
        self._tripped: list[e.RiskTripped] = []
        self._makers = 0
        self._notional = ZERO
        self._first_mid = ZERO
        self._recorder = Recorder(trader, self._view())

    def run(self, session: e.SessionStarted, bot: BotSpec) -> BacktestResult:
        """From the first row to the last. WorkFailed when the world has no tradable market."""
        self._trader.begin(session, [bot])
        runner = self._trader.runners[bot.bot_id]
        if self._keep_trace:
            runner.observe = self._observe
        self._commit(self._trader.drain().events)
        batches, recorder = 0, self._recorder
        while True:
            wake = self._driver.advance(NEVER_NS)
            if wake.ts_ns >= recorder.next_markout_ns:
                recorder.markouts(wake.ts_ns)
            recorder.before(wake.ts_ns)
            self._step(wake)
            batches += 1
            if self._progress is not None and batches % PROGRESS_EVERY_BATCHES == 0:
                self._progress(wake.ts_ns, self._world.rows)
            if wake.reasons & k.WAKE_END:
                return self._result(session, bot)

    def _step(self, wake: Wake) -> None:
        if not self._first_mid and self._view().has_both_sides:
            self._first_mid = self._view().mid
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
        has_fill, over = False, []
        for event in events:
            if isinstance(event, e.OrderFilled):
                has_fill = True
                if not self._add_fill(event).leaves_lots:
                    over.append(event.client_order_id)
                    self._add_order(event.client_order_id, event.ts_ns)
            elif isinstance(event, e.OrderIntended):
                self._recorder.intend(event.order.client_order_id)
            elif isinstance(event, e.CancelIntended):
                self._cancels += 1
            elif isinstance(event, e.OrderDenied):
                count = self._denied_by.get(event.limit, 0)
                self._denied_by[event.limit] = count + 1 + event.repeats
            elif isinstance(event, e.RiskTripped):
                self._tripped.append(event)
            elif isinstance(event, _OVER):
                over.append(event.client_order_id)
                self._add_order(event.client_order_id, event.ts_ns, event.reason)
        if has_fill:
            self._recorder.mark_profit()
        if over:
            self._recorder.forget(over)

    def _add_fill(self, event: e.OrderFilled) -> Order:
        order = self._trader.state.find_order(event.client_order_id)
        assert order is not None, event
        instrument = self._trader.state.instruments[order.spec.instrument_id]
        fill = event.fill
        self._makers += fill.is_maker
        order_id = event.client_order_id
        self._recorder.fill(event.ts_ns, order_id, order.spec.side.sign, fill)
        self._notional = MONEY.add(self._notional, instrument.money(event.value_units))
        self._trades.append(
            FillRow(
                ts_ns=event.ts_ns,
                side=order.spec.side,
                price=instrument.price(fill.price_ticks),
                qty=instrument.qty(fill.lots),
                fee=fill.settle_fee,
                maker=fill.is_maker,
                queue_ahead=(
                    instrument.qty(fill.queue_ahead_lots)
                    if fill.queue_ahead_lots >= 0
                    else Decimal(-1)
                ),
                order_id=order_id,
            )
        )
        return order

    def _add_order(self, order_id: str, ended_ns: int, reason: str = "") -> None:
        if self._orders is None:
            return
        order = self._trader.state.find_order(order_id)
        assert order is not None, order_id
        instrument = self._trader.state.instruments[order.spec.instrument_id]
        # Several fills of one batch all find the order as the last of them has left it.
        self._orders[order_id] = order_row(order, instrument, ended_ns, reason)

    def _observe(self, now_ns: int) -> None:
        view = self._view()
        if not view.has_both_sides:
            return
        account = self._trader.portfolio.account()
        state = self._trader.state
        lots = state.net_lots.get(view.instrument.instrument_id, 0)
        self._trace.append(
            TraceRow(
                ts_ns=now_ns,
                mid=view.mid,
                position=view.instrument.qty(lots),
                cash=account.cash,
                fee=account.fees,
                fills=state.fills,
            )
        )

    def _all_orders(self) -> list[OrderRow]:
        if self._orders is None:
            return []
        state = self._trader.state
        for order in state.orders.values():
            instrument = state.instruments[order.spec.instrument_id]
            self._orders[order.client_order_id] = order_row(order, instrument, 0, "")
        return list(self._orders.values())

    # -- result --------------------------------------------------------------------------------

    def _view(self) -> MarketView:
        markets: Mapping[str, MarketView] = self._trader.markets
        return next(iter(markets.values()))

    def _result(self, session: e.SessionStarted, bot: BotSpec) -> BacktestResult:
        view = self._view()
        if not view.has_both_sides:
            raise WorkFailed("the recording ends without a two-sided book: nothing to value")
        state = self._trader.state
        self._trader.portfolio.refresh(bot.instrument_id)
        self._recorder.end(self._world.now_ns)
        account = self._trader.portfolio.account()
        return BacktestResult(
            rows=self._world.rows,
            start_ns=session.ts_ns,
            end_ns=self._world.now_ns,
            orders=state.placed,
            cancels=self._cancels,
            fills=state.fills,
            denied=state.denied,
            denied_by=self._denied_by,
            tripped=self._tripped,
            position=view.instrument.qty(state.net_lots.get(bot.instrument_id, 0)),
            mid=view.mid,
            cash=account.cash,
            inventory=account.inventory,
            fees=account.fees,
            funding=account.funding,
            equity=account.profit,
            traded_notional=self._notional,
            maker_fills=self._makers,
            max_drawdown=self._recorder.max_drawdown,
            first_mid=self._first_mid,
            bot_error=state.bots[bot.bot_id].error,
            trades=self._trades,
            marks=self._recorder.marks,
            samples=self._recorder.samples,
            days=self._recorder.days,
            market_lots=view.state.scalars.item(k.M_VOLUME),
            market_trades=view.state.scalars.item(k.M_TRADES),
            trace=self._trace,
            order_rows=self._all_orders(),
        )
