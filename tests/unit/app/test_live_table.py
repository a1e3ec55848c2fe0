"""The live table draws in its place, keeps foreign text harmless, and leaves no trace."""

from __future__ import annotations

import io

import pytest

from app.cli import live_table
from app.cli.live_table import LiveTable


def test_each_drawing_begins_where_the_last_one_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_table, "REDRAW_S", 0.0)
    screen = io.StringIO()
    with LiveTable(screen) as live:
        live.show(["one", "two", "three"])
        live.show(["  four  "])
    assert screen.getvalue() == (
        "\r\x1b[Jone\ntwo\nthree"  # Nothing above it to go back to.
        "\r\x1b[2A\x1b[J  four  "  # Two lines up, all below away.
        "\r\x1b[J"
    )


def test_it_draws_no_more_often_than_eyes_can_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_table, "REDRAW_S", 3600.0)
    screen = io.StringIO()
    live = LiveTable(screen)
    for number in range(100):
        live.show([str(number)])
    assert screen.getvalue() == "\r\x1b[J0"


def test_lines_fit_the_screen_and_escapes_do_not_act(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setenv("LINES", "3")
    screen = io.StringIO()
    LiveTable(screen).show(["\x1b[2Jlonger than that", "b", "c", "d"])
    assert screen.getvalue() == "\r\x1b[J[2Jlonger\nb"
