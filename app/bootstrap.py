"""The one place that chooses concrete classes: which world, journal, clock and limits a run gets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from app.settings import Settings
from engine.archive.catalogue import load_rows
from engine.core.clock import LiveClock
from engine.core.ids import BACKTEST_SALT, new_salt
from engine.core.watchdog import Watchdog
from engine.domain import events as e
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import MONEY
from engine.domain.snapshots import Mode
from engine.market.timeframe import parse_timeframe
from engine.market.view import MarketView
from engine.ports.world import World
from engine.runtime.paper import Bridge, PaperRuntime
from engine.runtime.trader import BotSpec, Trader
from engine.sim.exchange import SimExchange
from engine.sim.generator import SIM_INSTRUMENT, MarketGenerator
from engine.sim.scenario import Scenario
from engine.store.journal import SqliteJournal
from engine.strategy.catalogue import (
    find_strategy,
    params_to_json,
    parse_params,
)
from engine.strategy.runner import NEVER_NS
from engine.trading.risk.limits import RiskLimits

CHART_TIMEFRAMES = ("1s", "5s", "1m")
"""Always kept, so that a face has something to draw."""


class Market(NamedTuple):
    """A world with everything a runtime wants to know about it."""

    world: World
    views: dict[str, MarketView]
    press_crash: Callable[[int], None] | None
    queue_ahead: Callable[[str], int]
    words: str
    """The source in short words, for people and for the ledger's world id."""


def risk_limits(settings: Settings) -> RiskLimits:
    risk = settings.risk
    return RiskLimits(
        order_notional_max_pct=risk.order_notional_max_pct,
        position_max_pct=risk.position_max_pct,
        open_orders_max=risk.open_orders_max,
        orders_per_s_max=risk.orders_per_s_max,
        collar_pct=risk.collar_pct,
        jump_distrust_pct=risk.jump_distrust_pct,
        daily_loss_max_pct=risk.daily_loss_max_pct,
        drawdown_max_pct=risk.drawdown_max_pct,
        stop_loss_pct=risk.stop_loss_pct,
        take_profit_pct=risk.take_profit_pct,
    )


def recorded_market(paths: Sequence[Path], scenario: Scenario, timeframes: Sequence[str]) -> Market:
    """The recording in `paths` (raw captures of one recording, or a catalogue folder)."""
    instrument, rows = load_rows(paths)
    periods = _periods(timeframes)
    world = SimExchange(instrument, rows, scenario, periods_ns=tuple(periods.values()))
    words = f"{instrument.instrument_id} from {', '.join(path.name for path in paths)}"
    return Market(world, _views(world, periods), None, world.own_queue_ahead, words)


def generated_market(seed: int, scenario: Scenario, timeframes: Sequence[str]) -> Market:
    generator = MarketGenerator(seed)
    periods = _periods(timeframes)
    world = SimExchange(SIM_INSTRUMENT, generator, scenario, periods_ns=tuple(periods.values()))
    words = f"generated market, seed {seed}"
    return Market(world, _views(world, periods), generator.crash, world.own_queue_ahead, words)


def _periods(timeframes: Sequence[str]) -> dict[str, int]:
    return {word: parse_timeframe(word) for word in dict.fromkeys(timeframes)}


def _views(world: World, periods: dict[str, int]) -> dict[str, MarketView]:
    rings = {word: index for index, word in enumerate(periods)}
    return {
        key: MarketView(world.instruments[key], state, rings)
        for key, state in world.markets.items()
    }


def build_bot(
    bot_id: str, strategy: str, params: dict[str, str], instrument: Instrument
) -> BotSpec:
    """A checked bot: parameters parsed, and the strategy built once to prove that they fit."""
    kind = find_strategy(strategy)
    parsed = parse_params(kind, params)
    kind(parsed, instrument)
    return BotSpec(
        bot_id=bot_id,
        strategy=strategy,
        instrument_id=instrument.instrument_id,
        params_json=params_to_json(parsed),
    )
