"""The one place that chooses concrete classes: which world, journal, clock and limits to use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from engine.archive.catalogue import load_rows
from engine.core.clock import LiveClock
from engine.core.watchdog import Watchdog
from engine.domain import events as e
from engine.domain.instrument import Instrument
from engine.domain.snapshots import Mode
from engine.market.timeframe import parse_timeframe
from engine.market.view import MarketView
from engine.ports.store import Journal
from engine.ports.world import World
from engine.runtime.paper import Bridge, PaperRuntime
from engine.runtime.trader import BotSpec, Trader
from engine.sim.exchange import SimExchange
from engine.sim.generator import SIM_INSTRUMENT, MarketGenerator
from engine.sim.scenario import Scenario
from engine.strategy.catalogue import find_strategy, params_to_json, parse_params
from engine.trading.risk.limits import RiskLimits

CHART_TIMEFRAMES = ("1s", "5s", "1m")
"""Always kept, so that a face has something to draw."""


class Market(NamedTuple):
    """A world with everything a runtime wants to know about it."""

    world: World
    views: dict[str, MarketView]
    press_crash: Callable[[int], None] | None
    queue_ahead: Callable[[str], int]
    reference_ticks: int
    """A price of this market, for sizing orders before the book is there."""
    words: str
    """The source in short words, for people and for the ledger's world id."""


def recorded_market(paths: Sequence[Path], scenario: Scenario, timeframes: Sequence[str]) -> Market:
    """The recording in `paths` (raw captures of one recording, or a catalogue folder)."""
    instrument, rows = load_rows(paths)
    periods = _periods(timeframes)
    world = SimExchange(instrument, rows, scenario, periods_ns=tuple(periods.values()))
    words = f"{instrument.instrument_id} from {', '.join(path.name for path in paths)}"
    return market_of(world, periods, None, int(rows["price_ticks"][0]), words)


def generated_market(seed: int, scenario: Scenario, timeframes: Sequence[str]) -> Market:
    generator = MarketGenerator(seed)
    periods = _periods(timeframes)
    world = SimExchange(SIM_INSTRUMENT, generator, scenario, periods_ns=tuple(periods.values()))
    words = f"generated market, seed {seed}"
    return market_of(world, periods, generator.crash, generator.reference_ticks, words)


def market_of(
    world: SimExchange,
    periods: dict[str, int],
    press_crash: Callable[[int], None] | None,
    reference_ticks: int,
    words: str,
) -> Market:
    """A world with its views; `periods` are the timeframes it was built with."""
    return Market(
        world=world,
        views=_views(world, periods),
        press_crash=press_crash,
        queue_ahead=world.own_queue_ahead,
        reference_ticks=reference_ticks,
        words=words,
    )


def _periods(timeframes: Sequence[str]) -> dict[str, int]:
    return {word: parse_timeframe(word) for word in dict.fromkeys(timeframes)}


def _views(world: World, periods: dict[str, int]) -> dict[str, MarketView]:
    rings = {word: index for index, word in enumerate(periods)}
    return {
        key: MarketView(world.instruments[key], state, rings)
        for key, state in world.markets.items()
    }


def session_of(market: Market, scenario: Scenario, capital: Decimal, salt: int) -> e.SessionStarted:
    """The first event of a ledger for this market: what a restart must find again."""
    instruments = list(market.world.instruments.values())
    return e.SessionStarted(
        ts_ns=market.world.start_ns,
        world=f"{market.words}; {scenario.digest()}",
        capital=capital,
        settle=instruments[0].settle,
        salt=salt,
        instruments=instruments,
    )


def trader_of(market: Market, limits: RiskLimits, watchdog: Watchdog) -> Trader:
    return Trader(limits=limits, markets=market.views, guard=watchdog.guard)


def paper_runtime(
    market: Market,
    limits: RiskLimits,
    journal: Journal,
    watchdog: Watchdog,
    bridge: Bridge,
    *,
    speed: Decimal,
    profile: str,
) -> PaperRuntime:
    clock = LiveClock()
    return PaperRuntime(
        trader=trader_of(market, limits, watchdog),
        world=market.world,
        journal=journal,
        clock=clock,
        speed=speed,
        mode=Mode.PAPER,
        profile=profile,
        world_words=market.words,
        bridge=bridge,
        press_crash=market.press_crash,
        queue_ahead=market.queue_ahead,
    )


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
