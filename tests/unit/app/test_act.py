"""Every action by key, palette and shell; and `act` on a real socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.act import shell_way
from app.cli.main import COMMANDS, main
from app.views.actions import ACTIONS, Action
from app.views.commands import BUILDERS
from app.views.keymap import load_keymap
from app.views.palette import search
from app.views.presets import PRESETS
from engine.core.clock import LiveClock
from engine.domain import commands as c
from engine.domain.order import Side, TimeInForce
from tests.support.service import ScriptedEngine, eventually
from tests.support.session import MID, SECOND, a_working_order


@pytest.mark.parametrize("action", ACTIONS.values(), ids=lambda action: action.id)
def test_every_action_has_a_key_a_palette_row_and_a_shell_command(action: Action) -> None:
    """Or says why not: what changes only one screen has no business in a shell."""
    for preset in PRESETS:
        has_key = bool(load_keymap(preset=preset).keys_of(action.id))
        assert has_key or action.is_keyless, preset
    assert action in search(action.id.replace("_", " "))
    assert not (action.shell and action.view_only), "one or the other"
    way = shell_way(action)
    if action.shell:
        assert action.shell.split()[0].startswith("--") or action.shell.split()[0] in COMMANDS
    elif action.id in BUILDERS or action.id == "crash":
        assert way.startswith(f"pilothouse act {action.id}")
        assert not action.view_only
    else:
        assert action.view_only, "name its shell command, or why it has none"


@pytest.fixture
def engine(own_home: Path) -> Iterator[ScriptedEngine]:
    """A running engine with an own order; its pictures are of this moment."""
    mine = a_working_order("mine", Side.BUY, MID - 20, bot_id="manual", placed_by="human")
    with ScriptedEngine(own_home) as running:
        running.publish(
            orders=[mine], feed_age_ms=0, published_wall_ns=LiveClock().now_ns() + 3_600 * SECOND
        )
        yield running


def act(*words: str) -> int:
    return main(["act", *words])


def test_orders_from_a_shell(engine: ScriptedEngine) -> None:
    assert act("buy_limit", "--qty", "0.005", "--price", "60010") == 0
    assert act("sell_join", "--qty", "0.005") == 0
    assert act("order_move", "--order", "mine", "--price", "60009.5") == 0
    assert act("order_cancel", "--order", "mine") == 0
    bought, joined, moved, cancelled = engine.carried_out
    assert isinstance(bought, c.PlaceOrder)
    assert (bought.spec.side, bought.spec.qty_lots) == (Side.BUY, 5)
    assert bought.spec.price_ticks == 600_100
    assert bought.by.startswith("shell")
    assert isinstance(joined, c.PlaceOrder)
    assert (joined.spec.price_ticks, joined.spec.tif) == (MID + 1, TimeInForce.POST_ONLY)
    assert isinstance(moved, c.MoveOrder)
    assert (moved.client_order_id, moved.price_ticks) == ("mine", 600_095)
    assert isinstance(cancelled, c.CancelOrder)


def test_bots_and_the_crash_button(engine: ScriptedEngine) -> None:
    assert act("bot_take", "--bot", "grid") == 0
    assert isinstance(engine.carried_out[0], c.TakeHelm)
    assert act("crash") == 0
    eventually(lambda: engine.crashes)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("fly",), 2, "ACTION: fly: no such action"),
        (("view_orders",), 2, "use: pilothouse orders"),
        (("reset_kill",), 2, "use: pilothouse reset RESUME"),
        (("zoom_in",), 2, "changes how this screen draws the chart"),
        (("buy_limit", "--qty", "0.005"), 2, "--price"),
        (("buy_limit", "--price", "60000"), 2, "--qty"),
        (("buy_limit", "--qty", "0.0001", "--price", "60000"), 2, "--qty"),
        (("buy_join", "--qty", "0.005", "--price", "1"), 2, "takes none"),
        (("order_cancel", "--order", "no"), 2, "no such working order"),
        (("bot_take",), 2, "needs one"),
        (("bot_take", "--bot", "nobody"), 2, "no such bot"),
        (("buy_join", "--qty", "0.005", "--symbol", "DOGE"), 2, "there are: BTCUSDT"),
        (("bot_resume", "--bot", "grid"), 1, "nothing to resume"),
        (("close_half",), 1, "no position of yours here"),
    ],
)
def test_bad_input_is_one_line(
    engine: ScriptedEngine,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    assert act(*words) == code
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not engine.carried_out


def test_a_refusal_of_the_engine_is_exit_one(
    engine: ScriptedEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.refuses["PlaceOrder"] = "position_max limit 25021"
    assert act("buy_join", "--qty", "0.005") == 1
    assert "PlaceOrder refused: position_max limit 25021" in capsys.readouterr().err


def test_the_list_needs_no_engine(capsys: pytest.CaptureFixture[str]) -> None:
    assert act() == 0
    shown = capsys.readouterr().out
    assert "pilothouse act buy_limit --qty Q --price P" in shown
    assert all(action in shown for action in ACTIONS)
