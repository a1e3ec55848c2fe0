"""Bots that come and go while the engine runs."""

from __future__ import annotations

import json

import pytest

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.runtime import roster
from tests.support.desk import Desk
from tests.support.worlds import assert_same_state, rebuilt
from tests.unit.trading.test_helm import a_grid

BTC = "test.BTCUSDT"
GRID = {"levels": "2", "qty": "0.01", "interval_ticks": "10", "half_spread_ticks": "5"}


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.book(600_000, 600_002)
    return desk


def add(desk: Desk, bot_id: str = "maker-9", **changes: object) -> str:
    fields: dict[str, object] = {
        "bot_id": bot_id,
        "strategy": "grid",
        "instrument_id": BTC,
        "params_json": json.dumps(GRID),
    }
    return desk.do(c.AddBot, **{**fields, **changes})


def test_an_added_bot_trades_from_now_on_and_a_restart_knows_it(desk: Desk) -> None:
    desk.pass_ms(330)
    assert add(desk) == ""
    desk.pass_ms(250)
    assert [order.bot_id for order in desk.live] == ["maker-9"] * 4
    added = desk.seen(e.BotAdded)[-1]
    assert json.loads(added.params_json)["every_ms"], "what was left out is written down too"
    again = rebuilt(desk.events)
    assert_same_state(desk.trader.state, again)
    assert again.bots["maker-9"].helm is Helm.AUTO


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bot_id": "manual"}, "bot id manual: use up to"),
        ({"bot_id": "a b"}, "bot id a b: use up to"),
        ({"bot_id": ""}, "use up to 40 letters"),
        ({"bot_id": "maker"}, "this ledger knows one already"),
        ({"instrument_id": "nope"}, "no instrument nope"),
        ({"strategy": "grit"}, "strategy: grit: known are"),
        ({"params_json": '{"levles": "3"}'}, "did you mean levels?"),
        ({"params_json": '{"levels": "-1"}'}, "levels: -1: must be"),
        ({"params_json": '{"levels": 3}'}, "Expected `str`, got `int`"),
        ({"params_json": "[1]"}, "Expected `object`"),
        ({"params_json": "{"}, "truncated"),
        ({"strategy": "trend", "params_json": '{"timeframe": "3h"}'}, "this engine keeps 1s"),
        ({"strategy": "trend", "params_json": '{"fast": "40"}'}, "must be less than slow"),
    ],
)
def test_what_cannot_run_is_refused_in_words(changes: dict[str, str], words: str) -> None:
    desk = Desk(bots=[a_grid()])
    refused = add(desk, **changes)
    assert words in refused
    assert list(desk.trader.state.bots) == list(desk.trader.runners) == ["maker"]


def test_nothing_is_added_while_trading_is_stopped(desk: Desk) -> None:
    desk.do(c.Kill, level=KillLevel.NO_ENTRIES)
    assert add(desk) == "the kill switch is on: reset it first"
    desk.do(c.ResetKill)
    assert add(desk) == ""


def test_there_is_a_limit_to_the_bots(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "BOTS_MAX", 2)
    assert add(desk, "a") == add(desk, "b") == ""
    assert add(desk, "c") == "2 bots run already: remove one first"


def test_only_a_bot_with_nothing_open_is_removed() -> None:
    desk = Desk(bots=[a_grid()])
    desk.book(600_000, 600_002)
    desk.pass_ms(100)
    refused = "maker has 4 orders working and no position: flatten it first"
    assert desk.do(c.RemoveBot, bot_id="maker") == refused
    for order in desk.live:
        desk.accept(order)
    desk.fill(desk.live[0])
    desk.do(c.Flatten, bot_id="maker")
    for order in [one for one in desk.live if not one.spec.reduce_only]:
        desk.canceled(order)
    assert "a position" in desk.do(c.RemoveBot, bot_id="maker")
    desk.pass_ms(300)
    desk.fill(desk.live[-1])
    assert desk.do(c.RemoveBot, bot_id="maker") == ""
    assert desk.seen(e.BotRemoved)
    desk.pass_ms(5000)
    assert (desk.live, desk.trader.runners) == ([], {})
    assert_same_state(desk.trader.state, rebuilt(desk.events))


def test_the_id_of_a_removed_bot_is_not_given_away(desk: Desk) -> None:
    """Its book is still there: another bot would inherit its profit or loss."""
    add(desk)
    assert desk.do(c.RemoveBot, bot_id="maker-9") == ""
    assert "choose another" in add(desk)
    assert desk.do(c.RemoveBot, bot_id="maker-9") == "no bot maker-9"
    assert desk.do(c.PauseBot, bot_id="maker-9") == "no bot maker-9"
