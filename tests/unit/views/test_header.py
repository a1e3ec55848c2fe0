"""The two lines that never scroll away."""

from decimal import Decimal

import pytest

from app.views.cells import Line, line_width
from app.views.glyphs import UNICODE
from app.views.header import header_lines, title
from app.views.viewstate import ViewState
from engine.domain.commands import KillLevel
from engine.domain.snapshots import Mode
from tests.support.session import BTC, a_snapshot


def shown(width: int = 160, armed_s: int = 0, **view: object) -> list[str]:
    return ["".join(c.text for c in line) for line in lines(width, armed_s, **view)]


def lines(width: int, armed_s: int = 0, **view: object) -> list[Line]:
    fields = {"snapshot": a_snapshot(), "instrument_id": BTC, **view}
    return header_lines(ViewState(**fields), armed_s, width, UNICODE)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [80, 100, 120, 160, 220])
@pytest.mark.parametrize("mode", list(Mode))
def test_the_mode_is_always_readable(width: int, mode: Mode) -> None:
    snapshot = a_snapshot(
        mode=mode,
        world="generated market " * 9,
        profile="x" * 40,
        halted="drawdown 25.3 % of 25 %" * 3,
        kill=KillLevel.CANCEL_ALL,
    )
    first, second = lines(width, snapshot=snapshot)
    assert line_width(first) == line_width(second) == width
    text = "".join(cell.text for cell in first)
    assert f" {mode.value.upper()} " in text
    assert "[SAFE]" in text
    assert "feed" in text
    assert "KILL: CANCEL ALL" in "".join(cell.text for cell in second)


def test_armed_is_unmistakable() -> None:
    (first, _) = shown(80, armed_s=47, is_armed=True)
    assert first.startswith("!")
    assert first.endswith("[ARMED 0:47]!")


def test_stale_and_ended_are_said() -> None:
    assert "STALE 3.2s" in shown(feed_age_ms=3_200)[0]
    ended = a_snapshot(has_ended=True)
    first, second = shown(snapshot=ended, feed_age_ms=90_000)
    assert "ENDED" in first
    assert "STALE" not in first
    assert "the recording has ended" in second


def test_as_fast_as_possible_is_never_stale() -> None:
    assert "STALE" not in shown(snapshot=a_snapshot(speed=Decimal(0)), feed_age_ms=9_000)[0]


def test_a_dead_engine_takes_the_second_line() -> None:
    assert shown(80, failure="ledger.db is full")[1].startswith(
        " ENGINE STOPPED: ledger.db is full"
    )
    silent = shown(80, failure="engine silent for 3 s")[1]
    assert silent.startswith(" NO ANSWER: engine silent for 3 s"), "it may well be trading"
    cut_off = shown(80, failure="ssh pi: ended with code -9; 2 s ago, reconnecting")[1]
    assert cut_off.startswith(" NOT CONNECTED: ssh pi: ended with code -9; 2 s ago, reconnecting")
    assert "cannot start" in shown(80, snapshot=None, failure="it cannot start")[0]


def test_the_window_title_begins_with_the_mode() -> None:
    assert title(a_snapshot(mode=Mode.LIVE), "x").startswith("LIVE demo")
    assert title(None, "demo") == "Pilothouse demo"


@pytest.mark.parametrize("width", range(80, 121))
@pytest.mark.parametrize("armed_s", [0, 60])
def test_no_part_runs_into_the_feed(width: int, armed_s: int) -> None:
    """At 80 columns, armed, it said `+0.42%feed  12ms`."""
    first, _ = shown(width, armed_s=armed_s, is_armed=armed_s > 0)
    assert " feed " in first
