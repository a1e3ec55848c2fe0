"""A replay on the real screens: what its keys and clicks ask for, and what its line says."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest

from app.paths import HOME_VARIABLE
from app.views.replaybar import instant_at
from engine.domain import replay as w
from engine.domain.snapshots import EngineSnapshot, LogRow, Mode, ReplaySnapshot
from tests.support.long_recording import generated_rows, write_repeated
from tests.support.service import command_line
from tests.support.session import SECOND, START_NS, a_snapshot
from tests.support.terminal import Terminal
from tests.tui.harness import NARROW, WIDE, at_terminal
from ui_tui.widgets.log import LogPane
from ui_tui.widgets.replaybar import ReplayBar

SIZES = pytest.mark.parametrize("size", [NARROW, WIDE])


def a_replay(**changes: object) -> EngineSnapshot:
    fields: dict[str, object] = {
        "start_ns": START_NS - 100 * SECOND,
        "end_ns": START_NS + 300 * SECOND,
        "is_playing": True,
        "is_seeking": False,
        "fills_ns": [START_NS - 50 * SECOND],
    }
    replay = ReplaySnapshot(**{**fields, **changes})  # type: ignore[arg-type]
    return a_snapshot(mode=Mode.REPLAY, profile="replay", replay=replay)


KEYS: list[tuple[str, w.AnyReplayWish]] = [
    ("space", w.TogglePlay()),
    ("full_stop", w.StepEvent()),
    ("comma", w.StepEvent(forward=False)),
    ("plus", w.ChangeSpeed()),
    ("minus", w.ChangeSpeed(faster=False)),
    ("left", w.SeekBy(by_ns=-10 * SECOND)),
    ("right", w.SeekBy(by_ns=10 * SECOND)),
    ("pageup", w.SeekBar(forward=False)),
    ("pagedown", w.SeekBar()),
    ("home", w.Seek(ts_ns=START_NS - 100 * SECOND)),
    ("end", w.Seek(ts_ns=START_NS + 300 * SECOND)),
    ("f", w.SeekFill()),
    ("F", w.SeekFill(forward=False)),
]


@SIZES
async def test_keys_on_the_time_line(size: tuple[int, int]) -> None:
    async with at_terminal(size, a_replay()) as person:
        for key, wish in KEYS:
            await person.press(key)
            assert person.session.wishes.pop() == wish, key
        await person.press("P")
        assert person.session.wishes == []
        await person.press("P")
        assert person.session.wishes == [w.Fork()]
        assert person.session.commands == []


async def test_keys_held_down_each_count() -> None:
    """Counted from the last picture, three quick ones were one."""
    async with at_terminal(WIDE, a_replay()) as person:
        for _ in range(3):
            await person.send("left")
        assert person.session.wishes == [w.SeekBy(by_ns=-10 * SECOND)] * 3


@SIZES
async def test_the_line_keeps_its_place_in_every_state(size: tuple[int, int]) -> None:
    lines = []
    for changes in (
        {},
        {"is_playing": False},
        {"is_seeking": True, "aim_ns": START_NS},
        {"is_seeking": True},
    ):
        async with at_terminal(size, a_replay(**changes)) as person:
            lines.append(person.pane(ReplayBar))
    assert len({line.index("█") for line in lines}) == 1
    assert all("Esc stops" in line for line in lines[2:])
    assert all("Esc" not in line for line in lines[:2])


@SIZES
async def test_a_click_goes_to_the_instant_under_it(size: tuple[int, int]) -> None:
    shot = a_replay()
    async with at_terminal(size, shot) as person:
        bar = next(pane for pane in person.app.main.panes if isinstance(pane, ReplayBar))
        column = person.pane(ReplayBar).index("╵")
        await person.pilot.click(bar, offset=(column, 0))
        (wish,) = person.session.wishes
        assert isinstance(wish, w.Seek)
        assert abs(wish.ts_ns - (START_NS - 50 * SECOND)) <= 400 * SECOND // (size[0] - 45)
        await person.pilot.click(bar, offset=(2, 0))
        assert len(person.session.wishes) == 1  # Beside the slider is nowhere.
    assert instant_at(shot, size[0] - 1, size[0]) is None


async def test_the_wheel_over_the_line_turns_time() -> None:
    async with at_terminal(WIDE, a_replay()) as person:
        person.app.perform(person.app.desk.wheel("replay", 3))
        person.app.perform(person.app.desk.wheel("replay", -3))
        forth, back = person.session.wishes
        assert (forth, back) == (w.SeekBy(by_ns=10 * SECOND), w.SeekBy(by_ns=-10 * SECOND))


@SIZES
async def test_escape_stops_it_on_its_way_from_any_pane_and_disarms(
    size: tuple[int, int],
) -> None:
    async with at_terminal(size, a_replay()) as person:
        await person.press("1")
        await person.arm()
        assert "ARMED" in person.header()
        person.session.publish(replay=a_replay(is_seeking=True).replay)
        await person.press("escape")
        assert person.session.wishes == [w.Halt()]
        assert "SAFE" in person.header()
        person.session.publish(replay=a_replay().replay)
        await person.press("escape")
        assert person.session.wishes == [w.Halt()]


async def test_no_order_is_sent_from_a_picture_on_the_way() -> None:
    """It would have been carried out at another time than the one that was looked at."""
    async with at_terminal(WIDE, a_replay(is_seeking=True)) as person:
        await person.press("1")
        await person.arm()
        assert "on its way to another time" in person.last_line()
        assert "ARMED" not in person.header()


@SIZES
async def test_trouble_is_said(size: tuple[int, int]) -> None:
    async with at_terminal(size, a_replay()) as person:
        person.session.publish(replay=a_replay(trouble="not forked: disk full").replay)
        await person.wait(100)
        assert "not forked: disk full" in person.last_line()


@SIZES
async def test_the_footer_knows_the_keys_of_time_and_the_way_there(size: tuple[int, int]) -> None:
    async with at_terminal(size, a_replay()) as person:
        assert "Space play/stop" in person.last_line()
        await person.press("tab")
        assert "y time" in person.last_line()


async def test_what_this_face_said_later_is_not_in_the_log_of_an_earlier_time() -> None:
    async with at_terminal(WIDE, a_replay()) as person:
        row = LogRow(seq=0, ts_ns=START_NS, level="alert", source="you", text="REFUSED buy")
        person.app.desk.own_log.append(row)
        await person.press("5")
        assert "REFUSED buy" in person.pane(LogPane)
        person.session.publish(ts_ns=START_NS - SECOND)
        await person.wait(300)
        assert "REFUSED buy" not in person.pane(LogPane)


async def test_the_bell_is_silent_for_what_was_gone_past() -> None:
    shot = a_replay()
    async with at_terminal(WIDE, shot) as person:
        bell = person.app.desk.bell
        more = msgspec.structs.replace(shot.fills[-1], seq=shot.fills[-1].seq + 1000)
        person.session.publish(replay=a_replay(is_seeking=True).replay)
        await person.wait(100)
        person.session.publish(replay=shot.replay, fills=[*shot.fills, more])
        person.app.desk.see(person.session.snapshot(), "", person.clock.monotonic_ns(), START_NS)
        assert not bell.rings(person.clock.monotonic_ns())


def test_a_recording_is_played_gone_back_in_and_forked(tmp_path: Path) -> None:
    """The real program in a real terminal, from the name of the recording to the shell again."""
    write_repeated(tmp_path / "data" / "catalogue", generated_rows(60), 2)
    command = command_line("replay", "--capture", "sim.BTCUSDT", "--speed", "1000")
    environ = {**os.environ, "TERM": "xterm-256color", HOME_VARIABLE: str(tmp_path)}
    size = (len(str(tmp_path)) + 160, 45)  # Its last words name that folder, in one line.
    with Terminal(command, size, environ) as terminal:

        def line(words: str, within_s: float = 30.0) -> None:
            terminal.until(lambda vt: words in vt.text(), within_s)

        line("REPLAY")
        terminal.press("\x1b[F")
        line("at the end")
        terminal.press("\x1b[H")
        terminal.until(lambda vt: "at the end" not in vt.text())
        terminal.press("\x1b[F")
        line("at the end")
        terminal.press("F")
        line("standing")
        _tap_twice(terminal, "P")
        line("PAPER   fork-1")
        _tap_twice(terminal, "Q")
        line("fork-1 goes on with: p")
        assert terminal.process.wait(30) == 0


def _tap_twice(terminal: Terminal, key: str) -> None:
    terminal.press(key)
    terminal.until(lambda vt: f"{key} again" in vt.text())
    time.sleep(0.2)  # Fingers: what comes quicker is a key that repeats itself.
    terminal.press(key)
