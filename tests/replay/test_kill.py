"""Killed and restarted, the engine ends where it would have ended: the same events, to the byte.

First inside this process, where a run can die at any single commit, before it is durable or right
after, with a person at the helm, tight limits and a crashing market. Then for real: SIGKILL of a
headless demo (`tests/support/kill.py`, which also runs by itself: 200 kills and more).
"""

from __future__ import annotations

import json
import os
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from app.bootstrap import build_bot
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.order import OrderSpec, Side
from engine.kernels import layout as k
from engine.sim.generator import SIM_INSTRUMENT
from engine.sim.scenario import FillMode, QueueModel, Scenario
from engine.trading.risk.limits import RiskLimits
from tests.support import kill
from tests.support.shared import needs_shared
from tests.support.worlds import (
    EVERY_MODEL,
    GRID,
    NOBODY,
    SECOND,
    TREND,
    Life,
    Script,
    assert_same_events,
    assert_same_state,
    generated,
    killed,
    paced,
    rebuilt,
    recorded,
)

KILLS = int(os.environ.get("PILOTHOUSE_KILLS", "8"))

SIM = SIM_INSTRUMENT.instrument_id
HUNDREDTH = Decimal("0.01")
NO_LATENCY = Scenario(entry_latency_ns=0, response_latency_ns=0)
OTHER_MODELS = Scenario(queue=QueueModel(code=k.QUEUE_POWER_PROB, power=3), fills=FillMode.WHOLE)


def a_person() -> Script:
    """Pauses, presses the crash button, takes the helm, places, moves, flattens, kills, resets."""
    spec = OrderSpec(instrument_id=SIM, side=Side.BUY, qty_lots=20, price_ticks=598_000)
    wishes: list[c.AnyCommand | None] = [
        c.PauseBot(command_id="a", bot_id="maker-1"),
        c.ResumeBot(command_id="b", bot_id="maker-1"),
        None,
        c.TakeHelm(command_id="c", bot_id="maker-1"),
        c.PlaceOrder(command_id="d", bot_id="maker-1", spec=spec),
        c.GiveHelm(command_id="e", bot_id="maker-1"),
        c.Flatten(command_id="f"),
        c.ResumeBot(command_id="g", bot_id="maker-1"),
        c.ResumeBot(command_id="h", bot_id="trend-1"),
        c.Kill(command_id="i"),
        c.ResetKill(command_id="j"),
        c.ResumeBot(command_id="k", bot_id="maker-1"),
    ]
    return Script([(2 * SECOND * number + number, wish) for number, wish in enumerate(wishes, 1)])


def assert_unharmed(life: Life, undisturbed: Life) -> None:
    assert life.restarts > 3
    assert_same_events(life.events, undisturbed.events)
    assert_same_state(life.trader.state, undisturbed.trader.state)
    assert_same_state(life.trader.state, rebuilt(life.events))


# -- death at any commit, in this process ------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "script"),
    [
        pytest.param(Scenario(), NOBODY, id="nobody"),
        pytest.param(Scenario(), a_person(), id="a busy person and a crash"),
        pytest.param(NO_LATENCY, a_person(), id="no latency"),
        pytest.param(OTHER_MODELS, a_person(), id="other models"),
        pytest.param(EVERY_MODEL, a_person(), id="every model"),
    ],
)
def test_dying_at_random_commits_changes_nothing(scenario: Scenario, script: Script) -> None:
    setting = generated(27, scenario=scenario)
    undisturbed = paced(setting, 1, script)

    assert len(undisturbed.of(e.OrderFilled)) > 50
    assert len(undisturbed.of(e.MarketShocked)) == sum(wish is None for _, wish in script.commands)
    assert_unharmed(killed(setting, 2, script), undisturbed)


def test_bots_that_come_and_go_are_part_of_it() -> None:
    """Also their timers' phase, which counts from the instant each was added."""

    def add(number: int, strategy: str, params: dict[str, str]) -> c.AddBot:
        return c.AddBot(
            command_id=f"add{number}",
            bot_id=f"more-{number}",
            strategy=strategy,
            instrument_id=SIM,
            params_json=json.dumps(params),
        )

    wishes = [
        add(1, "grid", GRID),
        add(2, "trend", TREND),
        c.Flatten(command_id="a", bot_id="maker-1"),
        c.RemoveBot(command_id="b", bot_id="maker-1"),
        add(3, "grid", GRID | {"every_ms": "70"}),
        c.Flatten(command_id="c"),
        c.RemoveBot(command_id="d", bot_id="more-1"),
        c.ResumeBot(command_id="e", bot_id="more-2"),
        c.ResumeBot(command_id="f", bot_id="more-3"),
    ]
    script = Script([(n * 2_037_000_000, wish) for n, wish in enumerate(wishes, 1)])
    setting = generated(27)
    undisturbed = paced(setting, 1, script)

    assert [event.bot_id for event in undisturbed.of(e.BotRemoved)] == ["maker-1", "more-1"]
    owners = {event.order.bot_id for event in undisturbed.of(e.OrderIntended)}
    assert {"more-1", "more-2", "more-3"} <= owners
    assert_unharmed(killed(setting, 2, script), undisturbed)


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        (
            RiskLimits(stop_loss_pct=Decimal("0.01"), take_profit_pct=Decimal("0.01")),
            e.FlattenEnded,
        ),
        (RiskLimits(daily_loss_max_pct=Decimal("0.005")), e.RiskTripped),
    ],
    ids=["stop-loss and take-profit", "daily loss"],
)
def test_dying_while_limits_close_positions_changes_nothing(
    limits: RiskLimits, kind: type[e.Event]
) -> None:
    setting = generated(25, limits=limits)
    undisturbed = paced(setting, 1)

    assert undisturbed.of(kind)
    assert_unharmed(killed(setting, 2, commits=12), undisturbed)


def test_a_bot_that_is_refused_all_the_time_is_journalled_at_the_same_moments() -> None:
    """Refusals are journalled once a second; the count of those between is kept in memory only,
    and so is all that a kill may take."""
    setting = generated(25, limits=RiskLimits(position_max_pct=Decimal(1)))
    undisturbed = paced(setting, 1)
    life = killed(setting, 2, commits=25)

    assert len(undisturbed.of(e.OrderDenied)) > 20
    assert life.restarts > 3
    assert_same_events(without_counts(life.events), without_counts(undisturbed.events))


def without_counts(events: list[e.AnyEvent]) -> list[e.AnyEvent]:
    return [
        msgspec.structs.replace(event, repeats=0) if isinstance(event, e.OrderDenied) else event
        for event in events
    ]


def test_a_run_that_is_over_and_started_again_adds_nothing() -> None:
    setting = generated(10)
    life = paced(setting, 1)
    again = killed(setting, 5, lives=1, kept=life.journal)

    assert again.journal.digest() == paced(setting, 2).journal.digest()


@needs_shared
def test_dying_on_a_recording_changes_nothing() -> None:
    name, rows = "usdm_btcusdt_20240808", 60_000
    instrument = next(iter(recorded(name, rows).open_market().world.instruments.values()))
    bots = [build_bot("maker-1", "grid", GRID, instrument)]
    setting = recorded(name, rows, bots=bots)

    assert_unharmed(killed(setting, 3, commits=25), paced(setting, 1))


# -- SIGKILL -----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
@pytest.mark.timeout(60 + 12 * KILLS)
def test_kill_9_of_a_demo_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """PILOTHOUSE_KILLS sets how many; `python -m tests.support.kill --kills 200` tells more."""
    outcome = kill.run(kill.Plan(home=tmp_path, kills=KILLS, seed=KILLS))

    assert outcome.kills == KILLS
    assert outcome.events > 100 * KILLS
