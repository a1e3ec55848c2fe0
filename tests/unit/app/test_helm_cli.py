"""The helm from a shell on a real socket: what a script gets wrong moves nothing and is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.views.actions import ACTIONS
from engine.core.clock import LiveClock
from engine.domain import commands as c
from engine.domain.events import Helm
from engine.domain.order import Side
from tests.support.service import ScriptedEngine, eventually
from tests.support.session import MID, SECOND, a_bot, a_log, a_stop, a_working_order
from tests.support.shell import Shell, assert_refused
from tests.unit.app.small_checkout import ROOT


@pytest.fixture
def shell(own_home: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(own_home.parent, capsys)


def shown(engine: ScriptedEngine, **changes: object) -> None:
    """The picture that whoever comes now will see."""
    engine.publish(**changes)
    turns = engine.turns
    eventually(lambda: engine.turns > turns + 1)


@pytest.fixture
def engine(own_home: Path) -> Iterator[ScriptedEngine]:
    """A running engine with a bot that steers, one that is paused and one that is taken."""
    mine = a_working_order("mine", Side.BUY, MID - 20, bot_id="manual", placed_by="human")
    guard = a_stop("guard", Side.SELL, MID - 400, bot_id="manual", placed_by="human")
    bots = [a_bot("grid"), a_bot("trend", helm=Helm.PAUSED), a_bot("mine", helm=Helm.MANUAL)]
    now_ns = LiveClock().now_ns() + 3_600 * SECOND
    with ScriptedEngine(own_home) as running:
        shown(running, orders=[mine, guard], bots=bots, feed_age_ms=0, published_wall_ns=now_ns)
        yield running


# -- what names nothing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["flatten", "--bot", ""], "--bot"),
        (["flatten", "--bot="], "--bot"),
        (["pause", "--bot", " "], "--bot"),
        (["cancel-all", "--json", "--bot", ""], "--bot"),
        (["kill", "--level", ""], "--level"),
        (["act", "flatten_symbol", "--symbol", ""], "--symbol"),
        (["order", "buy", "0.005", "limit", "--price", ""], "--price"),
        (["bots", "add", "grid", "--bot", ""], "--bot"),
        (["tui", "--ssh", ""], "--ssh"),
        (["tui", "--ssh="], "--ssh"),
        (["bots", "remove", ""], "argument"),
    ],
    ids=lambda value: " ".join(value),
)
def test_an_unfilled_variable_is_never_everything(
    shell: Shell, engine: ScriptedEngine, words: list[str], field: str
) -> None:
    assert_refused(shell(*words), f'{field}: "": is empty: fill it, or leave it out')
    assert not engine.carried_out


@pytest.mark.parametrize(
    "words",
    [
        "pause --bot gird",
        "resume --bot gird",
        "take --bot gird",
        "take --bot gird --preview",
        "give --bot gird",
        "flatten --bot gird --json",
        "cancel-all --bot gird --json",
        "kill --bot gird",
        "status --bot gird",
        "bots --bot gird --json",
        "bots remove gird",
        "orders --bot gird --json",
        "positions --bot gird",
        "algos --bot gird",
        "logs --bot gird",
        "logs -f --bot gird",
        "order buy 0.005 market --bot gird",
        "act bot_pause --bot gird",
    ],
)
def test_a_mistyped_bot_is_bad_input_and_not_one_that_has_nothing(
    shell: Shell, engine: ScriptedEngine, words: str
) -> None:
    assert_refused(shell(*words.split()), "bot: gird: no such bot")
    assert not engine.carried_out


@pytest.mark.parametrize("bot", ["manual", "grid", "trend"])
def test_every_book_can_be_looked_at(shell: Shell, engine: ScriptedEngine, bot: str) -> None:
    for words in ("orders", "positions", "algos", "logs", "status"):
        assert shell(words, "--bot", bot, "--json").code == 0, words


def test_who_speaks_in_the_log_can_be_asked_for(shell: Shell, engine: ScriptedEngine) -> None:
    for source in ("engine", "risk", "tui@pi"):
        assert shell("logs", "--bot", source, "--json").code == 0, source


@pytest.mark.parametrize("ident", ["x" * 5_000, "x" * 200_000, "\udcff", "\x1b[2J", "a\nb"])
@pytest.mark.parametrize("command", ["pause --bot", "cancel", "incidents adopt", "why"])
def test_an_id_that_cannot_be_one(
    shell: Shell, engine: ScriptedEngine, command: str, ident: str
) -> None:
    """At once, with nothing sent: it used to end the connection, or to wait for ever."""
    if command == "why" and len(ident) > 100:
        pytest.skip("a ledger can be asked for any text")
    said = shell(*command.split(), ident, "--json")
    assert_refused(said)
    assert not engine.carried_out
    assert said.err[:-1].isprintable()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("order buy 0.005 market --price 60000", "--price: 60000: a market order takes none"),
        ("order buy 0.005 limit post ioc --price 60000", "flags: post ioc: choose one of"),
        ("order buy 0.005 bracket stop=59000 stop=58000", "stop=58000: stop is given twice"),
        ("order buy 1e15 limit --price 60000", "qty_lots: 1000000000000000000: must be"),
        ("kill --bot grid --level flatten", "--level: flatten: stands over every bot"),
        ("act pause_all --bot grid", "--bot: grid: pause_all takes none"),
        ("act kill --bot grid", "--bot: grid: kill takes none"),
        ("act flatten_all --symbol BTCUSDT", "--symbol: BTCUSDT: flatten_all takes none"),
        ("act buy_join --qty 0.005 --order mine", "--order: mine: buy_join takes none"),
        ("act bot_take --bot grid --incident 1", "--incident: 1: bot_take takes none"),
    ],
)
def test_what_would_be_left_out_of_account_is_refused(
    shell: Shell, engine: ScriptedEngine, words: str, part: str
) -> None:
    assert_refused(shell(*words.split()), part)
    assert not engine.carried_out


@pytest.mark.parametrize(
    "words", ["flatten --bot grid --bot trend", "pause --bot=grid --bot=grid", "logs -n 1 -n 2"]
)
def test_an_option_given_twice_is_not_the_last_one(
    shell: Shell, engine: ScriptedEngine, words: str
) -> None:
    assert_refused(shell(*words.split()), "give it once")
    assert not engine.carried_out


def test_what_may_be_given_again_still_may(shell: Shell) -> None:
    for words in ("bots add grid --param a=1 --param b=2", "engine --symbol A --symbol B"):
        assert "give it once" not in shell(*words.split(), "--nope").err


def test_an_order_for_a_book_that_is_not_yours(shell: Shell, engine: ScriptedEngine) -> None:
    """It went into your own, without a word."""
    said = shell("act", "buy_join", "--qty", "0.005", "--bot", "grid")
    assert_refused(said, "the helm of grid is not yours here", code=1)
    assert not engine.carried_out
    assert shell("act", "buy_join", "--qty", "0.005", "--bot", "mine").code == 0
    (order,) = engine.carried_out
    assert isinstance(order, c.PlaceOrder)
    assert order.bot_id == "mine"


# -- what is sent -------------------------------------------------------------------------------


def test_pausing_by_its_action_never_resumes(shell: Shell, engine: ScriptedEngine) -> None:
    """The key toggles what the eye sees; a script that runs twice must not."""
    assert shell("act", "bot_pause", "--bot", "trend").code == 0
    (command,) = engine.carried_out
    assert isinstance(command, c.PauseBot)
    assert ACTIONS["bot_pause"].becomes is not None


def test_killing_one_bot_stops_it_and_leaves_the_switch(
    shell: Shell, engine: ScriptedEngine
) -> None:
    said = shell("kill", "--bot", "grid", "--json")
    assert (said.code, json.loads(said.out)["name"]) == (0, "StopBot")
    (command,) = engine.carried_out
    assert isinstance(command, c.StopBot)
    assert command.bot_id == "grid"


def test_two_instruments_need_no_symbol_where_it_says_nothing(
    shell: Shell, engine: ScriptedEngine
) -> None:
    first = engine.snapshot.instruments[0]
    other = replace(first, instrument_id="sim.ETHUSDT", symbol="ETHUSDT")
    shown(engine, instruments=[first, other])
    assert shell("act", "kill").code == 0
    assert shell("act", "bot_take", "--bot", "grid").code == 0
    assert_refused(shell("act", "flatten_symbol"), "name one of: BTCUSDT, ETHUSDT")
    assert [type(command) for command in engine.carried_out] == [c.Kill, c.TakeHelm]


def test_an_engine_that_dies_before_it_answers_is_no_refusal(
    shell: Shell, engine: ScriptedEngine
) -> None:
    """Nobody knows what became of the command: exit 5, not 1."""
    engine.is_deaf = True
    leaving = threading.Timer(1.0, engine.leave)
    leaving.start()
    said = shell("cancel-all")
    leaving.join()
    assert_refused(said, "CancelAll: the engine was lost before it answered: look", code=5)


# -- what is shown ------------------------------------------------------------------------------


def test_status_of_one_bot(shell: Shell, engine: ScriptedEngine) -> None:
    everything = json.loads(shell("status", "--json").out)
    alone = json.loads(shell("status", "--bot", "grid", "--json").out)
    assert everything["orders"] == 2
    assert (alone["orders"], alone["bots"]) == (0, {"grid": "auto"})
    assert alone["equity"] == everything["equity"]
    assert alone.keys() == everything.keys()


def test_a_stop_shows_its_trigger_and_no_none(shell: Shell, engine: ScriptedEngine) -> None:
    table = shell("orders").out
    assert "None" not in table
    (header, *rows) = table.splitlines()
    (row,) = [row for row in rows if row.startswith("guard")]
    assert row.split()[-2:] == [f"{(MID - 400) / 10:.1f}", "open"]
    assert row.split()[4] == "stop"
    assert header.split()[-2] == "TRIGGER"


def test_the_log_tells_the_day(shell: Shell, engine: ScriptedEngine) -> None:
    shown(engine, log=[a_log(1, "hello")])
    assert shell("logs").out.startswith("20")
    assert "Z  info   grid" in shell("logs").out


# -- places that are closed -----------------------------------------------------------------------


@pytest.mark.parametrize("words", ["why x", "data list", "backtest list", "keys list", "doctor"])
def test_a_home_that_cannot_be_is_a_matter_of_configuration(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """It was an internal error to report. (A closed folder is the same; tests may run as root.)"""
    monkeypatch.setenv("PILOTHOUSE_HOME", f"/tmp/{'x' * 300}")
    assert_refused(shell(*words.split()), "File name too long: ", "--home DIR", code=4)


# -- streams that are closed or full -------------------------------------------------------------


def sh(script: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A line of shell in which `$P` is the program."""
    return subprocess.run(
        ["bash", "-c", script.replace("$P", f"{sys.executable} -P -m app")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PILOTHOUSE_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("$P config show >&-", 0, ""),
        ("$P config show --json >&- 2>&-", 0, ""),
        ("$P config nope 2>&-", 2, ""),
        ("$P config nope 2>/dev/full", 2, ""),
        ("$P status <&- >&- 2>&-", 3, ""),
        ("$P config show >/dev/full", 1, "output: No space left on device: what was done stands"),
        ("$P act --json >/dev/full", 1, "output: No space left on device: what was done stands"),
        ("$P --version >/dev/full", 1, "output: No space left on device: what was done stands"),
    ],
)
def test_streams_that_take_nothing(own_home: Path, script: str, code: int, said: str) -> None:
    done = sh(script, own_home)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == bool(said)
    assert said in done.stderr


def test_a_closed_stderr_puts_no_error_into_the_output(own_home: Path) -> None:
    done = sh("$P config nope --json 2>&- | cat", own_home)
    assert done.stdout == ""
