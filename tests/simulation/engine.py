"""One life of the engine under test: everything that a start makes and a kill takes away."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from engine.domain import events as e
from engine.domain.errors import LedgerError
from engine.domain.snapshots import LinkStage, Mode
from engine.runtime.live import LiveJournal, LivePolicy, LiveRuntime
from engine.runtime.live_market import LiveMarkets
from engine.runtime.live_time import SteadyClock
from engine.runtime.trader import BotSpec, Trader
from engine.trading.state import TradingState
from tests.simulation.bots import build
from tests.simulation.faults import Kind
from tests.simulation.feed import SimFeed
from tests.simulation.ledger import SALT, SimLedger
from tests.simulation.picture import Broken
from tests.simulation.venue import SimAccount

if TYPE_CHECKING:
    from tests.simulation.world import World

HOUSEKEEPING_NS = 2_000_000_000
IDLE_NS = 2_000_000_000
PUBLISH_NS = 5_000_000_000
WINDOW_TICKS = 1 << 12
WORLD = "sim venue, key 5f1c"

_MAKE_WAIT = (Kind.LIMITED, Kind.BANNED, Kind.MAINTENANCE, Kind.KEY_REVOKED)


def _unguarded(name: str) -> AbstractContextManager[object]:
    """No watchdog: strategies of a story do not hang, and its thread would be real."""
    return nullcontext()


class SimJournal:
    """Implements `engine.runtime.live.LiveJournal` over a ledger on the simulated disk."""

    def __init__(self, ledger: SimLedger) -> None:
        self._ledger = ledger
        self.replay = ledger.replay

    async def commit(self, events: Sequence[e.AnyEvent]) -> None:
        await asyncio.wrap_future(self._ledger.append(events))


class EngineProcess:
    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.task: asyncio.Task[None] | None = None
        self.account: SimAccount | None = None
        self.feed: SimFeed | None = None
        self.runtime: LiveRuntime | None = None
        self._world = world
        self._ledger: SimLedger | None = None

    # -- life ----------------------------------------------------------------------------------

    async def run(self) -> None:
        world = self._world
        self._ledger = world.open_ledger(self._note_disk)
        clock = SteadyClock(world.clock)
        self.account = SimAccount(world.wire, clock, world.canary)
        self.feed = SimFeed(world.wire, clock)
        self.runtime = self._runtime(SimJournal(self._ledger), clock, self.account, self.feed)
        await self.runtime.open(self._session(WORLD), self._bots())
        await self.runtime.run(asyncio.Event())

    def _runtime(
        self, journal: LiveJournal, clock: SteadyClock, account: SimAccount, feed: SimFeed
    ) -> LiveRuntime:
        world = self._world
        instruments = list(world.exchange.instruments.values())
        markets = LiveMarkets(instruments, {}, clock, WINDOW_TICKS)
        trader = Trader(
            limits=world.limits,
            markets=markets.views,
            guard=_unguarded,
            build=build,
            housekeeping_ns=HOUSEKEEPING_NS,
            abilities=account.traits.abilities,
        )
        return LiveRuntime(
            trader=trader,
            account=account,
            feed=feed,
            markets=markets,
            journal=journal,
            clock=clock,
            bridge=world.person,
            policy=LivePolicy(
                mode=Mode.DRILL,
                profile="sim",
                world_words="the simulation",
                idle_ns=IDLE_NS,
                publish_ns=PUBLISH_NS,
            ),
        )

    def _session(self, world_words: str) -> e.SessionStarted:
        return e.SessionStarted(
            ts_ns=self._world.clock.now_ns(),
            world=world_words,
            capital=self._world.story.balances["USDT"],
            settle="USDT",
            salt=SALT,
            instruments=list(self._world.exchange.instruments.values()),
        )

    async def open_with_other_key(self, journal: LiveJournal) -> None:
        """As an engine would that was started with another key and finds this journal."""
        clock = SteadyClock(self._world.clock)
        account = SimAccount(self._world.wire, clock, self._world.canary)
        runtime = self._runtime(journal, clock, account, SimFeed(self._world.wire, clock))
        await runtime.open(self._session("sim venue, key 77aa"), self._bots())

    def _bots(self) -> list[BotSpec]:
        story = self._world.story
        return [
            BotSpec(
                bot_id=f"bot{number}",
                strategy="restless",
                instrument_id=story.instruments[number % len(story.instruments)].instrument_id,
                params_json=f'{{"seed":"{story.seed * 8 + number}"}}',
            )
            for number in range(1, story.bots + 1)
        ]

    def _note_disk(self, error: LedgerError) -> None:
        self._world.note(f"the disk fails: {type(error.__cause__).__name__}")

    def poke(self) -> None:
        """As the people's side does when a wish comes in."""
        if self.runtime is not None:
            self.runtime.poke()

    def detach(self) -> None:
        """Cut what the process holds of the world, before Python takes it apart."""
        for held in (self.account, self.feed):
            if held is not None:
                held.detach()

    # -- what the world asks -----------------------------------------------------------------------

    def knows_no_reason_to_wait(self) -> bool:
        """Whether nothing the venue has said could make it hold a cancel back."""
        faults = self._world.faults
        return not faults.is_on or not any(faults.has(kind) for kind in _MAKE_WAIT)

    def why_not_trading(self) -> str:
        if self.runtime is None:
            return "it has not started yet"
        ties = self.runtime.keeper.ties
        if ties.stage is not LinkStage.TRADING:
            return f"{ties.stage}: {ties.words}"
        holds = self.runtime.state.holds
        return f"held: {holds}" if holds else ""

    def check_state(self, durable: Sequence[e.AnyEvent]) -> None:
        """I9: what the events on the disk make is what the engine has in memory."""
        assert self.runtime is not None
        assert self._ledger is not None
        folded = TradingState()
        for event in (*durable, *self._ledger.undurable()):
            folded.apply(event)
        ours, theirs = canonical(self.runtime.state), canonical(folded)
        for name, value in ours.items():
            if theirs[name] != value:
                raise Broken("I9", f"{name} is {value}, the journal makes {theirs[name]}")


def canonical(value: Any) -> Any:
    """`value` as plain lists, maps and texts, so that two states can be compared whatever they are
    made of."""
    if value is None or isinstance(value, str | int | float | bytes | Decimal):
        return value
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, list | tuple | deque):
        return [canonical(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return {name: canonical(getattr(value, name)) for name in value.__struct_fields__}
    return {name: canonical(item) for name, item in sorted(vars(value).items())}
