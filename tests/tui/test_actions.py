"""The action table is the whole truth: everything in it can be reached, and does something."""

import pytest

from app.views.actions import ACTIONS, contexts_of
from app.views.desk import HANDLED
from app.views.keymap import load_keymap
from app.views.palette import search
from engine.domain.events import Helm
from tests.support.session import (
    MID,
    FakeSession,
    a_bot,
    a_position,
    a_snapshot,
    a_working_order,
)
from tests.tui.harness import Person, at_terminal

KEYMAP = load_keymap()


@pytest.mark.parametrize("action_id", list(ACTIONS))
def test_every_action_has_a_handler_and_a_way_to_it(action_id: str) -> None:
    action = ACTIONS[action_id]
    assert action_id in HANDLED
    assert action in search(action_id.replace("_", " "))
    assert KEYMAP.keys_of(action_id) or action.is_keyless
    for key in KEYMAP.keys_of(action_id):
        found = [KEYMAP.action_for(key, contexts_of(context)) for context in action.contexts]
        assert action in found or "global" in action.contexts


def everything_possible() -> FakeSession:
    """A session in which most actions can run: an own position, an own order, a helm taken."""
    from engine.domain.order import Side

    mine = a_working_order("mine", Side.BUY, MID - 20, bot_id="manual", placed_by="human")
    return FakeSession(
        a_snapshot(
            bots=[a_bot("grid"), a_bot("trend", helm=Helm.PAUSED)],
            positions=[a_position("manual", 8)],
            orders=[mine],
        )
    )


PANES = {"ladder": "ladder", "bots": "bots", "orders": "orders", "chart": "chart", "list": "log"}


async def test_every_key_of_the_table_can_be_pressed_everywhere() -> None:
    """Nothing raises, whatever has the focus."""
    snapshot = everything_possible().snapshot()
    assert snapshot is not None
    async with at_terminal(snapshot=snapshot) as person:
        for action in ACTIONS.values():
            if action.id == "quit":
                continue
            for context in action.contexts:
                await _press_all(person, action.id, PANES.get(context, "bots"))
        assert person.session.commands


async def _press_all(person: Person, action_id: str, pane: str) -> None:
    for key in KEYMAP.keys_of(action_id)[:1]:
        person.app.main.close()
        person.app.main.show_view("trade")
        person.app.main.focus_pane(pane)
        person.clock.pass_ms(1_300)
        person.session.publish(published_wall_ns=person.clock.now_ns())
        person.app.poll()
        await person.send(key)
