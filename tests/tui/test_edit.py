"""Editing a bot's parameters: only what has changed leaves, after it was looked over."""

import json

from engine.domain import commands as c
from tests.tui.harness import NARROW, at_terminal


async def test_only_what_has_changed_is_sent_and_said_before() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("2", "e")
        assert "parameters of grid" in person.screen()
        await person.press("enter")
        assert "nothing has changed" in person.screen()
        await person.type("0")
        await person.press("enter")
        assert "Enter again: levels 5 to 50" in person.screen()
        assert person.session.commands == []
        await person.press("enter")
        (edit,) = person.session.commands
        assert isinstance(edit, c.EditParams)
        assert (edit.bot_id, json.loads(edit.params_json)) == ("grid", {"levels": "50"})
        assert person.app.main.dialog is None


async def test_another_key_takes_the_confirmation_back() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("2", "e")
        await person.type("0")
        await person.press("enter")
        await person.type("1")
        await person.press("enter")
        assert "levels 5 to 501" in person.screen()
        assert person.session.commands == []


async def test_a_refusal_of_the_engine_is_shown() -> None:
    async with at_terminal(NARROW) as person:
        await person.press("2", "e")
        await person.type("0")
        person.session.refuses("levels: 50: must be <= 20")
        await person.press("enter", "enter")
        await person.look()
        assert "must be <= 20" in person.screen()
