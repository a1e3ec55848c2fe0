"""The demo: a generated or recorded market, two bots, a ledger; headless or under a face."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from app.bootstrap import (
    CHART_TIMEFRAMES,
    Market,
    build_bot,
    generated_market,
    paper_runtime,
    recorded_market,
    session_of,
)
from app.paths import Paths, make_private
from app.service.local import LocalSession
from engine.core.clock import NS_PER_SECOND, LiveClock
from engine.core.watchdog import Watchdog
from engine.domain.errors import LedgerError
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import MONEY, plain
from engine.market.view import MarketView
from engine.runtime.machine import give_back_memory, resident_mb
from engine.runtime.paper import Bridge, Nobody, PaperRuntime
from engine.runtime.trader import BotSpec
from engine.sim.scenario import Scenario
from engine.store.filelock import lock_beside
from engine.store.journal import LedgerJournal, open_ledger
from engine.strategy.runner import NEVER_NS
from engine.trading.risk.limits import RiskLimits

TREND_TIMEFRAME = "5s"
"""Short, so that a newcomer sees the trend bot act within minutes."""


class DemoRequest(NamedTuple):
    scenario: Scenario
    limits: RiskLimits
    capital: Decimal
    captures: Sequence[Path] = ()
    seed: int = 1
    speed: Decimal = Decimal(1)
    seconds: Decimal | None = None
    """Market seconds to trade, counted from the start of the session; None: no end."""
    profile: str = "demo"


class DemoReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `demo --headless --json` prints."""

    world: str
    resumed: bool
    market_events: int
    orders: int
    fills: int
    denied: int
    equity: Decimal
    """Profit or loss since the start of the ledger, in the settle asset."""
    fees: Decimal
    settle: str
    bots: list[dict[str, str]]
    ledger: str
    ledger_digest: str
    resident_mb: int


def ledger_path(paths: Paths, request: DemoRequest) -> Path:
    """One ledger per profile and source: another seed or recording is another story."""
    source = ",".join(str(path.resolve()) for path in request.captures) or f"seed {request.seed}"
    digest = hashlib.sha256(source.encode()).hexdigest()[:10]
    folder = make_private(paths.profile(request.profile))
    return folder / f"ledger-{digest}.db"


def set_aside(request: DemoRequest, paths: Paths) -> None:
    """Rename the ledger of this request (nothing is deleted), so that the next start is fresh."""
    path = ledger_path(paths, request)
    _fold_wal(path)
    stamp = LiveClock().now_ns() // NS_PER_SECOND
    lock = lock_beside(path)  # Refuses while another engine works on it.
    try:
        for suffix in ("", "-wal", "-shm"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(part.with_name(f"{path.stem}-until-{stamp}.db{suffix}"))
    finally:
        lock.release()


def _fold_wal(path: Path) -> None:
    """After a kill the newest events are in the -wal only. Once they are in the ledger itself one
    rename moves all of it, and a kill between two renames can part nothing. One that cannot be
    opened (it is damaged, or another engine's) is left as it is."""
    if path.exists():
        with contextlib.suppress(LedgerError):
            open_ledger(path, clock=LiveClock(), on_failure=_ignore).close()


def _ignore(failure: object) -> None:
    """What cannot be closed will be checked when it is opened again."""


def open_market(request: DemoRequest) -> Market:
    timeframes = (*CHART_TIMEFRAMES, TREND_TIMEFRAME)
    if request.captures:
        return recorded_market(request.captures, request.scenario, timeframes)
    return generated_market(request.seed, request.scenario, timeframes)


class Demo:
    """A market with its ledger and runtime, opened once."""

    def __init__(self, request: DemoRequest, paths: Paths, bridge: Bridge) -> None:
        self._request = request
        self._market = open_market(request)
        give_back_memory()
        self._watchdog = Watchdog()
        self._path = ledger_path(paths, request)
        self._failures: list[str] = []
        self.journal: LedgerJournal = open_ledger(
            self._path, clock=LiveClock(), on_failure=self._note_failure
        )
        self.runtime: PaperRuntime = paper_runtime(
            self._market,
            request.limits,
            self.journal,
            self._watchdog,
            bridge,
            speed=request.speed,
            profile=request.profile,
        )
        self.resumed = False

    @property
    def ledger_name(self) -> str:
        return self._path.name

    def _note_failure(self, failure: object) -> None:
        """The loop gets the same error from its own append; this keeps the words."""
        self._failures.append(str(failure))

    async def open(self) -> None:
        world = self._market.world
        instrument = next(iter(world.instruments.values()))
        session = session_of(
            self._market,
            self._request.scenario,
            capital_in(instrument, self._request.capital, self._market),
            self.journal.salt,
        )
        view = self._market.views[instrument.instrument_id]
        bots = demo_bots(instrument, session.capital, first_price(self._market, view))
        self.resumed = await self.runtime.open(session, bots)

    async def run(self, stop: asyncio.Event) -> None:
        until_ns = NEVER_NS
        if self._request.seconds is not None:
            start_ns = self._market.world.start_ns
            until_ns = start_ns + int(self._request.seconds * NS_PER_SECOND)
        await self.runtime.run(stop, until_ns)

    def close(self) -> None:
        self.journal.close()
        self._watchdog.close()

    def report(self) -> DemoReport:
        snapshot = self.runtime.snapshot()
        state = self.runtime.state
        return DemoReport(
            world=self._market.words,
            resumed=self.resumed,
            market_events=self._market.world.rows,
            orders=state.placed,
            fills=state.fills,
            denied=state.denied,
            equity=MONEY.subtract(snapshot.equity, snapshot.capital),
            fees=snapshot.fees,
            settle=snapshot.settle,
            bots=[
                {
                    "bot_id": bot.bot_id,
                    "strategy": bot.strategy,
                    "helm": str(bot.helm),
                    "position_lots": str(bot.position_lots),
                    "pnl": plain(bot.pnl),
                    "fills": str(bot.fills),
                    "error": bot.error,
                }
                for bot in snapshot.bots
            ],
            ledger=self.ledger_name,
            ledger_digest=self.journal.digest(),
            resident_mb=resident_mb(),
        )


def run_headless(
    request: DemoRequest, paths: Paths, arrange_stop: Callable[[asyncio.Event], None]
) -> DemoReport:
    """Trade until the time or the recording is over and report. `arrange_stop` is given the
    event that ends the run early."""

    async def program() -> DemoReport:
        stop = asyncio.Event()
        arrange_stop(stop)
        demo = Demo(request, paths, Nobody())
        try:
            await demo.open()
            await demo.run(stop)
            return demo.report()
        finally:
            demo.close()

    return asyncio.run(program())


def session_with_engine(request: DemoRequest, paths: Paths) -> LocalSession:
    """A session for a face, with the engine in a thread of its own; not started yet."""

    async def program(session: LocalSession, stop: asyncio.Event) -> None:
        demo = Demo(request, paths, session)
        try:
            await demo.open()
            await demo.run(stop)
            await demo.runtime.linger(stop)
        finally:
            demo.close()

    return LocalSession(program)


# -- sizes that fit the instrument ------------------------------------------------------------


def capital_in(instrument: Instrument, capital: Decimal, market: Market) -> Decimal:
    """`capital` is meant in quote currency; a coin-margined account gets its worth in coin."""
    if instrument.kind is not InstrumentKind.INVERSE:
        return capital
    price = first_price(market, market.views[instrument.instrument_id])
    return MONEY.divide(capital, price).quantize(Decimal("0.0001"))


def first_price(market: Market, view: MarketView) -> Decimal:
    """A price to size things by: where the market's window was centred."""
    return view.instrument.price(market.reference_ticks)


class Pace(NamedTuple):
    """How busy the demo's market maker is: at most `2 * levels` orders every `every_ms`."""

    levels: int
    every_ms: int


LIVELY = Pace(levels=5, every_ms=200)
"""For a simulated venue, which counts no orders."""
WITHIN_LIMITS = Pace(levels=3, every_ms=1000)
"""At most 60 orders in ten seconds: Binance takes 100, and a person places some, too."""


def demo_bots(
    instrument: Instrument, capital: Decimal, price: Decimal, pace: Pace = LIVELY
) -> list[BotSpec]:
    """A market maker and a trend follower, each order worth about half a percent of the capital."""
    if instrument.kind is InstrumentKind.INVERSE:
        worth = MONEY.multiply(capital, price)
        one = MONEY.divide(worth, instrument.contract_size)
    else:
        one = MONEY.divide(capital, price)
    lots = max(1, instrument.lots_down(MONEY.multiply(one, Decimal("0.005"))))
    step = max(1, int(MONEY.divide(price, instrument.tick) / 60_000))
    grid = {
        "levels": str(pace.levels),
        "interval_ticks": str(step),
        "half_spread_ticks": str(2 * step),
        "qty": plain(instrument.qty(lots)),
        "max_position": plain(instrument.qty(lots * 12)),
        "every_ms": str(pace.every_ms),
    }
    trend = {
        "fast": "6",
        "slow": "18",
        "timeframe": TREND_TIMEFRAME,
        "qty": plain(instrument.qty(lots * 8)),
    }
    return [
        build_bot("maker-1", "grid", grid, instrument),
        build_bot("trend-1", "trend", trend, instrument),
    ]
