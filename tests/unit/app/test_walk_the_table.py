"""Every action that sends something sends the same by key, from the palette and from a shell.

The walk goes over `BUILDERS` itself: an action that is new and has no way here fails, and so does
a shell command of the table that the parser does not know or that sends something else.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from app.cli.act import shell_way
from app.cli.main import main
from app.views import effects as fx
from app.views.actions import ACTIONS, contexts_of
from app.views.commands import BUILDERS
from app.views.keymap import load_keymap
from app.views.presets import PRESETS
from engine.core.clock import LiveClock
from engine.domain import commands as c
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.order import Side
from tests.support.service import ScriptedEngine, eventually
from tests.support.session import (
    MID,
    SECOND,
    a_bot,
    a_log,
    a_market,
    a_position,
    a_snapshot,
    a_stop,
    a_working_order,
)
from tests.unit.views.test_algo_lines import an_algo
from tests.unit.views.test_desk import AtTheDesk
from tests.unit.views.test_incidentview import an_incident

KEYMAP = load_keymap()
LOTS = 5
PRICE = MID - 20
"""Where the ladder's cursor is put."""


class Way(NamedTuple):
    """How a person gets there, and the words of a shell for the same."""

    pane: str
    shell: str = ""
    """What stands for the table's upper-case words; "" where there are none."""
    changes: dict[str, Any] = {}  # noqa: RUF012
    """Of the picture."""
    grabs: str = ""
    key_of: str = ""
    """The action whose key it is, where it is reached through another's."""
    cursor: int = PRICE


def mine(order_id: str = "mine", **more: Any) -> Any:
    return a_working_order(order_id, Side.BUY, PRICE, bot_id="manual", placed_by="human", **more)


PAUSED = {"bots": [a_bot("grid", helm=Helm.PAUSED)]}
TAKEN = {"bots": [a_bot("grid", helm=Helm.MANUAL)]}
HELD = {"positions": [a_position("manual", 8)]}
GUARD = a_stop("guard", Side.SELL, PRICE, bot_id="manual", placed_by="human")
SIZED, AT = f"--qty {Decimal(LOTS) / 1000}", f"--price {Decimal(PRICE) / 10}"

WAYS: dict[str, Way] = {
    "kill": Way(""),
    "kill_no_entries": Way("limits"),
    "kill_reduce_only": Way("limits"),
    "kill_cancel_all": Way("limits"),
    "kill_flatten": Way("limits"),
    "flatten_symbol": Way(""),
    "flatten_all": Way(""),
    "cancel_symbol": Way(""),
    "cancel_all": Way(""),
    "pause_all": Way(""),
    "alert_ack": Way("", changes={"log": [a_log(1, "look", "alert")]}),
    "incident_adopt": Way("incidents", "i1", {"incidents": [an_incident()]}),
    "incident_ignore": Way("incidents", "i1", {"incidents": [an_incident()]}),
    "incident_flatten": Way("incidents", "i1", {"incidents": [an_incident()]}),
    "bot_pause": Way("bots", "grid"),
    "bot_resume": Way("bots", "grid", PAUSED, key_of="bot_pause"),
    "bot_take": Way("bots", "grid"),
    "bot_return": Way("bots", "grid", TAKEN),
    "bot_stop": Way("bots", "grid"),
    "buy_limit": Way("ladder", f"{SIZED} {AT}"),
    "sell_limit": Way("ladder", f"{SIZED} {AT}"),
    "buy_join": Way("ladder", SIZED),
    "sell_join": Way("ladder", SIZED),
    "buy_market": Way("ladder", SIZED),
    "sell_market": Way("ladder", SIZED),
    "stop_at_cursor": Way("ladder", AT, HELD),
    "target_at_cursor": Way("ladder", f"--price {Decimal(MID + 20) / 10}", HELD, cursor=MID + 20),
    "close_half": Way("ladder", changes=HELD),
    "reverse": Way("ladder", changes=HELD),
    "breakeven": Way(
        "ladder",
        changes={
            "positions": [a_position("manual", 8, entry_ticks=Decimal(590_000))],
            "markets": [a_market(taker_rate=Decimal("0.0005"))],
        },
    ),
    "order_move": Way("ladder", f"{AT} --order mine", {"orders": [mine()]}, "mine"),
    "order_move_guard": Way(
        "ladder", f"{AT} --order guard", {"orders": [GUARD], **HELD}, "guard", "order_move"
    ),
    "order_cancel": Way("orders", "--order mine", {"orders": [mine()]}),
    "algo_cancel": Way("algos", "a3", {"algos": [an_algo()]}),
    "algo_cancel_all": Way("algos", "a3", {"algos": [an_algo()]}),
    "reset_kill": Way("", changes={"kill": KillLevel.CANCEL_ALL}),
}


def test_the_walk_leaves_nothing_out() -> None:
    assert set(WAYS) == set(BUILDERS)
    assert {action.id for action in ACTIONS.values() if action.is_keyless} >= {
        name for name, way in WAYS.items() if way.key_of
    }


def at_the_desk(way: Way) -> AtTheDesk:
    """A person in that pane, armed, with size, cursor and order in hand."""
    person = AtTheDesk(a_snapshot(bots=[a_bot("grid")]))
    person.session.publish(**way.changes)
    person.pane = way.pane
    person.look()
    arm = KEYMAP.keys_of("arm")[0]
    person.press(arm, arm)
    person.desk.qty_lots[person.desk.instrument_id] = LOTS
    person.desk.grabbed_id = way.grabs
    person.desk.ladder.put_cursor(way.cursor)
    person.wait(2_000)  # Rows that have just moved are not traded on.
    return person


def by_key(action_id: str, way: Way) -> list[c.AnyCommand]:
    person = at_the_desk(way)
    key = KEYMAP.keys_of(way.key_of or action_id)[0]
    person.press(*[key] * ACTIONS[action_id].taps)
    return person.session.commands


def by_palette(action_id: str, way: Way) -> list[c.AnyCommand]:
    person = at_the_desk(way)
    for _ in range(ACTIONS[action_id].taps):
        person.wait(300)
        _, effects = person.desk.choose(action_id, way.pane, person.now_ns)
        person.carry(effects)
        person.wait(130)
        if any(isinstance(effect, fx.Open) for effect in effects):
            person.carry(person.desk.reset_kill("RESUME", person.now_ns))
    return person.session.commands


def by_shell(action_id: str, way: Way, engine: ScriptedEngine) -> list[c.AnyCommand]:
    fields = msgspec.structs.asdict(a_snapshot(bots=[a_bot("grid")])) | way.changes
    now_ns = LiveClock().now_ns() + 3_600 * SECOND
    del fields["version"]
    engine.publish(**fields | {"feed_age_ms": 0, "published_wall_ns": now_ns})
    turns = engine.turns
    eventually(lambda: engine.turns > turns + 1)
    program, *words = shlex.split(shell_way(ACTIONS[action_id]))
    assert program == "pilothouse"
    given = iter(shlex.split(way.shell))
    if words[0] == "act":
        words = [*words[:2], *given]
    else:
        words = [next(given) if word == "ID" else word for word in words]
    assert not list(given)
    assert main(words) == 0, words
    eventually(lambda: engine.carried_out)
    return engine.carried_out


def wish(command: c.AnyCommand) -> dict[str, Any]:
    """What of a command is the wish, and not who made it where."""
    fields = msgspec.to_builtins(command)
    for name in ("command_id", "by", "age_ms", "until_ns"):
        fields.pop(name, None)
    return fields


@pytest.fixture
def engine(own_home: Path) -> Iterator[ScriptedEngine]:
    with ScriptedEngine(own_home) as running:
        yield running


@pytest.mark.parametrize("action_id", BUILDERS)
def test_key_palette_and_shell_send_the_same(action_id: str, engine: ScriptedEngine) -> None:
    way = WAYS[action_id]
    shell = [wish(command) for command in by_shell(action_id, way, engine)]
    assert shell
    assert [wish(command) for command in by_palette(action_id, way)] == shell
    if KEYMAP.keys_of(way.key_of or action_id):
        assert [wish(command) for command in by_key(action_id, way)] == shell
    else:
        assert ACTIONS[action_id].is_keyless


@pytest.mark.parametrize("action_id", ACTIONS)
def test_its_keys_mean_it_wherever_it_belongs(action_id: str) -> None:
    action = ACTIONS[action_id]
    for preset in PRESETS:
        keymap = load_keymap(preset=preset)
        assert keymap.keys_of(action_id) or action.is_keyless, preset
        for context in action.contexts:
            for key in keymap.keys_in(context, action_id):
                pane = "" if context == "global" else context
                assert keymap.action_for(key, contexts_of(pane)) is action, (preset, context, key)


@pytest.mark.parametrize("action_id", ACTIONS)
def test_its_shell_command_is_one(action_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The parser itself reads it: commands, subcommands and options exist."""
    way = shell_way(ACTIONS[action_id])
    if ACTIONS[action_id].view_only:
        assert way == f"({ACTIONS[action_id].view_only})"
        return
    program, *words = shlex.split(way)
    assert program == "pilothouse"
    assert main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    if not words[0].startswith("-"):
        assert f"pilothouse {words[0]}" in shown
