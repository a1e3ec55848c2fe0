"""Builds snapshots: the one translation from the engine's state to what a face may know."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from engine.domain import events as e
from engine.domain import snapshots as s
from engine.domain.commands import KillLevel
from engine.domain.incident import CHOICES
from engine.domain.money import MONEY, ZERO
from engine.domain.order import Order, Side
from engine.kernels import layout as k
from engine.market.view import MarketView
from engine.runtime.narrate import narrate
from engine.runtime.trader import Trader
from engine.strategy.runner import NEVER_NS
from engine.trading.algos.describe import algo_words, legs_of
from engine.trading.algos.state import AlgoState

LOG_KEPT = 500
FILLS_KEPT = 200
RECEIPTS_KEPT = 64
TAPE_SHOWN = 60
LEVELS_SHOWN = 400
BARS_SHOWN = 240
CURVE_SHOWN = 240


class Pacing(msgspec.Struct, frozen=True, kw_only=True):
    """What only the runtime knows about the session."""

    mode: s.Mode
    profile: str
    world: str
    speed: Decimal
    feed_age_ms: int
    has_ended: bool
    halted: str
    wall_ns: int
    link: s.LinkSnapshot | None = None


class Publisher:
    """Keeps the short memories a face needs (log, fills, receipts) and renders snapshots.

    `queue_ahead` gives the present estimate for a live order, -1 where it makes no sense;
    `fee_rates` an instrument's (maker, taker), None where nobody has said.
    """

    def __init__(
        self,
        trader: Trader,
        queue_ahead: Callable[[str], int],
        fee_rates: Callable[[str], tuple[Decimal | None, Decimal | None]],
    ) -> None:
        self._fee_rates = fee_rates
        self._trader = trader
        self._queue_ahead = queue_ahead
        self._log: deque[s.LogRow] = deque(maxlen=LOG_KEPT)
        self._fills: deque[s.FillSnapshot] = deque(maxlen=FILLS_KEPT)
        self._receipts: deque[s.ReceiptSnapshot] = deque(maxlen=RECEIPTS_KEPT)
        self._actions: dict[str, tuple[str, int]] = {}
        self._seq = 0
        self._version = 0
        self._day_open: dict[str, int] = {}
        self._closed_bars: dict[tuple[str, str], tuple[int, list[s.BarRow]]] = {}
        """By instrument and timeframe: how many had closed, and the latest of them."""

    # -- memory --------------------------------------------------------------------------------

    def remember(self, events: Sequence[e.AnyEvent]) -> None:
        """Take in events that are durable now."""
        for event in events:
            self._seq += 1
            if isinstance(event, e.CommandDone):
                self._receipts.append(
                    s.ReceiptSnapshot(
                        command_id=event.command_id, name=event.name, refused=event.refused
                    )
                )
            elif isinstance(event, e.ReceiptVerified):
                self._verify_receipt(event)
            elif isinstance(event, e.OrderFilled):
                self._remember_fill(event)
            line = narrate(event, self._trader.state)
            if line is None:
                continue
            self._log.append(
                s.LogRow(
                    seq=self._seq,
                    ts_ns=event.ts_ns,
                    level=line.level,
                    source=line.source,
                    text=line.text,
                )
            )
            self._actions[line.source] = (line.text, event.ts_ns)

    def _verify_receipt(self, event: e.ReceiptVerified) -> None:
        for index, receipt in enumerate(self._receipts):
            if receipt.command_id == event.command_id:
                self._receipts[index] = msgspec.structs.replace(
                    receipt, verified=event.words, left=event.left, is_clean=event.is_clean
                )

    def _remember_fill(self, event: e.OrderFilled) -> None:
        order = self._trader.state.find_order(event.client_order_id)
        if order is None:
            return
        self._fills.append(
            s.FillSnapshot(
                seq=self._seq,
                ts_ns=event.ts_ns,
                bot_id=order.bot_id,
                client_order_id=order.client_order_id,
                instrument_id=order.spec.instrument_id,
                side=order.spec.side.sign,
                ticks=event.fill.price_ticks,
                lots=event.fill.lots,
                fee=event.fill.settle_fee,
                is_maker=event.fill.is_maker,
            )
        )

    # -- rendering -----------------------------------------------------------------------------

    def render(
        self, pacing: Pacing, *, version: int = 0, replay: s.ReplaySnapshot | None = None
    ) -> s.EngineSnapshot:
        """`version`: of a caller that has more than one publisher in its life."""
        state = self._trader.state
        account = self._trader.portfolio.account()
        equity = MONEY.add(state.capital, account.profit)
        self._version += 1
        return s.EngineSnapshot(
            version=version or self._version,
            ts_ns=max(state.last_ns, *(v.now_ns for v in self._trader.markets.values())),
            published_wall_ns=pacing.wall_ns,
            mode=pacing.mode,
            profile=pacing.profile,
            world=pacing.world,
            speed=pacing.speed,
            feed_age_ms=pacing.feed_age_ms,
            has_ended=pacing.has_ended,
            kill=state.kill,
            kill_reason=state.kill_reason if state.kill is not KillLevel.NONE else "",
            kill_by=state.kill_by,
            kill_since_ns=state.kill_since_ns,
            halted=pacing.halted or _tripped_words(state.tripped),
            settle=state.settle,
            capital=state.capital,
            equity=equity,
            realised=account.realised,
            unrealised=account.unrealised,
            fees=account.fees,
            funding=account.funding,
            day_pnl=MONEY.subtract(equity, state.day_start_equity),
            equity_curve=_thin(list(state.equity_curve), CURVE_SHOWN),
            instruments=list(state.instruments.values()),
            markets=[self._market(view) for view in self._trader.markets.values()],
            bots=[self._bot(bot_id) for bot_id in state.bots],
            positions=[self._position(*key) for key in state.positions],
            orders=[self._order(order) for order in state.orders.values()],
            algos=[self._algo(algo) for algo in state.algos.values()],
            incidents=[
                s.IncidentSnapshot(incident=one, choices=CHOICES[one.kind])
                for one in state.incidents.values()
            ],
            alerts_until_ns=state.alerts_until_ns,
            fills=list(self._fills),
            limits=self._limits(equity),
            log=list(self._log),
            receipts=list(self._receipts),
            replay=replay,
            link=pacing.link,
        )

    def _market(self, view: MarketView) -> s.MarketSnapshot:
        instrument_id = view.instrument.instrument_id
        day_open = self._day_open.get(instrument_id, 0)
        if day_open == 0 and view.last_ticks:
            self._day_open[instrument_id] = day_open = _first_ticks(view)
        maker_rate, taker_rate = self._fee_rates(instrument_id)
        return s.MarketSnapshot(
            instrument_id=instrument_id,
            ts_ns=view.now_ns,
            is_ready=view.is_ready,
            bids=view.depth(Side.BUY, LEVELS_SHOWN),
            asks=view.depth(Side.SELL, LEVELS_SHOWN),
            last_ticks=view.last_ticks,
            last_side=view.last_side,
            day_open_ticks=day_open,
            tape=[s.TapeRow(*row) for row in view.tape(TAPE_SHOWN)],
            bars={word: self._bars(view, word) for word in view.timeframes},
            rows=view.state.scalars.item(k.M_ROWS),
            maker_rate=maker_rate,
            taker_rate=taker_rate,
        )

    def _bars(self, view: MarketView, word: str) -> list[s.BarRow]:
        """The latest bars. Closed ones never change: they are made once and kept."""
        key = view.instrument.instrument_id, word
        closed = view.closed_bars(word)
        known, rows = self._closed_bars.get(key, (-1, []))
        if known != closed:
            rows = [s.BarRow(*bar) for bar in view.bars(word, BARS_SHOWN)]
            self._closed_bars[key] = closed, rows
        forming = view.bars(word, 0, forming=True)
        return [*rows, *(s.BarRow(*bar) for bar in forming)]

    def _bot(self, bot_id: str) -> s.BotSnapshot:
        state = self._trader.state
        bot = state.bots[bot_id]
        runner = self._trader.runners[bot_id]
        instrument = state.instruments[bot.instrument_id]
        position = state.position(bot_id, bot.instrument_id)
        worth = self._trader.portfolio.valuation(bot_id, bot.instrument_id)
        would = runner.context.would if bot.helm is e.Helm.MANUAL else None
        said, said_ns = self._actions.get(bot_id, ("", 0))
        if runner.context.said_ns >= said_ns and runner.context.said:
            said, said_ns = runner.context.said, runner.context.said_ns
        return s.BotSnapshot(
            bot_id=bot_id,
            strategy=bot.strategy,
            instrument_id=bot.instrument_id,
            helm=bot.helm,
            helm_by=bot.helm_by,
            helm_reason=bot.helm_reason,
            position_lots=position.lots,
            entry_ticks=instrument.entry_ticks(position.lots, position.cost_units),
            realised=worth.realised,
            unrealised=worth.unrealised,
            fees=worth.fees,
            pnl=worth.equity,
            open_orders=len(state.bot_orders(bot_id)),
            fills=position.fills,
            last_action=said,
            last_action_ns=said_ns,
            params=json.loads(bot.params_json),
            error=bot.error,
            next_wake_ns=runner.next_timer_ns if runner.next_timer_ns < NEVER_NS else 0,
            would=would.words(instrument) if would is not None else "",
            would_ns=would.at_ns if would is not None else 0,
        )

    def _position(self, bot_id: str, instrument_id: str) -> s.PositionSnapshot:
        state = self._trader.state
        position = state.position(bot_id, instrument_id)
        worth = self._trader.portfolio.valuation(bot_id, instrument_id)
        instrument = state.instruments[instrument_id]
        return s.PositionSnapshot(
            bot_id=bot_id,
            instrument_id=instrument_id,
            lots=position.lots,
            entry_ticks=instrument.entry_ticks(position.lots, position.cost_units),
            realised=worth.realised,
            unrealised=worth.unrealised,
            fees=worth.fees,
            pnl=worth.equity,
        )

    def _order(self, order: Order) -> s.OrderSnapshot:
        return s.OrderSnapshot(
            order=order, queue_ahead_lots=self._queue_ahead(order.client_order_id)
        )

    def _algo(self, algo: AlgoState) -> s.AlgoSnapshot:
        instrument = self._trader.state.instruments[algo.spec.instrument_id]
        return s.AlgoSnapshot(
            algo_id=algo.algo_id,
            bot_id=algo.bot_id,
            owner=algo.owner,
            spec=algo.spec,
            words=algo_words(algo.spec, instrument),
            started_ns=algo.started_ns,
            ending=algo.ending,
            alarm=algo.alarm,
            entered_lots=algo.entered_lots,
            exited_lots=algo.exited_lots,
            legs=legs_of(algo),
        )

    def _limits(self, equity: Decimal) -> list[s.LimitSnapshot]:
        trader = self._trader
        state, limits = trader.state, trader.limits
        rows = []
        for instrument_id, exposure in state.exposure.items():
            instrument = state.instruments[instrument_id]
            mid_x2 = trader.portfolio.good_mid_x2.get(instrument_id, 0)
            net = state.net_lots.get(instrument_id, 0)
            buys = exposure.buy_lots + state.unplaced_lots(instrument_id, Side.BUY)
            sells = exposure.sell_lots + state.unplaced_lots(instrument_id, Side.SELL)
            worst = max(net + buys, sells - net, 0)
            used = instrument.notional(worst, max(1, mid_x2 // 2)) if mid_x2 else ZERO
            rows.append(
                s.LimitSnapshot(
                    name="exposure",
                    used=used,
                    limit=_share(equity, limits.position_max_pct),
                    unit=state.settle,
                )
            )
        tripped = state.tripped.limit if state.tripped is not None else ""
        for name, base, percent in (
            ("daily_loss", state.day_start_equity, limits.daily_loss_max_pct),
            ("drawdown", state.peak_equity, limits.drawdown_max_pct),
        ):
            rows.append(
                s.LimitSnapshot(
                    name=name,
                    used=max(ZERO, MONEY.subtract(base, equity)),
                    limit=_share(base, percent),
                    unit=state.settle,
                    is_tripped=tripped == name,
                )
            )
        counts = (
            ("open_orders", len(state.orders), limits.open_orders_max),
            ("orders_per_s", state.intents_in_window(state.last_ns), limits.orders_per_s_max),
        )
        for name, count, most in counts:
            rows.append(
                s.LimitSnapshot(name=name, used=Decimal(count), limit=Decimal(most), unit="orders")
            )
        return rows


def _share(amount: Decimal, percent: Decimal) -> Decimal:
    return MONEY.multiply(amount, MONEY.multiply(percent, Decimal("0.01")))


def _tripped_words(tripped: e.RiskTripped | None) -> str:
    return "" if tripped is None else f"{tripped.limit} {tripped.value} of {tripped.limit_value}"


def _thin(points: list[tuple[int, Decimal]], most: int) -> list[tuple[int, Decimal]]:
    """Every n-th point, the newest always among them."""
    step = max(1, -(-len(points) // most))
    return points[::-1][::step][::-1]


def _first_ticks(view: MarketView) -> int:
    """The first price: the open of the oldest bar there is, whenever it is asked for."""
    for word in reversed(view.timeframes):
        bars = view.bars(word, BARS_SHOWN, forming=True)
        if bars:
            return bars[0].open
    return view.last_ticks
