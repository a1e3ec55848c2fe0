"""A replay steered by a list of wishes and orders, on a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec

from app.bootstrap import session_of
from engine.core.clock import Clock
from engine.core.ids import BACKTEST_SALT
from engine.domain import events as e
from engine.domain import replay as w
from engine.domain.commands import AnyCommand
from engine.domain.snapshots import EngineSnapshot
from engine.runtime.replay import ReplayRuntime, Scene
from engine.runtime.trader import Trader
from tests.support.desk import no_guard
from tests.support.worlds import Setting, generated

SECONDS = 30
SECOND = 1_000_000_000
FORKED = "fork-1"


class StillClock:
    """Time that only a person moves."""

    def now_ns(self) -> int:
        return 1

    def monotonic_ns(self) -> int:
        return 1

    async def sleep(self, duration_ns: int) -> None:
        await asyncio.sleep(0)


class Hand:
    """The bridge: wishes and commands one after the other, and the pictures that came of them."""

    def __init__(
        self, todo: Sequence[w.AnyReplayWish | AnyCommand], *, is_hasty: bool = False
    ) -> None:
        self._todo = list(todo)
        self._is_hasty = is_hasty
        self.stop = asyncio.Event()
        self.shots: list[EngineSnapshot] = []

    def take_wishes(self) -> Sequence[w.AnyReplayWish]:
        replay = self.shots[-1].replay if self.shots else None
        is_on_its_way = replay is not None and replay.is_seeking and not self._is_hasty
        if self._todo and isinstance(self._todo[0], w.ReplayWish) and not is_on_its_way:
            return [self._todo.pop(0)]  # type: ignore[list-item]
        return ()

    def take_commands(self) -> Sequence[AnyCommand]:
        if self._todo:
            return [self._todo.pop(0)]  # type: ignore[list-item]
        self.stop.set()
        return ()

    def take_crash(self) -> bool:
        return False

    def show(self, snapshot: EngineSnapshot) -> None:
        self.shots.append(snapshot)


def replayed(
    setting: Setting,
    todo: Sequence[w.AnyReplayWish | AnyCommand],
    keep: Callable[[Iterable[e.AnyEvent]], str] = lambda events: FORKED,
    *,
    is_hasty: bool = False,
    spacing: int = 60,
    clock: Clock | None = None,
) -> tuple[ReplayRuntime, Hand]:
    market = setting.open_market()
    trader = Trader(limits=setting.limits, markets=market.views, guard=no_guard, marks_fills=True)
    # The clock stands still, and so does the replay.
    hand = Hand([w.TogglePlay(), *todo], is_hasty=is_hasty)
    runtime = ReplayRuntime(
        scene=Scene(trader, market.world, market.queue_ahead),
        session=session_of(market, setting.scenario, setting.capital, BACKTEST_SALT),
        bots=setting.bots,
        end_ns=market.world.start_ns + SECONDS * SECOND,
        clock=clock or StillClock(),
        bridge=hand,
        profile="replay",
        words="a market of the tests",
        keep=keep,
        spacing=spacing,
    )
    asyncio.run(runtime.run(hand.stop))
    return runtime, hand


def picture(runtime: ReplayRuntime) -> bytes:
    """All that is shown but how often it was shown."""
    shot = runtime.snapshot()
    return msgspec.msgpack.encode(msgspec.structs.replace(shot, version=0, published_wall_ns=0))


def seek(seconds: float) -> w.Seek:
    return w.Seek(ts_ns=START_NS + int(seconds * SECOND))


START_NS = generated(1).open_market().world.start_ns
