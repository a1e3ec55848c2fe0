"""Paper trading: the trader and a simulated world, paced by the wall clock, with a ledger.

The loop is the backtest's with three additions: it waits for the pace, it takes commands, and it
lets requests out (and shows anything) only once the events behind them are durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain import events as e
from engine.domain.commands import AnyCommand
from engine.domain.errors import ConfigError
from engine.domain.snapshots import EngineSnapshot, Mode
from engine.kernels import layout as k
from engine.ports.store import Journal
from engine.ports.world import Wake, World
from engine.runtime.driver import Driver, fast_forward
from engine.runtime.publisher import Pacing, Publisher
from engine.runtime.trader import BotSpec, Outbox, Trader
from engine.strategy.runner import NEVER_NS
from engine.trading.state import TradingState

PUBLISH_NS = 80_000_000
"""At most this often a snapshot is made, in wall time; faces poll at 10 Hz."""
PROMPT_NS = 20_000_000
"""After a person's command faces need not wait that long for what it did."""
IDLE_NS = 20_000_000
"""How long to wait for commands or the pace when nothing is due."""
BEHIND_BATCHES = 64
"""Batches worked through before commands and faces get a turn while catching up."""


class Pace:
    """Market seconds per wall second; 0 is as fast as possible."""

    def __init__(self, speed: Decimal, clock: Clock) -> None:
        self.speed = speed
        self._clock = clock
        self._market_ns = 0
        self._wall_ns = 0

    def start(self, market_ns: int) -> None:
        """The market stands at `market_ns` now."""
        self._market_ns = market_ns
        self._wall_ns = self._clock.monotonic_ns()

    def target_ns(self) -> int:
        """How far the market may have moved by now."""
        if self.speed == 0:
            return NEVER_NS
        passed = self._clock.monotonic_ns() - self._wall_ns
        return self._market_ns + int(passed * self.speed)

    def wait_ns(self, until_ns: int) -> int:
        """Wall time until the market may reach `until_ns`."""
        if self.speed == 0:
            return 0
        return int((until_ns - self.target_ns()) / self.speed)


class Bridge(Protocol):
    """The people's side as the runtime sees it. Called from the runtime's loop only."""

    def take_commands(self) -> Sequence[AnyCommand]:
        """Commands given since the last call."""

    def take_crash(self) -> bool:
        """Whether the crash button was pressed since the last call."""

    def show(self, snapshot: EngineSnapshot) -> None: ...


class Nobody:
    """The bridge of a headless run: no commands, no eyes."""

    def take_commands(self) -> Sequence[AnyCommand]:
        return ()

    def take_crash(self) -> bool:
        return False

    def show(self, snapshot: EngineSnapshot) -> None:
        """Nobody looks."""


class PaperRuntime:
    """Owns the loop. `press_crash` is the world's crash button, None for recordings."""

    def __init__(
        self,
        *,
        trader: Trader,
        world: World,
        journal: Journal,
        clock: Clock,
        speed: Decimal,
        mode: Mode,
        profile: str,
        world_words: str,
        bridge: Bridge,
        press_crash: Callable[[int], None] | None,
        queue_ahead: Callable[[str], int],
    ) -> None:
        self._trader = trader
        self._world = world
        self._journal = journal
        self._clock = clock
        self._pace = Pace(speed, clock)
        self._mode = mode
        self._profile = profile
        self._world_words = world_words
        self._bridge = bridge
        self._press_crash = press_crash
        self._driver = Driver(trader, world)
        self.publisher = Publisher(trader, queue_ahead, world.fee_rates)
        self._shown_ns = -PUBLISH_NS
        self._moved_ns = clock.monotonic_ns()
        self._rows = 0
        self.has_ended = False

    @property
    def state(self) -> TradingState:
        return self._trader.state

    # -- life ----------------------------------------------------------------------------------

    async def open(self, session: e.SessionStarted, bots: Sequence[BotSpec]) -> bool:
        """Start a new ledger or resume the one found. True when it was resumed.

        ConfigError when the ledger belongs to another world (source, seed or scenario).
        """
        # Two passes over the journal instead of a list: a long ledger need not fit in memory.
        self._trader.restore(self._journal.replay())
        if self._trader.state.events == 0:
            self._trader.begin(session, bots)
            await self._commit(self._trader.drain())
            return False
        if self._trader.state.world != session.world:
            raise ConfigError(
                f"ledger: it belongs to {self._trader.state.world}, not to {session.world}: "
                "use another --profile or --home, or start with the same source and settings"
            )
        fast_forward(self._world, self._journal.replay(), self._crash)
        self._trader.resume()
        for event in self._journal.replay():
            self.publisher.remember([event])
        await self._commit(self._trader.drain())
        return True

    async def run(self, stop: asyncio.Event, until_ns: int = NEVER_NS) -> None:
        """Trade until `stop` is set, the recording ends, or the market reaches `until_ns`."""
        self._pace.start(self._world.now_ns)
        while not stop.is_set():
            await self._take_turn(until_ns)
            if self._world.now_ns >= until_ns:
                self.has_ended = True
            if self.has_ended:
                break
            await asyncio.sleep(0)
        self._publish(0)

    async def linger(self, stop: asyncio.Event) -> None:
        """The recording is over: keep answering commands on the last known book until `stop`."""
        while not stop.is_set():
            commands = self._bridge.take_commands()
            if commands:
                await self._batch(Wake(self._world.now_ns, k.WAKE_UNTIL), commands)
            self._publish(PROMPT_NS if commands else PUBLISH_NS)
            await self._clock.sleep(IDLE_NS)

    # -- the loop --------------------------------------------------------------------------------

    async def _take_turn(self, until_ns: int) -> None:
        """Commands first, then the market up to the pace, then a look for the faces."""
        commands = self._bridge.take_commands()
        if commands:
            await self._batch(Wake(self._world.now_ns, k.WAKE_UNTIL), commands)
        if self._bridge.take_crash() and self._press_crash is not None:
            self._trader.record_shock("human", self._world.now_ns)
            await self._commit(self._trader.drain())
            self._press_crash(self._world.now_ns)
        if commands:
            self._publish(PROMPT_NS)
        target_ns = min(self._pace.target_ns(), until_ns)
        for _ in range(BEHIND_BATCHES):
            wake = self._driver.advance(target_ns)
            if self._driver.is_due(wake):
                await self._batch(wake)
            if wake.reasons & k.WAKE_END:
                self.has_ended = True
                break
            if wake.ts_ns >= target_ns:
                break
        self._note_movement()
        self._publish()
        wait_ns = self._pace.wait_ns(self._trader.next_timer_ns)
        if wait_ns > 0 and not self.has_ended:
            await self._clock.sleep(min(wait_ns, IDLE_NS))

    async def _batch(self, wake: Wake, commands: Sequence[AnyCommand] = ()) -> None:
        await self._commit(self._driver.batch(wake, commands))

    async def _commit(self, outbox: Outbox) -> None:
        """Durable first, then visible, then on the wire."""
        if not outbox.events:
            assert not outbox.requests, "a request without an event behind it"
            return
        await asyncio.wrap_future(self._journal.append(outbox.events))
        self.publisher.remember(outbox.events)
        if outbox.requests:
            self._world.submit(outbox.requests, self._world.now_ns)

    def _crash(self, now_ns: int) -> None:
        assert self._press_crash is not None, "the ledger holds a crash, the world has no button"
        self._press_crash(now_ns)

    # -- faces -----------------------------------------------------------------------------------

    def _note_movement(self) -> None:
        if self._world.rows != self._rows:
            self._rows = self._world.rows
            self._moved_ns = self._clock.monotonic_ns()

    def _publish(self, after_ns: int = PUBLISH_NS) -> None:
        """Show a snapshot, unless the last one was shown less than `after_ns` ago."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._shown_ns < after_ns:
            return
        self._shown_ns = now_ns
        self._bridge.show(self.snapshot())

    def snapshot(self) -> EngineSnapshot:
        return self.publisher.render(
            Pacing(
                mode=self._mode,
                profile=self._profile,
                world=self._world_words,
                speed=self._pace.speed,
                feed_age_ms=(self._clock.monotonic_ns() - self._moved_ns) // 1_000_000,
                has_ended=self.has_ended,
                halted="",
                wall_ns=self._clock.now_ns(),
            )
        )


def seconds(value: Decimal) -> int:
    """Seconds as nanoseconds."""
    return int(value * NS_PER_SECOND)
