"""What one bot of a backtest did: its fills, orders, counts and the result they add up to."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.domain import events as e
from engine.domain.money import MONEY, ZERO
from engine.domain.order import Order, Side
from engine.domain.position import Valuation
from engine.kernels import layout as k
from engine.market.view import MarketView
from engine.runtime.order_rows import OrderRow, order_row
from engine.runtime.recorder import FillMark, Recorder, Sample
from engine.runtime.trader import BotSpec, Trader


class TraceRow(msgspec.Struct, frozen=True, array_like=True):
    """A bot's book after one wake-up of its strategy."""

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
    """What came of one bot. Money is in the settle asset; `equity` is profit or loss since the
    start: cash + inventory - fees - funding, exactly."""

    rows: int
    start_ns: int
    end_ns: int
    orders: int
    cancels: int
    fills: int
    denied: int
    liquidations: int
    """Orders of the venue that took the position away."""
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


class BotRecord:
    """Follows one bot. `watch` sees the events of every batch, those of other bots among them."""

    def __init__(
        self, trader: Trader, bot: BotSpec, *, keep_trace: bool, keep_orders: bool
    ) -> None:
        self.bot = bot
        self.view: MarketView = trader.markets[bot.instrument_id]
        self.recorder = Recorder(trader, self.view, bot.bot_id)
        self.first_mid = ZERO
        self.liquidations = 0
        self._trader = trader
        self._trace: list[TraceRow] = []
        self._trades: list[FillRow] = []
        self._order_rows: dict[str, OrderRow] | None = {} if keep_orders else None
        self._orders = 0
        self._cancels = 0
        self._denied_by: dict[str, int] = {}
        self._tripped: list[e.RiskTripped] = []
        self._makers = 0
        self._notional = ZERO
        if keep_trace:
            trader.runners[bot.bot_id].observe = self._observe

    # -- events --------------------------------------------------------------------------------

    def before(self, now_ns: int) -> None:
        """The trader is about to take in what happened at `now_ns`."""
        if now_ns >= self.recorder.next_markout_ns:
            self.recorder.markouts(now_ns)
        self.recorder.before(now_ns)
        if not self.first_mid and self.view.has_both_sides:
            self.first_mid = self.view.mid

    def intended(self, event: e.OrderIntended) -> None:
        self._orders += 1
        self.recorder.intend(event.order.client_order_id)

    def denied(self, event: e.OrderDenied) -> None:
        self._denied_by[event.limit] = self._denied_by.get(event.limit, 0) + 1 + event.repeats

    def tripped(self, event: e.RiskTripped) -> None:
        self._tripped.append(event)

    def cancelled(self) -> None:
        self._cancels += 1

    def filled(self, event: e.OrderFilled, order: Order) -> None:
        instrument, fill = self.view.instrument, event.fill
        self._makers += fill.is_maker
        self.recorder.fill(event.ts_ns, event.client_order_id, order.spec.side.sign, fill)
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
                order_id=event.client_order_id,
            )
        )

    def over(self, order: Order, ended_ns: int, reason: str = "") -> None:
        """`order` will do nothing more."""
        self.recorder.forget([order.client_order_id])
        if self._order_rows is not None:
            row = order_row(order, self.view.instrument, ended_ns, reason)
            self._order_rows[order.client_order_id] = row

    def _observe(self, now_ns: int) -> None:
        if not self.view.has_both_sides:
            return
        value = self._value()
        position = self._trader.state.position(self.bot.bot_id, self.bot.instrument_id)
        self._trace.append(
            TraceRow(
                ts_ns=now_ns,
                mid=self.view.mid,
                position=self.view.instrument.qty(position.lots),
                cash=value.cash,
                fee=value.fees,
                fills=position.fills,
            )
        )

    # -- result --------------------------------------------------------------------------------

    def _value(self) -> Valuation:
        return self._trader.portfolio.valuation(self.bot.bot_id, self.bot.instrument_id)

    def result(self, rows: int, start_ns: int, end_ns: int) -> BacktestResult:
        """`rows` of the whole world; the instrument's mid is up to date."""
        self.recorder.end(end_ns)
        state, view, value = self._trader.state, self.view, self._value()
        position = state.position(self.bot.bot_id, self.bot.instrument_id)
        return BacktestResult(
            rows=rows,
            start_ns=start_ns,
            end_ns=end_ns,
            orders=self._orders,
            cancels=self._cancels,
            fills=position.fills,
            denied=sum(self._denied_by.values()),
            liquidations=self.liquidations,
            denied_by=self._denied_by,
            tripped=self._tripped,
            position=view.instrument.qty(position.lots),
            mid=view.mid,
            cash=value.cash,
            inventory=value.inventory,
            fees=value.fees,
            funding=value.funding,
            equity=value.equity,
            traded_notional=self._notional,
            maker_fills=self._makers,
            max_drawdown=self.recorder.max_drawdown,
            first_mid=self.first_mid,
            bot_error=state.bots[self.bot.bot_id].error,
            trades=self._trades,
            marks=self.recorder.marks,
            samples=self.recorder.samples,
            days=self.recorder.days,
            market_lots=view.state.scalars.item(k.M_VOLUME),
            market_trades=view.state.scalars.item(k.M_TRADES),
            trace=self._trace,
            order_rows=self._all_orders(),
        )

    def _all_orders(self) -> list[OrderRow]:
        if self._order_rows is None:
            return []
        for order in self._trader.state.bot_orders(self.bot.bot_id).values():
            row = order_row(order, self.view.instrument, 0, "")
            self._order_rows[order.client_order_id] = row
        return list(self._order_rows.values())
