"""What adds risk needs the token; nobody ever needs it to take risk away."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from app.service.presence import HARMLESS, Roster, adds_risk
from engine.domain import algo
from engine.domain import commands as c
from engine.domain.order import OrderSpec, Side
from tests.support.session import BTC, MID, a_snapshot, a_stop

REDUCING = ("CancelOrder", "CancelAlgo", "CancelAll", "Flatten", "PauseBot", "TakeHelm", "StopBot",
            "RemoveBot", "Kill", "FlattenIncident", "AckAlerts")  # fmt: skip


def test_every_command_is_known_to_be_harmless_or_counts_as_risk() -> None:
    """A command that is added is risk until somebody says here that it is not."""
    assert {kind.__name__ for kind in HARMLESS} == set(REDUCING)
    assert set(HARMLESS) <= set(get_args(c.AnyCommand))


@pytest.mark.parametrize("reduce_only", [True, False])
def test_an_order_is_judged_by_what_it_can_do(reduce_only: bool) -> None:
    fields: dict[str, Any] = {"instrument_id": BTC, "side": Side.BUY, "qty_lots": 1}
    spec = OrderSpec(**fields, price_ticks=MID, reduce_only=reduce_only)
    place = c.PlaceOrder(command_id="1", bot_id="manual", spec=spec)
    assert adds_risk(place, None) is not reduce_only
    good_till = algo.GoodTill(**fields, price_ticks=MID, until_ns=1, reduce_only=reduce_only)
    for command in (
        c.PlaceAlgo(command_id="2", bot_id="manual", spec=good_till),
        c.AmendAlgo(command_id="3", algo_id="a", spec=good_till),
    ):
        assert adds_risk(command, None) is not reduce_only
    bracket = algo.Bracket(**fields, stop_ticks=MID - 50)
    assert adds_risk(c.PlaceAlgo(command_id="4", bot_id="manual", spec=bracket), None)


def test_moving_a_guard_is_not_risk_and_moving_anything_else_is() -> None:
    shot = a_snapshot(orders=[a_stop("guard", Side.SELL, MID - 20)])
    for order_id, is_risk in (("guard", False), ("unknown", True)):
        move = c.MoveOrder(command_id="1", client_order_id=order_id, price_ticks=MID)
        assert adds_risk(move, shot) is is_risk


def test_the_token_has_one_holder_at_most() -> None:
    roster = Roster()
    for number, wants in ((1, "nothing"), (2, "free"), (3, "free"), (4, "over")):
        roster.join(number, f"face {number}", wants)
        assert roster.holder == {1: "", 2: "face 2", 3: "face 2", 4: "face 4"}[number]
    assert (roster.notices, roster.notice) == (1, "face 4 took the trade token over from face 2")
    resume = c.ResumeBot(command_id="1", bot_id="grid")
    assert roster.refuse(2, resume, None) == "face 4 holds the trade token: take it over first"
    assert roster.refuse(2, c.Kill(command_id="2"), None) == ""
    roster.leave(4)
    assert roster.holder == "face 2", "who lost it to one that left has it again"
    assert roster.notice == "face 2 has the trade token again"
    roster.leave(2)
    assert roster.holder == ""
    assert roster.refuse(3, resume, None) == ""
    assert roster.holder == "face 3"
    roster.take(1)
    roster.leave(3)
    roster.leave(1)
    assert roster.holder == "", "nobody is left who had it"
    roster.join(5, "face 5", "free")
    notices = roster.notices
    roster.take(5)
    assert roster.notices == notices, "it had it already"


def test_a_face_that_comes_again_keeps_its_token_and_its_place() -> None:
    roster = Roster()
    for number in (1, 2, 3):
        roster.join(number, f"face {number}", "free")
    roster.renumber(1, 4)
    assert (roster.numbers, roster.faces) == ({4, 2, 3}, ["face 1", "face 2", "face 3"])
    roster.join(4, "face 1", "nothing")
    roster.leave(1)
    assert roster.holder == "face 1"
    roster.take(2)
    roster.renumber(4, 5)
    roster.leave(2)
    assert (roster.holder, roster.refuse(5, c.ResetKill(command_id="1"), None)) == ("face 1", "")
