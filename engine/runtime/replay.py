"""A recording played back: the paper engine with time in a person's hands.

Going back is going forward from the start: a fresh world and a fresh trader are brought to the
instant asked for, with the person's own orders given again when they were given. Both are
deterministic, so what is seen there is what was seen the first time. Orders given after that
instant are gone: they belong to a past that was taken back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain import events as e
from engine.domain import replay as w
from engine.domain.commands import AnyCommand
from engine.domain.snapshots import EngineSnapshot, Mode, ReplaySnapshot
from engine.kernels import layout as k
from engine.ports.world import Wake, World
from engine.runtime.driver import Driver
from engine.runtime.paper import IDLE_NS, PUBLISH_NS, Bridge, Pace
from engine.runtime.publisher import Pacing, Publisher
from engine.runtime.trader import BotSpec, Trader
from engine.strategy.runner import NEVER_NS

SLICE_BATCHES = 200
"""Worked through before the person is listened to again."""
FILLS_SHOWN = 400
SEEK_PUBLISH_NS = 400_000_000
"""A picture of the way costs time on the way."""
STEP_REASONS = k.WAKE_TOP | k.WAKE_TRADE
LOOK_BACK_NS = NS_PER_SECOND
"""Where the search for the event before this one begins; widened until one is found."""
SPEED_MAX = Decimal(1000)


class Scene(NamedTuple):
    """A world at its beginning, and a trader that has seen nothing."""

    trader: Trader
    world: World
    queue_ahead: Callable[[str], int]


class ReplayBridge(Bridge, Protocol):
    def take_wishes(self) -> Sequence[w.AnyReplayWish]:
        """What was asked of time since the last call."""


class ReplayRuntime:
    """Owns the loop. `keep` writes the events so far as a ledger and returns its profile."""

    def __init__(
        self,
        *,
        open_scene: Callable[[], Scene],
        session: Callable[[World], e.SessionStarted],
        bots: Sequence[BotSpec],
        end_ns: int,
        clock: Clock,
        bridge: ReplayBridge,
        profile: str,
        words: str,
        keep: Callable[[Sequence[e.AnyEvent]], str],
        speed: Decimal = Decimal(1),
    ) -> None:
        self._open_scene = open_scene
        self._session_of = session
        self._bots = bots
        self._end_ns = end_ns
        self._clock = clock
        self._bridge = bridge
        self._profile = profile
        self._words = words
        self._keep = keep
        self._speed = speed
        self._given: list[tuple[int, AnyCommand]] = []
        """The person's commands, each with the instant at which it was carried out."""
        self._wishes: deque[w.AnyReplayWish] = deque()
        self._is_playing = True
        self._is_seeking = False
        self._has_ended = False
        self._forked = ""
        self._version = 0
        self._shown_ns = -PUBLISH_NS
        self._moved_ns = clock.monotonic_ns()
        self._start()
        self._start_ns = self._world.now_ns + 1

    def _start(self) -> None:
        """The beginning of the recording."""
        scene = self._open_scene()
        self._trader, self._world = scene.trader, scene.world
        self._driver = Driver(scene.trader, scene.world)
        self._publisher = Publisher(scene.trader, scene.queue_ahead, scene.world.fee_rates)
        self._events: list[e.AnyEvent] = []
        self._fills_ns: list[int] = []
        self._has_ended = False
        self._again: deque[tuple[int, AnyCommand]] = deque()
        """Commands to be given again on the way to where we were."""
        self._trader.begin(self._session_of(scene.world), self._bots)
        self._take(self._trader.drain().events)

    @property
    def now_ns(self) -> int:
        return self._world.now_ns

    @property
    def events(self) -> Sequence[e.AnyEvent]:
        """All that has happened up to now."""
        return self._events

    # -- the loop --------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Play until `stop` is set. At the end of the recording it stands, and can be steered."""
        pace = self._paced()
        while not stop.is_set():
            self._listen()
            if self._wishes:
                await self._grant(self._wishes.popleft())
                pace = self._paced()
                continue
            commands = self._bridge.take_commands()
            if commands:
                self._give(commands)
            if self._is_playing and not self._has_ended:
                self._play_to(pace.target_ns(), SLICE_BATCHES)
            self._publish()
            await self._clock.sleep(0 if self._is_behind(pace) else IDLE_NS)
        self._publish(force=True)

    def _is_behind(self, pace: Pace) -> bool:
        return self._is_playing and not self._has_ended and pace.target_ns() > self.now_ns

    def _paced(self) -> Pace:
        pace = Pace(self._speed, self._clock)
        pace.start(self.now_ns)
        return pace

    def _listen(self) -> None:
        self._wishes.extend(self._bridge.take_wishes())

    def _give(self, commands: Sequence[AnyCommand]) -> None:
        """A person trades: carried out here and now, and remembered."""
        self._given += [(self.now_ns, command) for command in commands]
        self._batch(Wake(self.now_ns, k.WAKE_UNTIL), commands)

    def _play_to(self, until_ns: int, batches: int) -> bool:
        """Advance, at most so many batches; True when `until_ns` or the end is reached."""
        for _ in range(batches):
            due_ns = self._again[0][0] if self._again else NEVER_NS
            wake = self._driver.advance(min(until_ns, due_ns))
            if self._driver.is_due(wake):
                self._batch(wake)
            if self._again and self.now_ns >= due_ns:
                self._batch(Wake(self.now_ns, k.WAKE_UNTIL), [self._again.popleft()[1]])
                continue
            if wake.reasons & k.WAKE_END:
                self._has_ended = True
            if self._has_ended or wake.ts_ns >= until_ns:
                return True
        return False

    def _batch(self, wake: Wake, commands: Sequence[AnyCommand] = ()) -> None:
        outbox = self._driver.batch(wake, commands)
        self._take(outbox.events)
        if outbox.requests:
            self._world.submit(outbox.requests, self.now_ns)

    def _take(self, events: Sequence[e.AnyEvent]) -> None:
        self._events += events
        self._publisher.remember(events)
        self._fills_ns += [one.ts_ns for one in events if isinstance(one, e.OrderFilled)]

    # -- wishes ----------------------------------------------------------------------------------

    async def _grant(self, wish: w.AnyReplayWish) -> None:
        match wish:
            case w.TogglePlay():
                self._is_playing = not self._is_playing
            case w.SetSpeed(speed=speed):
                self._speed = min(SPEED_MAX, max(Decimal("0.1"), speed))
            case w.StepEvent(forward=True):
                self._is_playing = False
                self._step()
            case w.StepEvent():
                self._is_playing = False
                await self._step_back()
            case w.Seek(ts_ns=ts_ns):
                await self._seek(ts_ns)
            case w.SeekFill(forward=True):
                self._is_playing = False
                await self._seek_next_fill()
            case w.SeekFill():
                self._is_playing = False
                earlier = [ts_ns for ts_ns in self._fills_ns if ts_ns < self.now_ns]
                if earlier:
                    await self._seek(earlier[-1])
            case w.Fork():
                self._is_playing = False
                self._forked = self._keep(self._events)
        self._publish(force=True)

    def _step(self, until_ns: int = NEVER_NS) -> bool:
        """To the next event, not beyond `until_ns`; False when there is none."""
        fills = len(self._fills_ns)
        while True:
            wake = self._driver.advance(until_ns, STEP_REASONS)
            if self._driver.is_due(wake):
                self._batch(wake)
            if wake.reasons & k.WAKE_END:
                self._has_ended = True
                return False
            if wake.reasons & STEP_REASONS or len(self._fills_ns) > fills:
                return True
            if wake.ts_ns >= until_ns:
                return False

    async def _step_back(self) -> None:
        """Go back some way, and look for the last event before this one."""
        here_ns, width_ns = self.now_ns, LOOK_BACK_NS
        while True:
            from_ns = max(self._start_ns, here_ns - width_ns)
            if not await self._seek(from_ns):
                return
            found_ns = 0
            while self._step(here_ns - 1):
                found_ns = self.now_ns
            if found_ns or from_ns == self._start_ns:
                await self._seek(found_ns or from_ns)
                return
            width_ns *= 8

    async def _seek_next_fill(self) -> bool:
        fills = len(self._fills_ns)
        self._is_seeking = True
        self._publish(force=True)
        while len(self._fills_ns) == fills and not self._has_ended:
            self._play_to(NEVER_NS, 1)
            if len(self._events) % SLICE_BATCHES == 0 and not await self._breathe():
                break
        self._is_seeking = False
        return len(self._fills_ns) > fills

    async def _seek(self, ts_ns: int) -> bool:
        """False when another wish has come in the way: we stand somewhere before `ts_ns`."""
        ts_ns = min(max(ts_ns, self._start_ns), self._end_ns)
        if ts_ns < self.now_ns:
            self._given = [(at_ns, command) for at_ns, command in self._given if at_ns <= ts_ns]
            self._start()
            self._again = deque(self._given)
        self._is_seeking = True
        self._publish(force=True)
        arrived = False
        while not arrived:
            arrived = self._play_to(ts_ns, SLICE_BATCHES)
            if not arrived and not await self._breathe():
                break
        self._is_seeking = False
        # What was not given again on the way has not happened.
        self._given = [pair for pair in self._given if pair not in self._again]
        self._again.clear()
        return arrived

    async def _breathe(self) -> bool:
        """Let faces see where we are; False when the person wants something else."""
        self._publish(every_ns=SEEK_PUBLISH_NS)
        await self._clock.sleep(0)
        self._listen()
        return not self._wishes

    # -- faces -----------------------------------------------------------------------------------

    def _publish(self, *, force: bool = False, every_ns: int = PUBLISH_NS) -> None:
        now_ns = self._clock.monotonic_ns()
        if force or now_ns - self._shown_ns >= every_ns:
            self._shown_ns = now_ns
            self._bridge.show(self.snapshot())

    def snapshot(self) -> EngineSnapshot:
        self._version += 1
        pacing = Pacing(
            mode=Mode.REPLAY,
            profile=self._profile,
            world=self._words,
            speed=self._speed,
            feed_age_ms=0,
            has_ended=self._has_ended,
            halted="",
            wall_ns=self._clock.now_ns(),
        )
        return self._publisher.render(
            pacing,
            version=self._version,
            replay=ReplaySnapshot(
                start_ns=self._start_ns,
                end_ns=self._end_ns,
                is_playing=self._is_playing,
                is_seeking=self._is_seeking,
                fills_ns=self._fills_ns[:: max(1, len(self._fills_ns) // FILLS_SHOWN)],
                forked=self._forked,
            ),
        )
