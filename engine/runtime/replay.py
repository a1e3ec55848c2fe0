"""A recording played back: the paper engine with time in a person's hands.

Going back is going forward again from a checkpoint before: the world and the trader as they were
there (`checkpoints`), with the person's own orders given again when they were given. Both are
deterministic, so what is seen there is what was seen the first time. Orders given after that
instant are gone: they belong to a past that was taken back.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol, assert_never

from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain import events as e
from engine.domain import replay as w
from engine.domain.commands import AnyCommand
from engine.domain.errors import PilothouseError
from engine.domain.snapshots import EngineSnapshot, Mode, ReplaySnapshot
from engine.kernels import layout as k
from engine.ports.world import Wake, World
from engine.runtime.checkpoints import SPACING, Checkpoint, Checkpoints, Story
from engine.runtime.driver import Driver
from engine.runtime.freeze import freeze, thaw
from engine.runtime.paper import IDLE_NS, PUBLISH_NS, Bridge, Pace
from engine.runtime.publisher import Pacing, Publisher
from engine.runtime.trader import BotSpec, Trader
from engine.strategy.runner import NEVER_NS

SLICE_BATCHES = 200
"""Worked through before the person is listened to again."""
FILLS_SHOWN = 400
"""Marks of own fills on a time line, at most."""
SEEK_PUBLISH_NS = 400_000_000
"""A picture of the way costs time on the way."""
STEP_REASONS = k.WAKE_TOP | k.WAKE_TRADE
LOOK_BACK_NS = NS_PER_SECOND
"""Where the search for the event before this one begins; widened until one is found."""
LATE_NS = 500_000_000
"""So far behind the pace, in wall time, it is given up: what was missed is not made up for by
playing faster than was asked."""
LATE_SHOWN_NS = 2_000_000_000
ROWS_PER_WORK = 2000
"""Market rows that cost about as much as one event."""

_AT_ONCE = w.TogglePlay | w.ChangeSpeed
"""What can be granted on the way to somewhere."""
_IN_TURN = w.StepEvent | w.Seek | w.SeekBy | w.SeekBar | w.SeekFill | w.Halt | w.Fork
_ELSEWHERE = w.Seek | w.SeekBy | w.SeekBar | w.Halt
"""What ends the way that one is on."""


class Scene(NamedTuple):
    """A world at its beginning, and a trader that has seen nothing."""

    trader: Trader
    world: World
    queue_ahead: Callable[[str], int]
    shared: Sequence[object] = ()
    """Parts of them that copies have in common: the watchdog."""


class _Stage(NamedTuple):
    """What a checkpoint holds, and a copy of it is made of."""

    trader: Trader
    world: World
    driver: Driver
    publisher: Publisher


class ReplayBridge(Bridge, Protocol):
    def take_wishes(self) -> Sequence[w.AnyReplayWish]:
        """What was asked of time since the last call."""


class ReplayRuntime:
    """Owns the loop. `keep` writes the events so far as a ledger and returns its profile."""

    def __init__(
        self,
        *,
        scene: Scene,
        session: e.SessionStarted,
        bots: Sequence[BotSpec],
        end_ns: int,
        clock: Clock,
        bridge: ReplayBridge,
        profile: str,
        words: str,
        keep: Callable[[Iterable[e.AnyEvent]], str],
        speed: Decimal = Decimal(1),
        spacing: int = SPACING,
        trouble: str = "",
    ) -> None:
        """`trouble`: what is to be known of the recording.
        `spacing`: work between two checkpoints."""
        self._end_ns = end_ns
        self._clock = clock
        self._bridge = bridge
        self._profile = profile
        self._words = words
        self._keep = keep
        self._speed = speed
        self._given: list[tuple[int, AnyCommand]] = []
        """The person's commands, each with the instant at which it was carried out."""
        self._done = 0
        """How many of them have been carried out in the world as it stands."""
        self._wishes: deque[w.AnyReplayWish] = deque()
        self._stop = asyncio.Event()
        self._is_playing = True
        self._is_seeking = False
        self._aim_ns: int | None = None
        """Where we are on the way to."""
        self._has_ended = False
        self._forked = ""
        self._trouble = trouble
        self._late_until_ns = clock.monotonic_ns()
        """Until when to say that the machine cannot play as fast as was asked."""
        self._version = 0
        self._shown_ns = -PUBLISH_NS
        self._trader, self._world, self._shared = scene.trader, scene.world, scene.shared
        self._driver = Driver(scene.trader, scene.world)
        self._publisher = Publisher(scene.trader, scene.queue_ahead, scene.world.fee_rates)
        self._story = Story()
        self._marks: dict[int, int] = {}
        """The last own fill of each stretch of the time line, of the first `_fills_marked` ones."""
        self._fills_marked = 0
        self._checkpoints = Checkpoints()
        self._spacing = spacing
        self._work = 0
        """Done from the beginning to here: what going forward costs."""
        self._work_due = spacing
        """When the next checkpoint is worth its while."""
        self._rows_counted = 0
        self._trader.begin(session, bots)
        self._take(self._trader.drain().events)
        self._checkpoints.add(self._checkpoint())
        self._start_ns = self._world.now_ns + 1

    @property
    def now_ns(self) -> int:
        return self._world.now_ns

    @property
    def events(self) -> Iterable[e.AnyEvent]:
        """All that has happened up to now."""
        return self._story

    # -- the loop --------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Play until `stop` is set. At the end of the recording it stands, and can be steered."""
        self._stop = stop
        pace = self._paced()
        while not stop.is_set():
            self._listen()
            if self._wishes:
                await self._grant(self._wishes.popleft())
                pace = self._paced()
                continue
            for command in self._bridge.take_commands():
                self._give(command)
            if self._is_playing and not self._has_ended:
                self._play_to(pace.target_ns(), SLICE_BATCHES)
                if self._is_late(pace):
                    pace = self._paced()
            self._publish()
            await self._clock.sleep(0 if self._is_behind(pace) else IDLE_NS)
        self._publish(force=True)

    def _is_behind(self, pace: Pace) -> bool:
        return self._is_playing and not self._has_ended and pace.target_ns() > self.now_ns

    def _is_late(self, pace: Pace) -> bool:
        late_ns = int((pace.target_ns() - self.now_ns) / self._speed)
        if self._has_ended or late_ns < LATE_NS:
            return False
        self._late_until_ns = self._clock.monotonic_ns() + LATE_SHOWN_NS
        return True

    def _paced(self) -> Pace:
        pace = Pace(self._speed, self._clock)
        pace.start(self.now_ns)
        return pace

    def _listen(self) -> None:
        self._wishes.extend(self._bridge.take_wishes())

    def _give(self, command: AnyCommand) -> None:
        """A person trades: carried out here and now, and remembered."""
        self._forget_given(self._done)
        self._checkpoints.forget_after(self.now_ns)
        self._given.append((self.now_ns, command))
        self._carry_out_next()

    def _carry_out_next(self) -> None:
        _, command = self._given[self._done]
        self._done += 1
        self._batch(Wake(self.now_ns, k.WAKE_UNTIL), [command])

    def _play_to(self, until_ns: int, batches: int, *, until_fill: bool = False) -> bool:
        """Advance, at most so many batches; True when `until_ns`, an own fill or the end is
        reached."""
        fills = len(self._story.fills_ns)
        for _ in range(batches):
            due_ns = self._given[self._done][0] if self._done < len(self._given) else NEVER_NS
            wake = self._driver.advance(min(until_ns, due_ns))
            if self._driver.is_due(wake):
                self._batch(wake)
            if self.now_ns >= due_ns:
                self._carry_out_next()
                continue
            if wake.reasons & k.WAKE_END:
                self._has_ended = True
            if self._has_ended or wake.ts_ns >= until_ns:
                return True
            if until_fill and len(self._story.fills_ns) > fills:
                return True
        return False

    def _batch(self, wake: Wake, commands: Sequence[AnyCommand] = ()) -> None:
        outbox = self._driver.batch(wake, commands)
        self._take(outbox.events)
        if outbox.requests:
            self._world.submit(outbox.requests, self.now_ns)
        self._work += 1 + len(outbox.events)
        if self._world.rows - self._rows_counted > ROWS_PER_WORK:
            self._work += (self._world.rows - self._rows_counted) // ROWS_PER_WORK
            self._rows_counted = self._world.rows
        if self._work >= self._work_due:
            self._checkpoints.add(self._checkpoint())

    def _take(self, events: Sequence[e.AnyEvent]) -> None:
        self._story.add(events)
        self._publisher.remember(events)

    # -- checkpoints -----------------------------------------------------------------------------

    def _checkpoint(self) -> Checkpoint:
        """Of the world as it stands; only between two batches."""
        self._work_due = self._work + self._spacing
        stage = _Stage(self._trader, self._world, self._driver, self._publisher)
        scene = freeze(stage, self._shared)
        return Checkpoint(self.now_ns, self._work, scene, self._story.close(), self._done)

    def _return_to(self, checkpoint: Checkpoint) -> None:
        stage: _Stage = thaw(checkpoint.scene)
        self._trader, self._world, self._driver, self._publisher = stage
        self._story = Story(checkpoint.chapters)
        self._marks, self._fills_marked = {}, 0
        self._done = checkpoint.given
        self._has_ended = False
        self._work = checkpoint.work
        self._work_due = self._work + self._spacing
        self._rows_counted = self._world.rows

    # -- wishes ----------------------------------------------------------------------------------

    async def _grant(self, wish: w.AnyReplayWish) -> None:
        self._trouble = ""
        if isinstance(wish, _AT_ONCE):
            self._grant_at_once(wish)
        else:
            await self._grant_in_turn(wish)
        self._publish(force=True)

    async def _grant_in_turn(self, wish: _IN_TURN) -> None:
        match wish:
            case w.StepEvent(forward=True):
                self._is_playing = False
                await self._step_on()
            case w.StepEvent():
                self._is_playing = False
                await self._step_back()
            case w.Seek() | w.SeekBy() | w.SeekBar():
                await self._seek(self._place_of(wish))
            case w.SeekFill(forward=True):
                self._is_playing = False
                await self._way_to(NEVER_NS, until_fill=True)
            case w.SeekFill():
                self._is_playing = False
                earlier = [ts_ns for ts_ns in self._story.fills_ns if ts_ns < self.now_ns]
                if earlier:
                    await self._seek(earlier[-1])
            case w.Halt():
                self._halt()
            case w.Fork():
                self._is_playing = False
                self._fork()
            case _:
                assert_never(wish)

    def _grant_at_once(self, wish: _AT_ONCE) -> None:
        match wish:
            case w.TogglePlay():
                self._is_playing = not self._is_playing
            case w.ChangeSpeed(faster=True):
                self._speed = next(
                    (speed for speed in w.SPEEDS if speed > self._speed), w.SPEEDS[-1]
                )
            case w.ChangeSpeed():
                slower = [speed for speed in w.SPEEDS if speed < self._speed]
                self._speed = slower[-1] if slower else w.SPEEDS[0]
            case _:
                assert_never(wish)

    def _place_of(self, wish: w.Seek | w.SeekBy | w.SeekBar) -> int:
        """Where a wish wants to go; what is counted from here is counted from where we are on the
        way to, so that keys pressed quickly add up."""
        from_ns = self.now_ns if self._aim_ns is None else self._aim_ns
        match wish:
            case w.Seek(ts_ns=ts_ns):
                return ts_ns
            case w.SeekBy(by_ns=by_ns):
                return from_ns + by_ns
            case w.SeekBar(forward=True):
                return (from_ns // w.BAR_NS + 1) * w.BAR_NS
            case w.SeekBar():
                return (from_ns - 1) // w.BAR_NS * w.BAR_NS
            case _:
                assert_never(wish)

    def _halt(self) -> None:
        self._is_playing = False
        self._aim_ns = None
        # What was not given again on the way has not happened.
        self._forget_given(self._done)

    def _fork(self) -> None:
        try:
            self._forked = self._keep(self._story)
        except (OSError, PilothouseError) as error:
            self._trouble = f"not forked: {error}"

    async def _step_on(self) -> None:
        """To the next event; a gap of the recording may take a while."""
        while not self._step(NEVER_NS, SLICE_BATCHES):
            if self._has_ended or not await self._breathe():
                return

    def _step(self, until_ns: int, batches: int) -> bool:
        """To the next event, not beyond `until_ns` and at most so many batches; False when it is
        not reached."""
        fills = len(self._story.fills_ns)
        for _ in range(batches):
            wake = self._driver.advance(until_ns, STEP_REASONS)
            if self._driver.is_due(wake):
                self._batch(wake)
            if wake.reasons & k.WAKE_END:
                self._has_ended = True
                return False
            if wake.reasons & STEP_REASONS or len(self._story.fills_ns) > fills:
                return True
            if wake.ts_ns >= until_ns:
                return False
        return False

    async def _step_back(self) -> None:
        """Go back some way, and look for the last event before this one."""
        here_ns, width_ns = self.now_ns, LOOK_BACK_NS
        from_ns = max(here_ns - width_ns, self._checkpoints.before(here_ns - 1).now_ns)
        while True:
            from_ns = max(self._start_ns, from_ns)
            if not await self._seek(from_ns):
                return
            self._checkpoints.near = self._checkpoint()
            found_ns = await self._last_event_before(here_ns)
            if found_ns is None:
                return
            if found_ns or from_ns == self._start_ns:
                await self._seek(found_ns or from_ns)
                return
            width_ns *= 8
            from_ns = here_ns - width_ns

    async def _last_event_before(self, here_ns: int) -> int | None:
        """0 where there is none between where we stand and there; None when another wish has come
        in the way."""
        found_ns = 0
        while self.now_ns < here_ns - 1 and not self._has_ended:
            for _ in range(SLICE_BATCHES):
                if not self._step(here_ns - 1, SLICE_BATCHES):
                    break
                found_ns = self.now_ns
            if not await self._breathe():
                return None
        return found_ns

    async def _seek(self, ts_ns: int) -> bool:
        """False when another wish has come in the way: we stand somewhere before `ts_ns`."""
        ts_ns = min(max(ts_ns, self._start_ns), self._end_ns)
        if ts_ns == self._end_ns and self._has_ended:
            return True
        self._forget_given(bisect_right(self._given, ts_ns, key=lambda pair: pair[0]))
        self._aim_ns = ts_ns
        checkpoint = self._checkpoints.before(ts_ns)
        if ts_ns < self.now_ns or checkpoint.now_ns > self.now_ns:
            self._return_to(checkpoint)
        # To the very end means: until nothing more is to come.
        return await self._way_to(NEVER_NS if ts_ns == self._end_ns else ts_ns)

    def _forget_given(self, count: int) -> None:
        """All but the first `count` of the person's commands have not happened."""
        del self._given[count:]
        self._checkpoints.forget_given(count)

    async def _way_to(self, until_ns: int, *, until_fill: bool = False) -> bool:
        """False when another wish has come in the way."""
        self._is_seeking = True
        self._publish(force=True)
        try:
            while not self._play_to(until_ns, SLICE_BATCHES, until_fill=until_fill):
                if not await self._breathe():
                    return False
        finally:
            self._is_seeking = False
        self._aim_ns = None
        return True

    async def _breathe(self) -> bool:
        """Let faces see where we are; False when the person wants something else, or leaves."""
        self._publish(every_ns=SEEK_PUBLISH_NS)
        await self._clock.sleep(0)
        self._listen()
        while self._wishes and isinstance(wish := self._wishes[0], _AT_ONCE):
            self._wishes.popleft()
            self._grant_at_once(wish)
        if any(isinstance(wish, w.Halt) for wish in self._wishes):
            # Nor is anything wanted that was asked for before it.
            self._wishes = deque([w.Halt()])
            return False
        is_diverted = bool(self._wishes) and isinstance(self._wishes[0], _ELSEWHERE)
        return not (is_diverted or self._stop.is_set())

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
                fills_ns=self._spread_fills(),
                forked=self._forked,
                aim_ns=self._aim_ns or 0,
                trouble=self._trouble,
                is_late=self._is_playing and self._clock.monotonic_ns() < self._late_until_ns,
            ),
        )

    def _spread_fills(self) -> list[int]:
        """One of each stretch of the recording in which there were any: no lonely one is lost."""
        span_ns = max(1, self._end_ns - self._start_ns)
        fills_ns = self._story.fills_ns
        for ts_ns in fills_ns[self._fills_marked :]:
            self._marks[(ts_ns - self._start_ns) * FILLS_SHOWN // span_ns] = ts_ns
        self._fills_marked = len(fills_ns)
        return list(self._marks.values())
