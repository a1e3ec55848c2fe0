"""Time steered by hand: wherever one goes, there is what a straight run finds there."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bootstrap import Market, market_of, periods_of, replayed_market
from engine.archive.stream import stream_rows
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain import replay as w
from engine.domain.errors import WorkFailed
from engine.domain.order import OrderSpec, Side
from engine.domain.snapshots import Mode
from engine.sim.exchange import SimExchange
from engine.sim.generator import SIM_INSTRUMENT
from engine.sim.scenario import Scenario
from tests.support.long_recording import generated_rows, write_repeated
from tests.support.replays import (
    FORKED,
    SECOND,
    SECONDS,
    START_NS,
    StillClock,
    picture,
    replayed,
    seek,
)
from tests.support.worlds import EVERY_MODEL, TIMEFRAMES, Setting, generated, two_bots, unpaced


@pytest.fixture(scope="module")
def setting() -> Setting:
    return generated(SECONDS, seed=3)


@pytest.fixture(scope="module")
def straight(setting: Setting) -> list[e.AnyEvent]:
    return unpaced(setting).events


def test_to_the_end_is_a_straight_run(setting: Setting, straight: list[e.AnyEvent]) -> None:
    runtime, hand = replayed(setting, [w.Seek(ts_ns=1 << 61)])

    assert list(runtime.events) == straight[: len(list(runtime.events))]
    assert len(straight) - len(list(runtime.events)) < 5
    assert hand.shots[-1].mode is Mode.REPLAY
    assert hand.shots[-1].replay is not None


@settings(max_examples=12)
@given(
    places=st.lists(st.floats(0, SECONDS), min_size=1, max_size=4),
    end=st.floats(1, SECONDS),
    spacing=st.sampled_from([10, 60, 10_000]),
    is_fickle=st.booleans(),
)
def test_wherever_one_was_before_the_picture_is_the_same(
    setting: Setting, places: list[float], end: float, spacing: int, is_fickle: bool
) -> None:
    """Nor does it matter where checkpoints lie: at the beginning only, or everywhere."""
    where = generated(SECONDS, seed=3, scenario=EVERY_MODEL) if is_fickle else setting
    wandered, _ = replayed(where, [*(seek(place) for place in places), seek(end)], spacing=spacing)
    direct, _ = replayed(where, [seek(end)], spacing=10_000)

    assert picture(wandered) == picture(direct)
    assert list(wandered.events) == list(direct.events)


@pytest.fixture(scope="module", params=["streamed", "whole"])
def recording(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Setting:
    """A recording with a slow feed: in the catalogue, read in blocks of a second or so, or in
    memory as a whole."""
    rows = generated_rows(SECONDS)
    directory = write_repeated(tmp_path_factory.mktemp("catalogue"), rows, 1)
    scenario = Scenario(feed_latency_ns=30_000_000)

    def open_whole() -> Market:
        periods = periods_of(TIMEFRAMES)
        world = SimExchange(
            SIM_INSTRUMENT, rows.copy(), scenario, periods_ns=tuple(periods.values())
        )
        return market_of(world, periods, None, 0, "a recording of the tests")

    def open_streamed() -> Market:
        source = stream_rows(directory, 300)
        assert source is not None
        return replayed_market(source.instrument, source, scenario, TIMEFRAMES)

    open_market = open_whole if request.param == "whole" else open_streamed
    return Setting(open_market, two_bots(SIM_INSTRUMENT), scenario)


@settings(max_examples=5)
@given(
    places=st.lists(st.floats(0, SECONDS), min_size=1, max_size=4),
    end=st.floats(1, SECONDS),
    spacing=st.sampled_from([10, 60]),
)
def test_rows_that_are_read_again_are_the_rows_that_were_read(
    recording: Setting, places: list[float], end: float, spacing: int
) -> None:
    todo = [*(seek(place) for place in places), seek(end)]
    wandered, _ = replayed(recording, todo, spacing=spacing)
    direct, _ = replayed(recording, [seek(end)], spacing=10_000)

    assert picture(wandered) == picture(direct)
    assert list(wandered.events) == list(direct.events)


@settings(max_examples=5)
@given(
    orders=st.lists(st.tuples(st.floats(0, SECONDS), st.integers(1, 9)), min_size=1, max_size=4),
    away=st.floats(0, SECONDS),
    spacing=st.sampled_from([10, 60]),
)
def test_going_back_to_the_last_order_and_on_is_as_if_one_had_stayed(
    setting: Setting, orders: list[tuple[float, int]], away: float, spacing: int
) -> None:
    todo: list[w.AnyReplayWish | c.AnyCommand] = []
    for number, (place, lots) in enumerate(sorted(orders)):
        todo += [seek(place), _market_order(f"p{number}", lots, Side.BUY)]
    last = max(place for place, _ in orders)
    stayed, _ = replayed(setting, [*todo, seek(SECONDS)], spacing=10_000)
    back, _ = replayed(
        setting, [*todo, seek(max(away, last)), seek(last), seek(SECONDS)], spacing=spacing
    )

    assert picture(back) == picture(stayed)
    assert list(back.events) == list(stayed.events)


def _market_order(command_id: str, lots: int, side: Side) -> c.AnyCommand:
    instrument_id = generated(1).open_market().world.instruments
    spec = OrderSpec(
        instrument_id=next(iter(instrument_id)),
        side=side,
        qty_lots=lots,
        price_ticks=10_000_000 if side is Side.BUY else 1,
    )
    return c.PlaceOrder(command_id=command_id, bot_id="manual", spec=spec)


def test_keys_pressed_quickly_add_up(setting: Setting) -> None:
    """Each counted from where the one before had got to: three keys went anywhere."""
    order = _market_order("p1", 5, Side.BUY)
    quick, _ = replayed(
        setting,
        [seek(3), order, seek(28), *[w.SeekBy(by_ns=-4 * SECOND)] * 3],
        is_hasty=True,
    )
    calm, _ = replayed(setting, [seek(3), order, seek(16)])

    assert quick.now_ns == START_NS + 16 * SECOND
    assert list(quick.events) == list(calm.events)  # The order on the way is not lost.
    assert picture(quick) == picture(calm)


def test_fills_asked_for_quickly_are_gone_to_one_after_the_other(
    setting: Setting, straight: list[e.AnyEvent]
) -> None:
    fills = list(dict.fromkeys(x.ts_ns for x in straight if isinstance(x, e.OrderFilled)))
    back = w.SeekFill(forward=False)
    runtime, _ = replayed(setting, [seek(SECONDS), *[back] * 3], is_hasty=True)

    assert runtime.now_ns == fills[-3]


def test_halt_ends_the_way_and_drops_what_waits(setting: Setting) -> None:
    runtime, hand = replayed(setting, [seek(28), w.SeekFill(), w.Fork(), w.Halt()], is_hasty=True)

    shot = hand.shots[-1]
    assert runtime.now_ns < START_NS + 28 * SECOND
    assert shot.replay is not None
    assert not shot.replay.is_seeking
    assert not shot.replay.is_playing
    assert not shot.replay.forked


def test_to_the_end_is_at_the_end(setting: Setting) -> None:
    """It stood at the last row and was called playing, where nothing was left to play."""
    _, hand = replayed(setting, [w.Seek(ts_ns=1 << 61)])
    assert hand.shots[-1].has_ended


def test_no_lonely_fill_is_left_out_of_the_time_line(setting: Setting) -> None:
    runtime, _ = replayed(setting, [seek(SECONDS)])
    shown = runtime.snapshot().replay
    assert shown is not None
    fills = [x.ts_ns for x in runtime.events if isinstance(x, e.OrderFilled)]
    width = (shown.end_ns - shown.start_ns) // 100
    assert {ts_ns // width for ts_ns in shown.fills_ns} == {ts_ns // width for ts_ns in fills}


def test_a_fork_that_cannot_be_kept_is_said_and_the_replay_goes_on(setting: Setting) -> None:
    def fails(events: Iterable[e.AnyEvent]) -> str:
        raise WorkFailed("ledger: the disk is full")

    runtime, hand = replayed(setting, [seek(5), w.Fork()], fails)
    shot = hand.shots[-1].replay
    assert shot is not None
    assert (shot.forked, shot.trouble) == ("", "not forked: ledger: the disk is full")
    runtime, hand = replayed(setting, [seek(5), w.Fork(), w.TogglePlay()], fails)
    assert runtime.now_ns == START_NS + 5 * SECOND


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

    def keep(events: Iterable[e.AnyEvent]) -> str:
        kept.extend(events)
        return FORKED

    runtime, _ = replayed(setting, [seek(10), w.Fork()], keep)
    shot = runtime.snapshot()

    assert kept == straight[: len(kept)]
    assert len(kept) > 100
    assert shot.replay is not None
    assert shot.replay.forked == FORKED


class Headlong(StillClock):
    """Time that runs away: 0.6 seconds pass whenever somebody asks."""

    def __init__(self) -> None:
        self._now_ns = 0

    def monotonic_ns(self) -> int:
        self._now_ns += 600_000_000
        return self._now_ns


def test_what_the_machine_cannot_play_so_fast_is_said_and_not_made_up_for(
    setting: Setting,
) -> None:
    """It was called 1000x at a third of that, and later ran faster than asked to make up for it."""
    _, hand = replayed(setting, [w.TogglePlay()], clock=Headlong())
    shown = [shot for shot in hand.shots if shot.replay is not None and shot.replay.is_playing]
    assert any(shot.replay is not None and shot.replay.is_late for shot in shown)
    _, calm = replayed(setting, [w.TogglePlay()])
    assert all(shot.replay is not None and not shot.replay.is_late for shot in calm.shots)


def test_speed_stays_within_reason(setting: Setting) -> None:
    for faster, found in ((True, "1000"), (False, "0.1")):
        runtime, _ = replayed(setting, [w.ChangeSpeed(faster=faster)] * 20)
        assert runtime.snapshot().speed == Decimal(found)
