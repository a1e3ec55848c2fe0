"""The whole screen as a picture. Redraw on purpose: pytest tests/tui --snapshot-update."""

from typing import Any

import pytest

from app.views.theme import PALETTES
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.snapshots import Mode
from tests.support.session import a_bot, a_position, a_snapshot
from tests.tui.harness import NARROW, WIDE, an_app, pressing


@pytest.mark.parametrize("palette", PALETTES)
def test_home_wide(snap_compare: Any, palette: str) -> None:
    assert snap_compare(an_app(palette=palette), terminal_size=WIDE, run_before=pressing())


def test_home_narrow(snap_compare: Any) -> None:
    assert snap_compare(an_app(), terminal_size=NARROW, run_before=pressing())


@pytest.mark.parametrize("palette", PALETTES)
def test_ladder_narrow(snap_compare: Any, palette: str) -> None:
    app = an_app(palette=palette)
    assert snap_compare(app, terminal_size=NARROW, run_before=pressing("1"))


@pytest.mark.parametrize("view", ["4", "6", "7", "9", "0"])
def test_views_wide(snap_compare: Any, view: str) -> None:
    assert snap_compare(an_app(), terminal_size=WIDE, run_before=pressing(view))


@pytest.mark.parametrize("view", ["3", "4", "7", "8", "9"])
def test_views_narrow(snap_compare: Any, view: str) -> None:
    assert snap_compare(an_app(), terminal_size=NARROW, run_before=pressing(view))


def test_trouble_wide(snap_compare: Any) -> None:
    """Killed, halted, a bot that failed and one whose helm is taken, in a replay."""
    snapshot = a_snapshot(
        mode=Mode.REPLAY,
        world="usdm_btcusdt_20240808.gz x1",
        kill=KillLevel.CANCEL_ALL,
        halted="drawdown 25.1 % of 25 %",
        has_ended=True,
        bots=[
            a_bot("grid", helm=Helm.MANUAL, position_lots=-12),
            a_bot("trend", helm=Helm.PAUSED, error="ZeroDivisionError: division by zero"),
        ],
        positions=[a_position("grid", -12)],
    )
    assert snap_compare(an_app(snapshot), terminal_size=WIDE, run_before=pressing())


def test_ticket_narrow(snap_compare: Any) -> None:
    assert snap_compare(an_app(), terminal_size=NARROW, run_before=pressing("t"))


def test_palette_wide(snap_compare: Any) -> None:
    assert snap_compare(an_app(), terminal_size=WIDE, run_before=pressing("ctrl+p"))


def test_too_small(snap_compare: Any) -> None:
    assert snap_compare(an_app(), terminal_size=(60, 18), run_before=pressing())


def test_ascii_narrow(snap_compare: Any) -> None:
    assert snap_compare(an_app(ascii_only=True), terminal_size=NARROW, run_before=pressing("1"))
