"""The grid compiled into the replay against the grid through the whole engine: fill for fill."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.bootstrap import build_bot, market_of, session_of, trader_of
from engine.core.ids import BACKTEST_SALT
from engine.core.watchdog import Watchdog
from engine.domain.order import Side
from engine.kernels import grid as g
from engine.research.grid_run import GridOutcome, run_grid
from engine.runtime.backtest import Backtest, BacktestResult
from engine.sim.exchange import SimExchange
from engine.sim.generator import SIM_INSTRUMENT, MarketGenerator
from engine.sim.scenario import QUEUE_MODELS, FillMode, Scenario
from engine.store.memory import MemoryJournal
from engine.strategy.catalogue import build_strategy
from engine.strategy.grid import Grid
from engine.trading.risk.limits import RiskLimits
from tests.support.worlds import Finite

WIDE = RiskLimits(
    orders_per_s_max=10**6,
    collar_pct=Decimal(90),
    stop_loss_pct=Decimal(90),
    take_profit_pct=Decimal(900),
)


class Case(NamedTuple):
    params: dict[str, str]
    scenario: Scenario
    seed: int
    seconds: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    ms = 1_000_000
    params = {
        "levels": str(draw(st.integers(1, 6))),
        "interval_ticks": str(draw(st.integers(1, 7))),
        "half_spread_ticks": str(draw(st.sampled_from(["0", "0.5", "1", "3", "7.5"]))),
        "qty": draw(st.sampled_from(["0.001", "0.01", "0.05"])),
        "max_position": draw(st.sampled_from(["0.05", "0.1", "1"])),
        "every_ms": str(draw(st.sampled_from([7, 40, 100, 333]))),
    }
    scenario = Scenario(
        entry_latency_ns=draw(st.integers(0, 60)) * ms,
        response_latency_ns=draw(st.integers(0, 60)) * ms,
        queue=QUEUE_MODELS[draw(st.sampled_from(sorted(QUEUE_MODELS)))],
        fills=draw(st.sampled_from(list(FillMode))),
    )
    return Case(params, scenario, draw(st.integers(0, 1000)), draw(st.integers(3, 12)))


def world_of(case: Case) -> SimExchange:
    generator = MarketGenerator(case.seed)
    return SimExchange(SIM_INSTRUMENT, Finite(generator, case.seconds), case.scenario)


def compiled(case: Case) -> GridOutcome:
    bot = build_bot("maker", "grid", case.params, SIM_INSTRUMENT)
    strategy = build_strategy("grid", bot.params_json, SIM_INSTRUMENT)
    assert isinstance(strategy, Grid)
    return run_grid(world_of(case), strategy, SIM_INSTRUMENT, case.scenario)


def through_the_engine(case: Case) -> BacktestResult:
    world = world_of(case)
    market = market_of(world, {}, None, 0, "test")
    watchdog = Watchdog()
    try:
        trader = trader_of(market, WIDE, watchdog)
        session = session_of(market, case.scenario, Decimal(10**9), BACKTEST_SALT)
        bot = build_bot("maker", "grid", case.params, SIM_INSTRUMENT)
        return Backtest(trader, world, MemoryJournal()).run(session, bot)
    finally:
        watchdog.close()


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_fill_for_fill(case: Case) -> None:
    engine = through_the_engine(case)
    # What the risk gate refuses has no equal in a run without one.
    assume(engine.denied == 0)
    found = compiled(case)
    instrument = SIM_INSTRUMENT
    assert [
        (
            fill.received_ns,
            Side.BUY if fill.side > 0 else Side.SELL,
            instrument.price(fill.price_ticks),
            instrument.qty(fill.lots),
            fill.is_maker,
        )
        for fill in found.fills
    ] == [(row.ts_ns, row.side, row.price, row.qty, row.maker) for row in engine.trades]
    assert (found.orders, found.cancels) == (engine.orders, engine.cancels)
    assert instrument.qty(found.position_lots) == engine.position
    assert (found.cash, found.fees) == (engine.cash, engine.fees)


def test_wanted_prices_that_share_a_place_are_told_apart() -> None:
    """Places are prices modulo a number; a wide grid has several prices on one of them."""
    params = {"levels": "9", "interval_ticks": str(g.PLACES), "half_spread_ticks": "1"}
    case = Case({**params, "qty": "0.001", "max_position": "1"}, Scenario(), seed=3, seconds=8)
    found, engine = compiled(case), through_the_engine(case)
    assert engine.denied == 0
    assert (found.orders, found.cancels) == (engine.orders, engine.cancels)
    assert found.orders >= 18
