"""One engine, several worlds: paper and backtest give the same events; the journal is the state.

The paper clock of these tests stutters: it stands still for nanoseconds and jumps over seconds, so
that pacing cuts the market at odd points and the runtime has to catch up now and then. None of that
may show in a single event.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from app.bootstrap import build_bot, trader_of
from engine.core.watchdog import Watchdog
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.instrument import Instrument
from engine.domain.order import Fill, Order, OrderSpec, Purpose, Side, TimeInForce
from engine.kernels import layout as k
from engine.ports.strategy import Context, Params, Strategy, WakeFilter
from engine.runtime.backtest import Backtest
from engine.runtime.trader import BotSpec
from engine.sim.generator import SIM_INSTRUMENT
from engine.sim.scenario import FillMode, QueueModel, Scenario
from engine.store.memory import MemoryJournal
from engine.strategy.catalogue import build_strategy
from engine.trading.risk.limits import RiskLimits
from tests.support.shared import needs_shared
from tests.support.worlds import (
    EVERY_MODEL,
    GRID,
    NOBODY,
    SECOND,
    Life,
    Script,
    Setting,
    assert_same_events,
    assert_same_state,
    generated,
    paced,
    rebuilt,
    recorded,
    unpaced,
)

SIM = SIM_INSTRUMENT.instrument_id
NO_LATENCY = Scenario(entry_latency_ns=0, response_latency_ns=0)
OTHER_MODELS = Scenario(
    entry_latency_ns=3_333_333,
    queue=QueueModel(code=k.QUEUE_POWER_PROB, power=3),
    fills=FillMode.WHOLE,
)


def one_grid(instrument: Instrument) -> list[BotSpec]:
    return [build_bot("maker-1", "grid", GRID, instrument)]


def backtested(setting: Setting) -> Life:
    """By the backtest itself, as `pilothouse backtest run` does it."""
    market = setting.open_market()
    journal = MemoryJournal()
    watchdog = Watchdog()
    try:
        trader = trader_of(market, setting.limits, watchdog, marks_fills=True)
        Backtest(trader, market.world, journal).run(setting.session(market), setting.bots[0])
    finally:
        watchdog.close()
    return Life(journal, trader, market)


def assert_agree(found: Life, wanted: Life) -> None:
    assert_same_events(found.orders_and_fills, wanted.orders_and_fills)
    assert_same_events(found.events, wanted.events)
    assert found.journal.digest() == wanted.journal.digest()


# -- a bot that reacts to everything -------------------------------------------------------------


class Reactive(Strategy):
    """Wakes for every change there is and does something each time, as far as it may. The worst
    case for agreement: no instant of the market is without consequence."""

    name = "reactive"
    summary = "test"
    params_type = Params

    def __init__(self, params: Params, instrument: Instrument) -> None:
        """No parameters."""

    @property
    def wake(self) -> WakeFilter:
        return WakeFilter(on_top=True, on_trade=True, on_fill=True, timeframe="1s", every_ms=37)

    def on_book(self, ctx: Context) -> None:
        resting = list(ctx.orders.values())
        if ctx.is_ready and not resting:
            ctx.buy(2 + ctx.best_bid % 3, ctx.best_bid, TimeInForce.POST_ONLY)
            ctx.sell(2 + ctx.best_ask % 3, ctx.best_ask, TimeInForce.POST_ONLY)
        elif resting and resting[0].spec.price_ticks < ctx.best_bid:
            ctx.cancel(resting[0].client_order_id)

    def on_trade(self, ctx: Context) -> None:
        if ctx.last_ticks % 7 == 0 and abs(ctx.position_lots) < 20:
            ctx.buy(1, ctx.best_ask, TimeInForce.IOC)

    def on_fill(self, ctx: Context, order: Order, fill: Fill) -> None:
        if fill.is_maker and order.spec.side is Side.BUY:
            ctx.sell(fill.lots, fill.price_ticks + 3)

    def on_bar(self, ctx: Context, bar: object) -> None:
        if len(ctx.bars(5)) == 5 and ctx.depth(Side.BUY, 3):
            ctx.close()

    def on_timer(self, ctx: Context) -> None:
        for key in list(ctx.orders)[:1]:
            ctx.cancel(key)


def build_with_reactive(name: str, params_json: str, instrument: Instrument) -> Strategy:
    if name == Reactive.name:
        return Reactive(Params(), instrument)
    return build_strategy(name, params_json, instrument)


def a_reactive(bot_id: str) -> BotSpec:
    return BotSpec(bot_id=bot_id, strategy="reactive", instrument_id=SIM, params_json="{}")


# -- agreement -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scenario", [Scenario(), NO_LATENCY, OTHER_MODELS], ids=["usual", "no latency", "other models"]
)
def test_paper_and_backtest_agree_on_a_generated_market(scenario: Scenario) -> None:
    setting = generated(60, bots=one_grid(SIM_INSTRUMENT), scenario=scenario)
    wanted = backtested(setting)

    assert len(wanted.of(e.OrderFilled)) > 50
    for seed in (1, 2):
        assert_agree(paced(setting, seed), wanted)


def test_they_agree_on_a_venue_that_does_all_it_can() -> None:
    """Latencies that vary, refusals, outages, funding, liquidations, fees in a third asset."""
    setting = generated(60, bots=one_grid(SIM_INSTRUMENT), scenario=EVERY_MODEL)
    wanted = backtested(setting)

    # The liquidation pauses the bot: after it there is little left to pay funding for.
    least = {e.OrderRejected: 3, e.FundingPaid: 2, e.PositionLiquidated: 1, e.FillMarked: 3}
    for kind, count in least.items():
        assert len(wanted.of(kind)) >= count, kind
    liquidated = {one.order.client_order_id for one in wanted.of(e.PositionLiquidated)}  # type: ignore[union-attr]
    filled = {one.client_order_id for one in wanted.of(e.OrderFilled)}  # type: ignore[union-attr]
    assert liquidated & filled
    assert_same_state(wanted.trader.state, rebuilt(wanted.events))
    for seed in (1, 2):
        assert_agree(paced(setting, seed), wanted)


@needs_shared
def test_paper_and_backtest_agree_on_a_recording() -> None:
    def bots(instrument: Instrument) -> list[BotSpec]:
        return one_grid(instrument)

    name, rows = "usdm_btcusdt_20240808", 120_000
    instrument = next(iter(recorded(name, rows).open_market().world.instruments.values()))
    setting = recorded(name, rows, bots=bots(instrument))
    wanted = backtested(setting)

    assert len(wanted.of(e.OrderFilled)) > 20
    assert_agree(paced(setting, 5), wanted)


def test_two_bots_on_paper_agree_with_a_trader_driven_unpaced() -> None:
    setting = generated(60, seed=4)
    wanted = unpaced(setting)

    assert {order.order.bot_id for order in wanted.of(e.OrderIntended)} == {"maker-1", "trend-1"}  # type: ignore[union-attr]
    for seed in (1, 2, 3):
        assert_agree(paced(setting, seed), wanted)


def test_bots_that_react_to_every_change_agree() -> None:
    setting = generated(15, bots=[a_reactive("one"), a_reactive("two")], seed=2)._replace(
        build=build_with_reactive
    )
    wanted = unpaced(setting)

    assert len(wanted.of(e.OrderIntended)) > 500
    assert not wanted.of(e.BotFailed)
    for seed in (1, 2):
        assert_agree(paced(setting, seed), wanted)


def test_limits_that_refuse_trip_and_close_agree() -> None:
    tight = (
        RiskLimits(position_max_pct=Decimal(1)),
        RiskLimits(orders_per_s_max=3, open_orders_max=4),
        RiskLimits(stop_loss_pct=Decimal("0.01"), take_profit_pct=Decimal("0.01")),
        RiskLimits(daily_loss_max_pct=Decimal("0.005")),
    )
    for limits, kind in zip(
        tight, (e.OrderDenied, e.OrderDenied, e.FlattenEnded, e.RiskTripped), strict=True
    ):
        setting = generated(25, limits=limits)
        wanted = unpaced(setting)
        assert wanted.of(kind), kind
        assert_agree(paced(setting, 1), wanted)


# -- the journal is the state ----------------------------------------------------------------------


def a_busy_script() -> Script:
    """A person who does a bit of everything."""
    spec = OrderSpec(instrument_id=SIM, side=Side.BUY, qty_lots=20, price_ticks=598_000)
    stop = OrderSpec(
        instrument_id=SIM,
        side=Side.BUY,
        qty_lots=20,
        price_ticks=598_100,
        reduce_only=True,
        purpose=Purpose.EXIT,
    )
    wishes: list[c.AnyCommand | None] = [
        c.PauseBot(command_id="a", bot_id="maker-1"),
        c.ResumeBot(command_id="b", bot_id="maker-1"),
        None,
        c.TakeHelm(command_id="c", bot_id="maker-1"),
        c.PlaceOrder(command_id="d", bot_id="maker-1", spec=spec),
        c.PlaceOrder(command_id="e", bot_id="manual", spec=stop),
        c.GiveHelm(command_id="f", bot_id="maker-1"),
        c.Flatten(command_id="g"),
        c.ResumeBot(command_id="h", bot_id="maker-1"),
        c.Kill(command_id="i"),
        c.ResetKill(command_id="j"),
        c.ResumeBot(command_id="k", bot_id="trend-1"),
        c.StopBot(command_id="l", bot_id="trend-1"),
        c.AddBot(
            command_id="m",
            bot_id="maker-2",
            strategy="grid",
            instrument_id=SIM,
            params_json=json.dumps(GRID),
        ),
        c.Flatten(command_id="n", bot_id="trend-1"),
        None,
        c.RemoveBot(command_id="o", bot_id="trend-1"),
    ]
    return Script([(2 * SECOND * number + number, wish) for number, wish in enumerate(wishes, 1)])


@pytest.mark.parametrize("script", [NOBODY, a_busy_script()], ids=["nobody", "busy person"])
def test_state_folded_from_the_journal_is_the_live_state(script: Script) -> None:
    life = paced(generated(38, limits=RiskLimits(position_max_pct=Decimal(2))), 7, script)

    assert len(life.of(e.CommandDone)) == sum(wish is not None for _, wish in script.commands)
    assert_same_state(life.trader.state, rebuilt(life.events))


def test_a_person_at_exact_moments_is_part_of_what_agrees() -> None:
    setting, script = generated(38), a_busy_script()
    wanted = paced(setting, 1, script)

    assert wanted.of(e.MarketShocked, e.FlattenEnded, e.KillChanged)
    assert wanted.of(e.BotRemoved)
    assert any(order.bot_id == "maker-2" for order in wanted.trader.state.orders.values())
    assert_agree(paced(setting, 2, script), wanted)
