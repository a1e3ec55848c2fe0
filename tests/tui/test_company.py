"""Several faces on one engine: who may trade, what is said when that changes, and leaving."""

from __future__ import annotations

import pytest

from app.service.session import Standing
from app.views.leaving import OUTLIVES
from engine.domain import commands as c
from tests.tui.harness import NARROW, WIDE, Person, at_terminal

SIZES = pytest.mark.parametrize("size", [NARROW, WIDE])
ME, OTHER = "tui@here 1", "gui@desk 2"


def company(holder: str, notices: int = 0, notice: str = "") -> Standing:
    return Standing(ME, (ME, OTHER), holder, notices, notice)


async def told(person: Person, standing: Standing) -> None:
    person.session.company = standing
    await person.wait(0)


@SIZES
async def test_a_face_without_the_token_says_so_and_adds_no_risk(size: tuple[int, int]) -> None:
    async with at_terminal(size) as person:
        await told(person, company(OTHER))
        assert f"VIEW ONLY: {OTHER} trades" in person.header()
        await person.press("f4", "f4")
        assert "take it over first" in person.last_line()
        assert "[SAFE]" in person.header()
        await person.press("1", "b")
        assert "take it over first" in person.last_line(), "not: arm them, which is refused"
        await person.press("f12", "f12")
        assert [type(command) for command in person.session.commands] == [c.Kill]


async def test_an_engine_that_ends_with_the_window_is_not_said_to_go_on() -> None:
    """`demo --drill`: served like any other, but nobody can attach to it again."""
    async with at_terminal(NARROW, leaving="the drill stops with this window") as person:
        person.app.desk.outlives = False
        await told(person, company(ME))
        await person.press("Q")
        assert person.app.main.dialog is None
        assert "Q again: leave, the drill stops with this window" in person.last_line()


async def test_the_token_is_taken_over_by_two_taps() -> None:
    async with at_terminal() as person:
        await told(person, company(OTHER))
        await person.press("U")
        assert f"take the trade token over from {OTHER}" in person.last_line()
        await person.press("U")
        assert person.session.company.holder == ME  # type: ignore[union-attr]
        await person.wait(300)
        assert "VIEW ONLY" not in person.header()
        await person.arm()
        assert "[ARMED" in person.header()


@SIZES
async def test_losing_the_token_disarms_and_is_seen(size: tuple[int, int]) -> None:
    async with at_terminal(size) as person:
        await told(person, company(ME))
        await person.arm()
        assert "[ARMED" in person.header()
        news = f"{OTHER} took the trade token over from {ME}"
        await told(person, company(OTHER, 1, news))
        assert news in person.last_line()
        assert "[SAFE]" in person.header()
        assert "VIEW ONLY" in person.header()


async def test_somebody_else_trading_after_a_break_is_said() -> None:
    """No notice came: it was given while this face was away."""
    async with at_terminal() as person:
        await told(person, company(ME))
        await told(person, company(OTHER))
        assert f"VIEW ONLY: {OTHER} holds the trade token" in person.last_line()


async def test_who_else_is_here_is_shown_where_there_is_room() -> None:
    async with at_terminal(WIDE) as person:
        await told(person, company(ME))
        assert "also here gui@desk" in person.header()
        await told(person, company(ME)._replace(faces=(ME,)))
        await person.wait(300)
        assert "also here" not in person.header()


async def test_leaving_an_engine_that_stays_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_terminal(NARROW, leaving=OUTLIVES) as person:
        left: list[bool] = []
        monkeypatch.setattr(person.app, "exit", lambda: left.append(True))
        await told(person, company(ME))
        await person.press("Q")
        assert "2 bots steering, 6 orders working, 1 position open" in person.screen()
        await person.press("escape")
        assert person.app.main.dialog is None
        await person.press("Q", "s")
        assert "S again stops the engine" in person.screen()
        assert not person.session.is_stopping
        await person.press("s")
        assert person.session.is_stopping
        assert left == [True]
        await person.press("escape", "Q", "enter")
        assert left == [True, True]


async def test_an_engine_of_ones_own_is_left_by_two_taps(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_terminal(NARROW) as person:
        left: list[bool] = []
        monkeypatch.setattr(person.app, "exit", lambda: left.append(True))
        await person.press("Q")
        assert "the demo engine stops with it" in person.last_line()
        await person.press("Q")
        assert left == [True]
