"""The same market in several worlds: unpaced, paced by an irregular clock, and killed on the way.

    setting = generated(seconds=60)
    unpaced(setting)            a trader driven as fast as it goes
    paced(setting, seed=3)      a `PaperRuntime` whose clock stutters
    killed(setting, seed=3)     the same, dying at random commits and restarted from its journal

Each gives a `Life`: the journal and the trader it ended with. All three must hold the same events.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from app.bootstrap import CHART_TIMEFRAMES, Market, build_bot, market_of, session_of
from engine.archive.catalogue import load_rows
from engine.core.clock import Clock
from engine.core.ids import BACKTEST_SALT
from engine.domain import events as e
from engine.domain.commands import AnyCommand
from engine.domain.instrument import Instrument
from engine.domain.snapshots import EngineSnapshot, Mode
from engine.kernels import layout as k
from engine.kernels.layout import Rows
from engine.market.timeframe import parse_timeframe
from engine.ports.rows import RowSource
from engine.runtime.backtest import Backtest
from engine.runtime.driver import Driver
from engine.runtime.paper import PaperRuntime
from engine.runtime.trader import BotSpec, BuildStrategy, Trader
from engine.sim.exchange import SimExchange
from engine.sim.fees import FeePlan
from engine.sim.funding import FundingPlan
from engine.sim.generator import SIM_INSTRUMENT, MarketGenerator
from engine.sim.impact import Impact
from engine.sim.latency import Spread
from engine.sim.margin import MarginPlan, MarginTier
from engine.sim.refusals import Refusals
from engine.sim.scenario import QueueModel, Scenario, SelfTrade
from engine.store.memory import MemoryJournal
from engine.strategy.catalogue import build_strategy
from engine.strategy.runner import NEVER_NS
from engine.trading.risk.limits import RiskLimits
from engine.trading.state import TradingState
from tests.support.desk import no_guard
from tests.support.shared import capture

TIMEFRAMES = (*CHART_TIMEFRAMES, "2s")
SECOND = 1_000_000_000

GRID = {
    "levels": "3",
    "interval_ticks": "5",
    "half_spread_ticks": "5",
    "qty": "0.01",
    "max_position": "0.05",
    "every_ms": "90",
}
TREND = {"fast": "2", "slow": "5", "timeframe": "2s", "qty": "0.1"}


EVERY_MODEL = Scenario(
    latency=Spread(
        low_ns=5_000_000,
        high_ns=40_000_000,
        spike_chance=Decimal("0.2"),
        spike_low_ns=50_000_000,
        spike_high_ns=300_000_000,
    ),
    queue=QueueModel(code=k.QUEUE_LOG_PROB_2),
    fees=FeePlan(asset="BNB", asset_price=Decimal(600), discount=Decimal("0.25")),
    refusals=Refusals(
        filters=True,
        price_band=Decimal("0.01"),
        reject_rate=Decimal("0.05"),
        outage_rate=Decimal("0.1"),
    ),
    self_trade=SelfTrade.BOTH,
    impact=Impact(
        half_life_ns=SECOND,
        beyond=Decimal("0.7"),
        volatility=Decimal("0.03"),
        volume=Decimal(1000),
    ),
    funding=FundingPlan(rate=Decimal("0.0003"), interval_ns=7 * SECOND),
    margin=MarginPlan(leverage=Decimal(100), tiers=(MarginTier(Decimal(0), Decimal("0.0098")),)),
    seed=11,
)
"""A venue that does everything it can, and nearly liquidates whoever opens a position."""


class Setting(NamedTuple):
    """Everything that two worlds must share to agree. `open_market` makes it afresh each time."""

    open_market: Callable[[], Market]
    bots: Sequence[BotSpec]
    scenario: Scenario = Scenario()
    limits: RiskLimits = RiskLimits()
    capital: Decimal = Decimal(100_000)
    build: BuildStrategy = build_strategy

    def session(self, market: Market) -> e.SessionStarted:
        return session_of(market, self.scenario, self.capital, BACKTEST_SALT)


class Life(NamedTuple):
    """What a run left behind."""

    journal: MemoryJournal
    trader: Trader
    market: Market
    restarts: int = 0

    @property
    def events(self) -> list[e.AnyEvent]:
        return list(self.journal.replay())

    def of(self, *kinds: type[e.Event]) -> list[e.AnyEvent]:
        return [event for event in self.journal.replay() if isinstance(event, kinds)]

    @property
    def orders_and_fills(self) -> list[e.AnyEvent]:
        return self.of(e.OrderIntended, e.OrderEvent)


# -- settings ----------------------------------------------------------------------------------


class Finite:
    """The first `blocks` blocks of an endless source, then the end."""

    def __init__(self, source: RowSource, blocks: int) -> None:
        self._source = source
        self._left = blocks

    def next_block(self) -> Rows | None:
        if self._left == 0:
            return None
        self._left -= 1
        return self._source.next_block()


def two_bots(instrument: Instrument) -> list[BotSpec]:
    return [
        build_bot("maker-1", "grid", GRID, instrument),
        build_bot("trend-1", "trend", TREND, instrument),
    ]


def generated(
    seconds: int,
    *,
    seed: int = 1,
    bots: Sequence[BotSpec] | None = None,
    scenario: Scenario | None = None,
    **fields: object,
) -> Setting:
    """A generated market of `seconds`, with the two bots unless others are named."""
    venue = scenario or Scenario()

    def open_market() -> Market:
        generator = MarketGenerator(seed)
        source = Finite(generator, seconds)
        return _market(SIM_INSTRUMENT, source, venue, generator.crash, generator.reference_ticks)

    return Setting(open_market, bots or two_bots(SIM_INSTRUMENT), venue, **fields)  # type: ignore[arg-type]


def recorded(
    name: str, row_count: int, *, bots: Sequence[BotSpec] | None = None, **fields: object
) -> Setting:
    """The first `row_count` rows of a Binance capture."""
    instrument, rows = _capture_rows(name)

    def open_market() -> Market:
        part = rows[:row_count].copy()
        return _market(instrument, part, Scenario(), None, int(part["price_ticks"][0]))

    return Setting(open_market, bots or two_bots(instrument), **fields)  # type: ignore[arg-type]


@cache
def _capture_rows(name: str) -> tuple[Instrument, Rows]:
    return load_rows(capture(name))


def _market(
    instrument: Instrument,
    source: Rows | RowSource,
    scenario: Scenario,
    press_crash: Callable[[int], None] | None,
    reference_ticks: int,
) -> Market:
    periods = {word: parse_timeframe(word) for word in TIMEFRAMES}
    world = SimExchange(instrument, source, scenario, periods_ns=tuple(periods.values()))
    return market_of(world, periods, press_crash, reference_ticks, "a market of the tests")


# -- runs ----------------------------------------------------------------------------------------


def unpaced(setting: Setting, watch: Callable[[Trader], None] | None = None) -> Life:
    """The trader and the world, from one wake-up to the next, to the end of the market. `watch`
    looks on after every batch."""
    market = setting.open_market()
    journal = MemoryJournal()
    trader = _trader(setting, market)
    driver = Driver(trader, market.world)
    trader.begin(setting.session(market), setting.bots)
    journal.append(trader.drain().events)
    while True:
        wake = driver.advance(NEVER_NS)
        outbox = driver.batch(wake)
        journal.append(outbox.events)
        market.world.submit(outbox.requests, wake.ts_ns)
        if watch is not None:
            watch(trader)
        if wake.reasons & k.WAKE_END:
            return Life(journal, trader, market)


def backtested(setting: Setting) -> Life:
    """The backtest, with the setting's first bot."""
    market = setting.open_market()
    journal = MemoryJournal()
    trader = _trader(setting, market)
    Backtest(trader, market.world, journal).run(setting.session(market), setting.bots[0])
    return Life(journal, trader, market)


class Script(NamedTuple):
    """Commands of a person, each at its market time (ns since the start); None is the crash
    button. A person whose command got lost with the engine gives it again."""

    commands: Sequence[tuple[int, AnyCommand | None]]


NOBODY = Script(())


class Helmsman:
    """The runtime's clock and the people's side at once, so that a command comes at an exact
    market time although the clock stutters: it jumps anything from 1 ns to seconds at a time,
    but stops at the instant of the next command."""

    def __init__(self, seed: int, script: Script, start_ns: int) -> None:
        self._moments = random.Random(seed)
        self._due = [(start_ns + after_ns, wish) for after_ns, wish in script.commands]
        self.now = start_ns
        self.market_now: Callable[[], int] = lambda: start_ns
        self._crash = False
        self.shown = 0

    # Clock: market time and monotonic time are the same, as the speed is 1.

    def now_ns(self) -> int:
        return self.now

    def monotonic_ns(self) -> int:
        return self.now

    async def sleep(self, duration_ns: int) -> None:
        step = self._moments.choice((1, 999, 1_000_000, 7_654_321, duration_ns, 3 * SECOND))
        later = self.now + self._moments.randint(1, max(1, step))
        self.now = min([later, *(due_ns for due_ns, _ in self._due[:1])])
        await asyncio.sleep(0)

    # Bridge.

    def take_commands(self) -> Sequence[AnyCommand]:
        taken: list[AnyCommand] = []
        while self._due and self._due[0][0] <= self.market_now() and not self._crash:
            _, wish = self._due.pop(0)
            if wish is None:
                self._crash = True
            else:
                taken.append(wish)
        return taken

    def take_crash(self) -> bool:
        pressed, self._crash = self._crash, False
        return pressed

    def show(self, snapshot: EngineSnapshot) -> None:
        self.shown += 1

    def forget_what_is_done(self, state: TradingState, shocks: int) -> None:
        """A restart: what the journal holds has been carried out."""
        crashes = [wish for _, wish in self._due if wish is None]
        undone = len(crashes) - shocks
        kept: list[tuple[int, AnyCommand | None]] = []
        for due_ns, wish in reversed(self._due):
            if wish is None:
                if undone > 0:
                    kept.append((due_ns, wish))
                undone -= 1
            elif wish.command_id not in state.commands:
                kept.append((due_ns, wish))
        self._due = kept[::-1]


class Killed(Exception):
    """The process is gone, here and now."""


class MortalJournal:
    """A journal whose process dies at the n-th append: before it is durable, or right after."""

    def __init__(self, kept: MemoryJournal, dies_at: int, *, durable: bool) -> None:
        self._kept = kept
        self._left = dies_at
        self._durable = durable

    def append(self, events: Sequence[e.AnyEvent]) -> Future[int]:
        self._left -= 1
        if self._left == 0 and not self._durable:
            raise Killed
        future = self._kept.append(events)
        if self._left == 0:
            raise Killed
        return future

    def replay(self) -> object:
        return self._kept.replay()


def paced(setting: Setting, seed: int, script: Script = NOBODY) -> Life:
    """Paper trading to the end of the market, never killed."""
    return killed(setting, seed, script, lives=1)


def killed(
    setting: Setting,
    seed: int,
    script: Script = NOBODY,
    *,
    lives: int = 10_000,
    commits: int = 40,
    kept: MemoryJournal | None = None,
) -> Life:
    """Paper trading that dies within every `commits` commits, until the `lives`-th life is let
    live or the market ends. `kept` is a journal to begin with."""
    moments = random.Random(seed)
    kept = kept or MemoryJournal()
    for life in range(lives):
        is_last = life == lives - 1
        journal = MortalJournal(
            kept,
            -1 if is_last else moments.randint(1, commits),
            durable=moments.random() < 0.5,
        )
        market = setting.open_market()
        trader = _trader(setting, market)
        helmsman = Helmsman(seed * 1000 + life, script, market.world.start_ns)
        try:
            asyncio.run(_live(setting, market, trader, journal, helmsman))
        except Killed:
            continue
        return Life(kept, trader, market, life)
    raise AssertionError("it never came to its end")


async def _live(
    setting: Setting, market: Market, trader: Trader, journal: MortalJournal, helmsman: Helmsman
) -> None:
    clock: Clock = helmsman
    world = market.world
    runtime = PaperRuntime(
        trader=trader,
        world=world,
        journal=journal,  # type: ignore[arg-type]
        clock=clock,
        speed=Decimal(1),
        mode=Mode.PAPER,
        profile="test",
        world_words="test",
        bridge=helmsman,
        press_crash=market.press_crash,
        queue_ahead=market.queue_ahead,
    )
    await runtime.open(setting.session(market), setting.bots)
    shocks = sum(isinstance(event, e.MarketShocked) for event in journal.replay())  # type: ignore[attr-defined]
    helmsman.forget_what_is_done(trader.state, shocks)
    helmsman.market_now = lambda: world.now_ns
    helmsman.now = world.now_ns
    await runtime.run(asyncio.Event())


def _trader(setting: Setting, market: Market) -> Trader:
    return Trader(
        limits=setting.limits,
        markets=market.views,
        guard=no_guard,
        build=setting.build,
        marks_fills=True,
    )


def rebuilt(events: Sequence[e.AnyEvent]) -> TradingState:
    """The state that a restart would fold from these events."""
    state = TradingState()
    for event in events:
        state.apply(event)
    return state


def assert_same_state(live: TradingState, again: TradingState) -> None:
    """Every field, by name, so that a failure says which."""
    assert vars(live).keys() == vars(again).keys()
    for name, value in vars(live).items():
        assert getattr(again, name) == value, name
    # Dicts compare without their order, and the order of orders and bots decides who goes first.
    for name in ("orders", "bots", "positions", "final_orders", "commands", "flattening"):
        assert list(getattr(live, name)) == list(getattr(again, name)), name


def assert_same_events(found: Sequence[e.AnyEvent], wanted: Sequence[e.AnyEvent]) -> None:
    """Shows the first difference instead of two lists of thousands."""
    for number, (one, other) in enumerate(zip(found, wanted, strict=False), 1):
        assert one == other, f"event {number}"
    assert len(found) == len(wanted), (found[len(wanted) :][:3], wanted[len(found) :][:3])
