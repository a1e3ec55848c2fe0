"""Time steered by hand: wherever one goes, there is what a straight run finds there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bootstrap import session_of
from engine.core.ids import BACKTEST_SALT
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain import replay as w
from engine.domain.commands import AnyCommand
from engine.domain.order import OrderSpec, Side
from engine.domain.snapshots import EngineSnapshot, Mode
from engine.runtime.replay import ReplayRuntime, Scene
from engine.runtime.trader import Trader
from engine.trading.risk.limits import RiskLimits
from tests.support.desk import no_guard
from tests.support.worlds import Setting, generated, unpaced

SECONDS = 30
SECOND = 1_000_000_000
FORKED = "fork-1"


@pytest.fixture(scope="module")
def setting() -> Setting:
    return generated(SECONDS, seed=3)


@pytest.fixture(scope="module")
def straight(setting: Setting) -> list[e.AnyEvent]:
    return unpaced(setting).events


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

    def __init__(self, todo: Sequence[w.AnyReplayWish | AnyCommand]) -> None:
        self._todo = list(todo)
        self.stop = asyncio.Event()
        self.shots: list[EngineSnapshot] = []

    def take_wishes(self) -> Sequence[w.AnyReplayWish]:
        replay = self.shots[-1].replay if self.shots else None
        is_on_its_way = replay is not None and replay.is_seeking
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
    keep: Callable[[Sequence[e.AnyEvent]], str] = lambda events: FORKED,
) -> tuple[ReplayRuntime, Hand]:
    first = setting.open_market()

    def open_scene() -> Scene:
        market = setting.open_market()
        trader = Trader(limits=RiskLimits(), markets=market.views, guard=no_guard, marks_fills=True)
        return Scene(trader, market.world, market.queue_ahead)

    hand = Hand([w.TogglePlay(), *todo])  # The clock stands still, and so does the replay.
    runtime = ReplayRuntime(
        open_scene=open_scene,
        session=lambda world: session_of(
            first._replace(world=world), setting.scenario, setting.capital, BACKTEST_SALT
        ),
        bots=setting.bots,
        end_ns=first.world.start_ns + SECONDS * SECOND,
        clock=StillClock(),
        bridge=hand,
        profile="replay",
        words="a market of the tests",
        keep=keep,
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


def test_to_the_end_is_a_straight_run(setting: Setting, straight: list[e.AnyEvent]) -> None:
    runtime, hand = replayed(setting, [w.Seek(ts_ns=1 << 61)])

    assert list(runtime.events) == straight[: len(runtime.events)]
    assert len(straight) - len(runtime.events) < 5
    assert hand.shots[-1].mode is Mode.REPLAY
    assert hand.shots[-1].replay is not None


@settings(max_examples=12)
@given(
    places=st.lists(st.floats(0, SECONDS), min_size=1, max_size=4),
    end=st.floats(1, SECONDS),
)
def test_wherever_one_was_before_the_picture_is_the_same(
    setting: Setting, places: list[float], end: float
) -> None:
    wandered, _ = replayed(setting, [*(seek(place) for place in places), seek(end)])
    direct, _ = replayed(setting, [seek(end)])

    assert picture(wandered) == picture(direct)
    assert list(wandered.events) == list(direct.events)


def test_a_step_forward_and_back_is_where_one_was(setting: Setting) -> None:
    for steps in (1, 4):
        there, _ = replayed(setting, [seek(9), *[w.StepEvent()] * steps])
        back, _ = replayed(
            setting, [seek(9), *[w.StepEvent()] * (steps + 1), w.StepEvent(forward=False)]
        )
        assert there.now_ns > START_NS + 9 * SECOND
        assert picture(back) == picture(there)


def test_own_fills_can_be_jumped_to(setting: Setting, straight: list[e.AnyEvent]) -> None:
    fills = list(dict.fromkeys(x.ts_ns for x in straight if isinstance(x, e.OrderFilled)))
    assert len(fills) > 3
    third, _ = replayed(setting, [w.SeekFill()] * 3)
    second, _ = replayed(setting, [*[w.SeekFill()] * 3, w.SeekFill(forward=False)])

    assert third.now_ns == fills[2]
    assert second.now_ns == fills[1]


def test_an_order_given_on_the_way_is_given_again_and_taken_back_with_its_time(
    setting: Setting,
) -> None:
    instrument = setting.open_market().world.instruments
    wish = c.PlaceOrder(
        command_id="p1",
        bot_id="manual",
        spec=OrderSpec(instrument_id=next(iter(instrument)), side=Side.BUY, qty_lots=5),
    )
    market = msgspec.structs.replace(
        wish, spec=msgspec.structs.replace(wish.spec, price_ticks=10_000_000)
    )
    once, _ = replayed(setting, [seek(5), market, seek(12)])
    again, _ = replayed(setting, [seek(5), market, seek(20), seek(8), seek(12)])
    before, _ = replayed(setting, [seek(5), market, seek(20), seek(4), seek(12)])
    never, _ = replayed(setting, [seek(12)])

    assert any(x.name == "PlaceOrder" for x in once.events if isinstance(x, e.CommandDone))
    assert picture(again) == picture(once)
    assert picture(before) == picture(never)


def test_a_fork_keeps_the_story_up_to_here(setting: Setting, straight: list[e.AnyEvent]) -> None:
    kept: list[e.AnyEvent] = []

    def keep(events: Sequence[e.AnyEvent]) -> str:
        kept.extend(events)
        return FORKED

    runtime, _ = replayed(setting, [seek(10), w.Fork()], keep)
    shot = runtime.snapshot()

    assert kept == straight[: len(kept)]
    assert len(kept) > 100
    assert shot.replay is not None
    assert shot.replay.forked == FORKED


def test_speed_stays_within_reason(setting: Setting) -> None:
    for asked, found in (("0.001", "0.1"), ("5", "5"), ("1e9", "1000")):
        runtime, _ = replayed(setting, [w.SetSpeed(speed=Decimal(asked))])
        assert runtime.snapshot().speed == Decimal(found)
