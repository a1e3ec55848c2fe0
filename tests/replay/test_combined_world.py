"""Several instruments in one world: each bot trades as it would alone."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bootstrap import build_bot
from engine.domain import events as e
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.kernels import layout as k
from engine.market.timeframe import parse_timeframe
from engine.market.view import MarketView
from engine.ports.world import World
from engine.runtime.driver import Driver
from engine.runtime.trader import BotSpec, Trader
from engine.sim.combined import CombinedWorld
from engine.sim.exchange import SimExchange
from engine.sim.generator import SIM_INSTRUMENT, MarketGenerator
from engine.sim.scenario import Scenario
from engine.strategy.runner import NEVER_NS
from engine.trading.risk.limits import RiskLimits
from tests.support.desk import no_guard
from tests.support.worlds import GRID, TREND, Finite

SECONDS = 40
IDS = ("sim.ONE", "sim.TWO", "sim.THREE")
Fill = tuple[int, str, int, int]


def instrument(name: str) -> Instrument:
    return msgspec.structs.replace(SIM_INSTRUMENT, instrument_id=name)


def exchange(name: str, seconds: int = SECONDS) -> SimExchange:
    source = Finite(MarketGenerator(seed=1 + IDS.index(name)), seconds)
    period_ns = parse_timeframe("2s")
    return SimExchange(instrument(name), source, Scenario(), periods_ns=(period_ns,))


def bots_on(name: str) -> list[BotSpec]:
    return [
        build_bot(f"grid {name}", "grid", GRID, instrument(name)),
        build_bot(f"trend {name}", "trend", TREND, instrument(name)),
    ]


def trade(world: World, bots: list[BotSpec], steps: list[int]) -> dict[str, list[Fill]]:
    """Fills by bot. `steps`: how far the clock may run at a time, over and over; none: freely."""
    views = {
        key: MarketView(world.instruments[key], state, {"2s": 0})
        for key, state in world.markets.items()
    }
    trader = Trader(limits=RiskLimits(), markets=views, guard=no_guard)
    driver = Driver(trader, world)
    session = e.SessionStarted(
        ts_ns=world.start_ns,
        world="test",
        capital=1_000_000,
        settle="USDT",
        salt=1,
        instruments=list(world.instruments.values()),
    )
    trader.begin(session, bots)
    trader.drain()
    fills: dict[str, list[Fill]] = {bot.bot_id: [] for bot in bots}
    turn = 0
    while True:
        limit_ns = NEVER_NS
        if steps:
            limit_ns = world.now_ns + steps[turn % len(steps)]
            turn += 1
        wake = driver.advance(limit_ns)
        if driver.is_due(wake):
            outbox = driver.batch(wake)
            for event in outbox.events:
                if isinstance(event, e.OrderFilled):
                    order = trader.state.find_order(event.client_order_id)
                    assert order is not None
                    fill = event.fill
                    fills[order.bot_id].append(
                        (event.ts_ns, order.spec.side.value, fill.price_ticks, fill.lots)
                    )
            world.submit(outbox.requests, wake.ts_ns)
        if wake.reasons & k.WAKE_END:
            return fills


@pytest.fixture(scope="module")
def alone() -> dict[str, list[Fill]]:
    found: dict[str, list[Fill]] = {}
    for name in IDS:
        found |= trade(exchange(name), bots_on(name), [])
    assert all(len(fills) > 3 for fills in found.values()), found
    return found


def test_every_bot_trades_as_it_would_alone(alone: dict[str, list[Fill]]) -> None:
    world = CombinedWorld([exchange(name) for name in IDS])

    together = trade(world, [bot for name in IDS for bot in bots_on(name)], [])

    assert together == alone


@settings(max_examples=6)
@given(steps=st.lists(st.integers(1_000_000, 700_000_000), min_size=1, max_size=5))
def test_how_far_the_clock_runs_at_a_time_makes_no_difference(
    alone: dict[str, list[Fill]], steps: list[int]
) -> None:
    world = CombinedWorld([exchange(name) for name in IDS[:2]])

    found = trade(world, [bot for name in IDS[:2] for bot in bots_on(name)], steps)

    assert found == {bot: fills for bot, fills in alone.items() if "THREE" not in bot}


def test_a_market_that_ends_early_leaves_the_others_trading(alone: dict[str, list[Fill]]) -> None:
    world = CombinedWorld([exchange(IDS[0]), exchange(IDS[1], seconds=5)])

    found = trade(world, bots_on(IDS[0]), [])

    assert found == {bot: fills for bot, fills in alone.items() if "ONE" in bot}


def test_reports_of_all_exchanges_are_one_numbered_stream() -> None:
    world = CombinedWorld([exchange(name, seconds=3) for name in IDS])
    with pytest.raises(BadInput, match=r"sim\.ONE.*twice"):
        CombinedWorld([exchange(IDS[0]), exchange(IDS[0])])
    assert list(world.instruments) == list(IDS)
    assert world.rows == 0
