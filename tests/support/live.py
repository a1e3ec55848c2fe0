"""A live engine over the fake venue, in virtual time: hours pass in a blink, nothing is mocked.

`VirtualLoop` is an event loop whose clock jumps to the next timer as soon as nobody can run.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import nullcontext
from decimal import Decimal
from typing import Any, TypeVar

from engine.core.clock import NS_PER_SECOND
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.instrument import Instrument
from engine.domain.order import OrderSpec, Side
from engine.domain.snapshots import EngineSnapshot, LinkStage, Mode
from engine.runtime.live import LivePolicy, LiveRuntime
from engine.runtime.live_market import LiveMarkets
from engine.runtime.live_time import SteadyClock
from engine.runtime.trader import BotSpec, Trader
from engine.trading.risk.limits import RiskLimits
from engine.trading.state import MANUAL, TradingState
from tests.support.builders import spot
from tests.support.fake_venue import FakeAccount, FakeExchange, FakeFeed

START_NS = 1_763_700_000 * NS_PER_SECOND
T = TypeVar("T")


class _Jump(selectors.SelectSelector):
    """A selector that never waits: it moves the loop's clock instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout > 0:
            self.now_s += timeout
        assert timeout is not None, "the loop would wait for ever: nobody is left to wake it"
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now_s


class VirtualClock:
    """Implements `Clock` over the virtual loop. `wall_ahead_ns` is a wall clock set wrong."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.wall_ahead_ns = 0

    def now_ns(self) -> int:
        return START_NS + self.monotonic_ns() + self.wall_ahead_ns

    def monotonic_ns(self) -> int:
        return round(self._loop.time() * NS_PER_SECOND)

    async def sleep(self, duration_ns: int) -> None:
        await asyncio.sleep(max(0, duration_ns) / NS_PER_SECOND)


def run_virtual(program: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """Run `program` to its end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(program(VirtualClock(loop)))
    finally:
        loop.close()


class ListJournal:
    """Implements `LiveJournal` in memory: what a new engine finds when the old one is gone."""

    def __init__(self) -> None:
        self.events: list[e.AnyEvent] = []

    async def commit(self, events: Sequence[e.AnyEvent]) -> None:
        await asyncio.sleep(0)
        self.events.extend(events)

    def replay(self) -> Iterator[e.AnyEvent]:
        return iter(list(self.events))


class Desk:
    """Implements `Bridge`: a person without a face."""

    def __init__(self) -> None:
        self.wishes: list[c.AnyCommand] = []
        self.shown: EngineSnapshot | None = None

    def take_commands(self) -> Sequence[c.AnyCommand]:
        wishes, self.wishes = self.wishes, []
        return wishes

    def take_crash(self) -> bool:
        return False

    def show(self, snapshot: EngineSnapshot) -> None:
        self.shown = snapshot


class LiveRig:
    """One exchange and one ledger; engines come and go: `async with rig.engine() as live:`."""

    def __init__(
        self,
        clock: VirtualClock,
        instruments: Sequence[Instrument] = (),
        balances: dict[str, Decimal] | None = None,
        bots: Sequence[BotSpec] = (),
        capital: Decimal = Decimal(100_000),
        **policy: Any,
    ) -> None:
        self.clock = clock
        self.instruments = list(instruments) or [spot()]
        self.exchange = FakeExchange(
            clock,
            self.instruments,
            {"USDT": Decimal(100_000), "BTC": Decimal(0)} if balances is None else balances,
        )
        self.journal = ListJournal()
        self.desk = Desk()
        self.bots = list(bots)
        self.capital = capital
        self.policy = policy
        self.wished = 0

    def engine(self) -> Engine:
        return Engine(self)

    def wish(self, kind: type[c.AnyCommand], **fields: Any) -> str:
        """Give a command; its id."""
        self.wished += 1
        command = kind(command_id=f"wish-{self.wished}", **fields)
        self.desk.wishes.append(command)
        return command.command_id

    def folded(self) -> TradingState:
        """The state as a restart would find it."""
        state = TradingState()
        for event in self.journal.events:
            state.apply(event)
        return state


class Engine:
    """One life of a live engine. Leaving stops it cleanly; `kill` ends it where it stands."""

    def __init__(self, rig: LiveRig) -> None:
        self.rig = rig
        steady = SteadyClock(rig.clock)
        self.clock = steady
        self.markets = LiveMarkets(rig.instruments, {"1s": NS_PER_SECOND}, steady, 1 << 14)
        self.account = FakeAccount(rig.exchange, steady)
        self.feed = FakeFeed(rig.exchange, steady)
        self.trader = Trader(
            limits=RiskLimits(),
            markets=self.markets.views,
            guard=lambda _: nullcontext(),
            abilities=self.account.traits.abilities,
        )
        self.runtime = LiveRuntime(
            trader=self.trader,
            account=self.account,
            feed=self.feed,
            markets=self.markets,
            journal=rig.journal,
            clock=steady,
            bridge=rig.desk,
            policy=LivePolicy(
                mode=Mode.DRILL, profile="test", world_words="fake venue", **rig.policy
            ),
        )
        self._stop = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    @property
    def state(self) -> TradingState:
        return self.trader.state

    @property
    def stage(self) -> LinkStage:
        return self.runtime.keeper.ties.stage

    async def __aenter__(self) -> Engine:
        rig = self.rig
        session = e.SessionStarted(
            ts_ns=self.clock.now_ns(),
            world="fake venue",
            capital=rig.capital,
            settle="USDT",
            salt=7,
            instruments=rig.instruments,
        )
        await self.runtime.open(session, rig.bots)
        self._life = asyncio.ensure_future(self.runtime.run(self._stop))
        return self

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        if self._life is not None and not self._life.done():
            self._stop.set()
            await self._life

    async def stop(self) -> None:
        self._stop.set()
        assert self._life is not None
        await self._life

    async def kill(self) -> None:
        """The process is gone: nothing is said, nothing more is sent."""
        assert self._life is not None
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)

    async def until(self, is_so: Callable[[], bool], within_s: float = 60) -> None:
        """Let time pass until `is_so`; fails where it does not come to that."""
        deadline_ns = self.clock.monotonic_ns() + int(within_s * NS_PER_SECOND)
        while not is_so():
            assert self._life is not None
            if self._life.done():
                await self._life
                raise AssertionError("the engine has ended")
            assert self.clock.monotonic_ns() < deadline_ns, (
                f"not within {within_s} s: {self.runtime.keeper.ties}"
            )
            await self.clock.sleep(10_000_000)

    async def until_trading(self, within_s: float = 60) -> None:
        await self.until(lambda: self.stage is LinkStage.TRADING and not self.state.holds, within_s)

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep(int(seconds * NS_PER_SECOND))


def a_buy(lots: int = 10, ticks: int = 49_900, **changes: Any) -> OrderSpec:
    """A buy below the fake venue's touch of 49,999 / 50,001."""
    fields: dict[str, Any] = {
        "instrument_id": "test.BTCUSDT",
        "side": Side.BUY,
        "qty_lots": lots,
        "price_ticks": ticks,
    }
    return OrderSpec(**{**fields, **changes})


async def resting(rig: LiveRig, live: Engine) -> str:
    """Places an order in an engine that trades; its id, once the venue has acknowledged it."""
    await live.until_trading()
    known = set(live.state.orders)
    rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
    await live.until(
        lambda: any(
            one.venue_order_id for key, one in live.state.orders.items() if key not in known
        )
    )
    (key,) = set(live.state.orders) - known
    return key
