"""The one place that chooses concrete classes: which world, journal, clock and limits to use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from engine.archive.catalogue import load_counted
from engine.archive.stream import stream_rows
from engine.core.clock import LiveClock
from engine.core.watchdog import Watchdog
from engine.domain import events as e
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.snapshots import Mode
from engine.kernels.layout import Rows
from engine.market.timeframe import parse_timeframe
from engine.market.view import MarketView
from engine.ports.rows import RowSource
from engine.ports.store import Journal
from engine.ports.strategy import Params
from engine.ports.world import World
from engine.research.bar_data import BarData, period_of
from engine.runtime.paper import Bridge, PaperRuntime
from engine.runtime.trader import HOUSEKEEPING_NS, BotSpec, Trader
from engine.sim.bar_feed import BarFeed, BarPath
from engine.sim.combined import CombinedWorld
from engine.sim.exchange import SimExchange
from engine.sim.generator import SIM_INSTRUMENT, MarketGenerator
from engine.sim.scenario import Scenario
from engine.strategy.catalogue import find_strategy, params_to_json, parse_params
from engine.trading.risk.limits import RiskLimits

CHART_TIMEFRAMES = ("1s", "5s", "1m", "5m", "15m", "1h", "4h", "1d")
"""Always kept, so that a face has something to draw; it makes weeks of days itself."""


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
    end_ns: int = 0
    """When the last row was received; 0 where there is no end, or nobody needs to know."""
    housekeeping_ns: int = HOUSEKEEPING_NS
    gaps: int = 0
    """Holes in the venue's sequences of a recording: after one the book is not to be trusted."""


def recorded_market(paths: Sequence[Path], scenario: Scenario, timeframes: Sequence[str]) -> Market:
    """The recording in `paths` (raw captures of one recording, or a catalogue folder).

    Catalogues are read bit by bit; raw captures, which somebody is only trying out, as a whole.
    """
    streamed = stream_rows(paths[0]) if len(paths) == 1 and paths[0].is_dir() else None
    if streamed is not None:
        instrument, end_ns, first_ticks = (
            streamed.instrument,
            streamed.clocks.end_ns,
            streamed.first_ticks,
        )
        gaps = streamed.gaps
        source: RowSource | Rows = streamed
    else:
        instrument, rows, gaps = load_counted(paths)
        end_ns = 0
        first_ticks = int(rows["price_ticks"][0]) if len(rows) else 0
        source = rows
    periods = periods_of(timeframes)
    world = SimExchange(instrument, source, scenario, periods_ns=tuple(periods.values()))
    words = f"{instrument.instrument_id} from {', '.join(path.name for path in paths)}"
    market = market_of(world, periods, None, first_ticks, words)
    return market._replace(end_ns=end_ns or world.last_loaded_ns, gaps=gaps)


def replayed_market(
    instrument: Instrument, source: RowSource, scenario: Scenario, timeframes: Sequence[str]
) -> Market:
    """Rows of a recording that come block by block."""
    periods = periods_of(timeframes)
    world = SimExchange(instrument, source, scenario, periods_ns=tuple(periods.values()))
    return market_of(world, periods, None, 0, instrument.instrument_id)


def bars_market(
    data: BarData,
    scenario: Scenario,
    timeframes: Sequence[str],
    path: BarPath = BarPath.WORST_FIRST,
) -> Market:
    """Bars as a market, see `engine.sim.bar_feed`. BadInput for timeframes they cannot make."""
    periods = {word: period_of(data, word) for word in timeframes}
    feed = BarFeed(data.bars, path)
    world = SimExchange(data.instrument, feed, scenario, periods_ns=tuple(periods.values()))
    words = f"{data.words}, path {path}"
    market = market_of(world, periods, None, int(data.bars.open[0]), words)
    return market._replace(end_ns=data.bars.end_ns, housekeeping_ns=housekeeping_of_bars(data))


def housekeeping_of_bars(data: BarData) -> int:
    """Every leg of the path ends on a quarter of the bar: that is when losses are looked at."""
    return max(HOUSEKEEPING_NS, data.bars.period_ns // 4)


def data_market(
    data: BarData | Sequence[Path],
    scenario: Scenario,
    params: Params,
    path: BarPath = BarPath.WORST_FIRST,
) -> Market:
    """What a backtest of a strategy with `params` trades on: bars, or a recording."""
    timeframe = getattr(params, "timeframe", "")
    timeframes = [timeframe] if timeframe else []
    if isinstance(data, BarData):
        return bars_market(data, scenario, timeframes, path)
    return recorded_market(data, scenario, timeframes)


def combined_market(markets: Sequence[Market]) -> Market:
    """Several recordings as one world. BadInput when they do not settle in one asset."""
    if len(markets) == 1:
        return markets[0]
    settles = {key: one.settle for part in markets for key, one in part.world.instruments.items()}
    if len(set(settles.values())) > 1:
        told = ", ".join(f"{key} in {settle}" for key, settle in settles.items())
        raise BadInput("--data", told, "one account counts in one asset: run them apart")
    exchanges = [part.world for part in markets if isinstance(part.world, SimExchange)]
    assert len(exchanges) == len(markets)
    world = CombinedWorld(exchanges)
    return Market(
        world=world,
        views={key: view for part in markets for key, view in part.views.items()},
        press_crash=None,
        queue_ahead=world.own_queue_ahead,
        reference_ticks=0,
        words=" and ".join(part.words for part in markets),
        end_ns=max(part.end_ns for part in markets),
        housekeeping_ns=min(part.housekeeping_ns for part in markets),
    )


def check_gaps(paths: Sequence[Path], gaps: int, *, is_allowed: bool) -> str:
    """BadInput for a recording with holes, unless they are allowed; then words for the result."""
    if not gaps:
        return ""
    if not is_allowed:
        names, holes = ", ".join(str(path) for path in paths), _holes(gaps)
        remedy = f"has {holes} in the venue's sequence: see `data check`, or say --allow-gaps"
        raise BadInput("--data", names, remedy)
    return gap_words(gaps)


def gap_words(gaps: int) -> str:
    """What holes in a recording mean; nothing where there are none."""
    if not gaps:
        return ""
    return (
        f"the recording has {_holes(gaps)} in the venue's sequence: the book after one may be wrong"
    )


def _holes(gaps: int) -> str:
    return "1 gap" if gaps == 1 else f"{gaps} gaps"


def check_warm_up(params: Params, start_ns: int, end_ns: int) -> None:
    """BadInput when the data ends before a strategy that averages `slow` bars has seen them."""
    slow, timeframe = getattr(params, "slow", 0), getattr(params, "timeframe", "")
    if not slow or not timeframe:
        return
    period_ns = parse_timeframe(timeframe)
    held = -(-end_ns // period_ns) - start_ns // period_ns
    if held <= slow:
        remedy = f"the data ends before it warms up: it holds {held} bars of {timeframe}"
        raise BadInput("slow", str(slow), remedy)


def generated_market(seed: int, scenario: Scenario, timeframes: Sequence[str]) -> Market:
    generator = MarketGenerator(seed)
    periods = periods_of(timeframes)
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


def periods_of(timeframes: Sequence[str]) -> dict[str, int]:
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


def trader_of(
    market: Market, limits: RiskLimits, watchdog: Watchdog, *, marks_fills: bool = False
) -> Trader:
    return Trader(
        limits=limits,
        markets=market.views,
        guard=watchdog.guard,
        shield=watchdog,
        housekeeping_ns=market.housekeeping_ns,
        marks_fills=marks_fills,
    )


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
        trader=trader_of(market, limits, watchdog, marks_fills=True),
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
