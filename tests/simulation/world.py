"""One story, told on one loop: the venue, one machine with its disk, the engine's processes, the
person and the faults. The invariants are looked at after every step of it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.claims import ClaimStatus
from engine.domain.errors import LedgerError
from engine.domain.snapshots import EngineSnapshot
from engine.trading.risk.limits import RiskLimits
from tests.simulation.chance import Chance
from tests.simulation.disk import Disk
from tests.simulation.engine import EngineProcess
from tests.simulation.exchange import Exchange
from tests.simulation.faults import Kind
from tests.simulation.invariants import KILL_FLAT_S, Checker
from tests.simulation.ledger import SALT, SimLedger, format_disk, read_disk
from tests.simulation.loop import SimLoop, SimTime, Stalled
from tests.simulation.picture import Broken
from tests.simulation.story import EPOCH_NS, Story, tell
from tests.simulation.strangers import check_strangers
from tests.simulation.strokes import Strokes
from tests.simulation.venue import Wire

CANARY = "CANARY-5f1c-sim-secret"
POSITION_MAX_PCT = Decimal(4)
STEPS_MAX = 400_000
"""A story of two minutes takes some ten thousand; more than this is a loop that never rests."""

LIMITS = RiskLimits(
    order_notional_max_pct=Decimal(3),
    position_max_pct=POSITION_MAX_PCT,
    open_orders_max=40,
    orders_per_s_max=50,
    daily_loss_max_pct=Decimal(90),
    drawdown_max_pct=Decimal(90),
)


@dataclass
class Outcome:
    """What became of a seed. `broken` is "" when everything held."""

    seed: int
    broken: str = ""
    words: str = ""
    seen: Counter[str] = field(default_factory=Counter)
    digest: str = ""
    steps: int = 0
    virtual_s: float = 0.0
    orders: int = 0
    trades: int = 0
    starts: int = 0
    trace: list[str] = field(default_factory=list)


class Person:
    """The runtime's `Bridge`: hands over what the person wished and remembers what was shown."""

    def __init__(self) -> None:
        self.commands: list[c.AnyCommand] = []
        self.shown: EngineSnapshot | None = None

    def take_commands(self) -> Sequence[c.AnyCommand]:
        commands, self.commands = self.commands, []
        return commands

    def take_crash(self) -> bool:
        return False

    def show(self, snapshot: EngineSnapshot) -> None:
        self.shown = snapshot


class World:
    def __init__(self, story: Story, *, keeps_trace: bool = False) -> None:
        self.story = story
        chance = Chance(story.seed)
        self.chance = chance.fork("world")
        self.loop = SimLoop(chance.fork("schedule"))
        self.clock = SimTime(self.loop, EPOCH_NS)
        self.disk = Disk(chance.fork("disk"))
        self.exchange = Exchange(
            now_ns=lambda: self.clock.true_ns,
            chance=chance.fork("exchange"),
            instruments=story.instruments,
            balances=story.balances,
            fee_asset=story.fee_asset,
        )
        self.faults = story.faults
        self.canary = CANARY
        self.limits = LIMITS
        self.wire = Wire(self.loop, self.exchange, story.faults, chance.fork("wire"))
        self.checker = Checker(
            exchange=self.exchange,
            disk=lambda: self.disk,
            now_s=self.loop.time,
            position_max=story.balances["USDT"] * POSITION_MAX_PCT / 100,
            canary=CANARY,
            salt=SALT,
        )
        self.checker.has_many_books = story.bots > 1
        self.person = Person()
        self.engine: EngineProcess | None = None
        self.starts = 0
        self.disk_is_slow = False
        self.said: list[str] = []
        """Errors that nobody handled."""
        self.heard: list[str] = []
        """Everything that was logged, with its tracebacks."""
        self.dies_at: tuple[int, Kind, float] | None = None
        """At this step of the loop, of what, and how long until it is started again."""
        self.power_down_s = 1.0
        self.strokes = Strokes(self)
        self._digest = hashlib.sha256()
        self._trace: list[str] | None = [] if keeps_trace else None
        self._bind()

    def _bind(self) -> None:
        checker, wire = self.checker, self.wire

        def on_sent(operation: str, key: str) -> None:
            self.note(f"sent {operation} {key}")
            checker.on_sent(operation, key)

        def on_place(submit: object) -> None:
            self.note(f"arrived {submit.client_order_id}")  # type: ignore[attr-defined]
            checker.on_place(submit)  # type: ignore[arg-type]

        def on_cancel(key: str) -> None:
            self.note(f"cancel arrived {key}")
            checker.on_cancel(key)

        wire.on_sent = on_sent
        wire.on_place = on_place
        wire.on_cancel = on_cancel
        checker.is_reachable = self._is_reachable
        checker.untrusted = self._is_untrusted
        self.loop.after_step = self._after_step
        self.loop.set_exception_handler(self._unhandled)

    def note(self, words: str) -> None:
        line = f"{self.loop.time():.6f} {words}"
        self._digest.update(line.encode())
        if self._trace is not None:
            self._trace.append(line)

    # -- what the checker asks -------------------------------------------------------------------

    def _is_reachable(self) -> bool:
        wire = self.wire
        return (
            wire.why_closed() is None
            and not wire.key_is_revoked
            and self.engine is not None
            and not self.disk_is_slow
            and self.engine.knows_no_reason_to_wait()
        )

    def _is_untrusted(self, instrument_id: str) -> bool:
        engine = self.engine
        if engine is None or engine.feed is None:
            return False
        since_s = engine.feed.untrusted.get(instrument_id)
        return since_s is not None and since_s < self.loop.time()

    def check_live(self) -> None:
        runtime = self.engine.runtime if self.engine is not None else None
        if runtime is not None:
            self.checker.check_live(runtime.state.orders)

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        self.said.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _after_step(self) -> None:
        self.checker.on_step()
        if self.checker.first is not None:
            raise self.checker.first
        if self.loop.steps > STEPS_MAX:
            raise Broken("I11", f"{STEPS_MAX} steps and no end")
        if self.dies_at is not None and self.loop.steps >= self.dies_at[0]:
            _, kind, down_s = self.dies_at
            self.dies_at = None
            self._crash(kind, down_s)
        if self.disk.is_off:
            self._crash(Kind.POWER_CUT, self.power_down_s)

    # -- the machine -------------------------------------------------------------------------------

    def start_engine(self) -> None:
        self.starts += 1
        name = f"engine{self.starts}"
        self.note(f"start {name}")
        self.engine = EngineProcess(self, name)
        self.engine.task = self.loop.spawn(name, self.engine.run())
        self.engine.task.add_done_callback(self._ended, context=self.wire.world)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """The process has ended by itself: only a failing disk or a refused key may do that."""
        error = task.exception() if not task.cancelled() else None
        engine = self.engine
        if engine is None or engine.task is not task:
            return
        self.note(f"ended {type(error).__name__}")
        if isinstance(error, LedgerError) and self._disk_fails:
            self._bury(engine)
            self.disk.crash()
            self.wire.later(2.0, self._restart)
            return
        broken = Broken("I11", f"the engine ended by itself: {error!r}")
        broken.__cause__ = error
        self.checker.first = self.checker.first or broken

    @property
    def _disk_fails(self) -> bool:
        """Or has until a moment ago."""
        return self.faults.has(Kind.DISK_FULL) or self.faults.has(Kind.SYNC_EIO)

    def _bury(self, engine: EngineProcess) -> None:
        self.engine = None
        engine.detach()
        self.loop.kill(engine.name)
        self.checker.forget_deadlines()

    def _crash(self, kind: Kind, down_s: float) -> None:
        """The process is killed, or the machine loses its power."""
        self.note(f"{kind}")
        self.faults.saw(kind)
        if self.engine is not None:
            self._bury(self.engine)
        if kind is Kind.POWER_CUT:
            self.disk.cut_power()
        else:
            self.disk.crash()
        self.wire.later(down_s, self._restart)

    def restart_cleanly(self) -> None:
        if self.engine is not None:
            self._bury(self.engine)
            self.disk.crash()
            self.wire.later(1.0, self._restart)

    def _restart(self) -> None:
        if self.engine is None:
            self.start_engine()

    def open_ledger(self, on_failure: Callable[[LedgerError], None]) -> SimLedger:
        """As the engine finds it at a start; first the checker looks at it."""
        ledger = WatchedLedger(self, on_failure)
        self.checker.on_recovered(list(ledger.replay()))
        return ledger

    def commit_s(self) -> float:
        if self.disk_is_slow:
            return self.chance.between(50, 900) / 1000
        return self.chance.between(1, 12) / 1000

    # -- the story -------------------------------------------------------------------------------

    async def _market(self) -> None:
        """The others trade; the news of it goes to every feed."""
        chance = self.chance.fork("market")
        keys = [one.instrument_id for one in self.story.instruments]
        while True:
            slower = 8 if self.story.rests_in_calm and not self.faults.is_on else 1
            await asyncio.sleep(slower * chance.between(300, 900) / 1000)
            key = chance.pick(keys)
            self.exchange.tick(key)
            for feed in list(self.wire.feeds):
                feed.in_process(0.005, feed.moved, key)
            self._watch_timer()

    def _watch_timer(self) -> None:
        """The venue's dead-man timer: it cancels what the engine's silence leaves behind."""
        wire = self.wire
        if wire.timer_until_ns is not None and self.exchange.clock_ns() > wire.timer_until_ns:
            wire.timer_until_ns = None
            self.note("dead-man timer")
            for order in self.exchange.working():
                self.exchange.end(order, ClaimStatus.CANCELED, "the timer ran out")

    async def play(self) -> None:
        story = self.story
        format_disk(self.disk, EPOCH_NS)
        market = self.loop.create_task(self._market())
        self.wire.later(story.faults_begin_s, self._let_loose)
        for stroke in story.strokes:
            self.wire.later(stroke.at_s, self.strokes.strike, stroke)
        for wish in story.wishes:
            self.wire.later(wish.at_s, self._wish, wish.command)
        self.start_engine()
        await self._until(story.faults_end_s)
        self._make_calm()
        if story.rests_in_calm:
            self._wish(c.PauseBot(command_id="calm-pause"))
        await self._until(story.calm_s)
        self._check_liveness()
        await self._until(story.agreed_s)
        self.checker.check_orders()
        self._wish(c.PauseBot(command_id="end-pause"))
        if story.kills_at_end:
            self._wish(c.Kill(command_id="end-kill", level=c.KillLevel.CANCEL_ALL))
            await self._until(story.agreed_s + KILL_FLAT_S)
            self._check_killed()
        else:
            self._wish(c.CancelAll(command_id="end-cancel", with_protective=True))
        await self._until(story.end_s)
        market.cancel()
        await self._check_end()

    def _let_loose(self) -> None:
        self.faults.is_on = True

    def _wish(self, command: c.AnyCommand) -> None:
        self.note(f"wish {type(command).__name__} {command.command_id}")
        self.person.commands.append(command)
        if self.engine is not None:
            self.engine.poke()

    async def _until(self, when_s: float) -> None:
        await asyncio.sleep(max(0.0, when_s - self.loop.time()))

    def _make_calm(self) -> None:
        """Nothing new goes wrong from here on; what is under way may still arrive."""
        self.note("calm")
        self.faults.is_on = False
        self.wire.banned_until_s = self.wire.limited_until_s = 0.0
        self.wire.maintenance = False
        self.disk.fault = None
        self.disk.cut_at = None
        self.dies_at = None
        self.disk_is_slow = False
        self.exchange.skew_ns = self.clock.skew_ns = 0
        for key in list(self.exchange.halted):
            self.strokes.unhalt(key)
        for order in self.exchange.working():
            if not order.is_ours:
                self.exchange.end(order, ClaimStatus.CANCELED, "by its owner")

    # -- the end ---------------------------------------------------------------------------------

    def _check_liveness(self) -> None:
        engine = self.engine
        words = "there is no engine" if engine is None else engine.why_not_trading()
        if words:
            raise Broken("I11", f"{LIVENESS_WORDS}: {words}")

    def _check_killed(self) -> None:
        left = [order for order in self.exchange.working() if order.is_ours]
        if left:
            raise Broken("I5", f"{left[0].client_order_id} works {KILL_FLAT_S:g} s after the kill")

    async def _check_end(self) -> None:
        self.checker.check_orders()
        self.checker.check_money()
        self.checker.check_secret([*self.said, *self.heard, repr(self.person.shown)])
        if self.checker.first is not None:
            raise self.checker.first
        assert self.engine is not None
        durable = read_disk(self.disk.durable_copy())
        self.engine.check_state(durable)
        if self.faults.has(Kind.SECOND_ENGINE):
            await check_strangers(durable, self.engine, self.clock)
        if self.said:
            raise Broken("I11", f"an error nobody handled: {self.said[0]}")

    def run(self) -> Outcome:
        outcome = Outcome(self.story.seed, seen=self.faults.seen)
        records = _Heard(self.heard)
        try:
            with records:
                self.loop.run_until_complete(self.play())
        except Broken as broken:
            outcome.broken, outcome.words = broken.name, broken.words
        except Stalled as stalled:
            outcome.broken, outcome.words = "I11", str(stalled)
        finally:
            if self.engine is not None:
                self.engine.detach()
            self.loop.after_step = None
            self.loop.finish()
            self.disk.unmount()
        outcome.digest = self._digest.hexdigest()
        outcome.steps = self.loop.steps
        outcome.virtual_s = self.loop.time()
        outcome.orders = len(self.checker.orders)
        outcome.trades = len(self.exchange.trades)
        outcome.starts = self.starts
        outcome.trace = self._trace or []
        if self.exchange.ran_out:
            outcome.seen[Kind.FEE_ASSET_OUT] += 1
        return outcome


LIVENESS_WORDS = "a minute after the last fault the engine does not trade"


class WatchedLedger(SimLedger):
    """Tells the checker what is decided, and what is durable."""

    def __init__(self, world: World, on_failure: Callable[[LedgerError], None]) -> None:
        super().__init__(world.disk, world.clock, world.commit_s, on_failure)
        self._world = world

    def append(self, events: Sequence[e.AnyEvent]) -> object:  # type: ignore[override]
        self._world.checker.on_append(events)
        future = super().append(events)
        future.add_done_callback(lambda done: self._done(done, events))
        return future

    def _done(self, done: object, events: Sequence[e.AnyEvent]) -> None:
        if done.exception() is None:  # type: ignore[attr-defined]
            self._world.checker.on_durable(events)
            self._world.check_live()
            names = ",".join(type(event).__name__ for event in events)
            self._world.note(f"durable {self.last_seq} {names}")


class _Heard(logging.Handler):
    """Everything that was logged, as a file would have it."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__()
        self._texts = texts
        self._level = logging.NOTSET

    def emit(self, record: logging.LogRecord) -> None:
        self._texts.append(self.format(record))

    def __enter__(self) -> _Heard:
        engine = logging.getLogger("engine")
        self._level = engine.level
        engine.setLevel(logging.DEBUG)
        engine.addHandler(self)
        return self

    def __exit__(self, *args: object) -> None:
        engine = logging.getLogger("engine")
        engine.removeHandler(self)
        engine.setLevel(self._level)


def run_seed(seed: int, *, keeps_trace: bool = False) -> Outcome:
    return World(tell(seed), keeps_trace=keeps_trace).run()
