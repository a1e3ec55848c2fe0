"""A recording played back on the screens, and forked into paper from any instant."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from app.bootstrap import gap_words, session_of, trader_of
from app.demo import (
    DemoRequest,
    capital_in,
    demo_bots,
    first_price,
    ledger_path,
    open_market,
)
from app.paths import Paths
from app.service.local import LocalSession
from engine.core.clock import LiveClock
from engine.core.ids import BACKTEST_SALT
from engine.core.watchdog import Watchdog
from engine.domain.errors import BadInput, PilothouseError
from engine.domain.events import AnyEvent
from engine.domain.replay import SPEEDS
from engine.runtime.replay import ReplayRuntime, Scene
from engine.store.journal import open_ledger

PROFILE = "replay"
FORK_PROFILES = "fork-{}"


def replay_session(request: DemoRequest, paths: Paths) -> LocalSession:
    """A session for a face, with the recording in a thread of its own; not started yet."""

    async def program(session: LocalSession, stop: asyncio.Event) -> None:
        with contextlib.closing(Watchdog()) as watchdog:
            runtime = _runtime(request, paths, session, watchdog)
            await runtime.run(stop)

    return LocalSession(program)


def _runtime(
    request: DemoRequest, paths: Paths, session: LocalSession, watchdog: Watchdog
) -> ReplayRuntime:
    market = open_market(request)
    instrument = next(iter(market.world.instruments.values()))
    capital = capital_in(instrument, request.capital, market)
    price = first_price(market, market.views[instrument.instrument_id])
    # As paper trading does, which a fork goes on as.
    trader = trader_of(market, request.limits, watchdog, marks_fills=True)
    return ReplayRuntime(
        scene=Scene(trader, market.world, market.queue_ahead, shared=[watchdog]),
        session=session_of(market, request.scenario, capital, BACKTEST_SALT),
        bots=demo_bots(instrument, capital, price),
        end_ns=market.end_ns,
        clock=LiveClock(),
        bridge=session,
        profile=PROFILE,
        words=market.words,
        keep=lambda events: keep_fork(request, paths, events),
        speed=request.speed,
        trouble=gap_words(market.gaps),
    )


def keep_fork(request: DemoRequest, paths: Paths, events: Iterable[AnyEvent]) -> str:
    """Write `events` as the ledger of a new profile, which the demo resumes from; its name. What
    cannot be written whole leaves no profile behind."""
    number = 1
    while paths.profile(FORK_PROFILES.format(number)).exists():
        number += 1
    profile = FORK_PROFILES.format(number)
    try:
        path = ledger_path(paths, request._replace(profile=profile))
        journal = open_ledger(path, clock=LiveClock(), on_failure=_unheard)
        with contextlib.closing(journal):
            journal.append(list(events)).result()
    except (OSError, PilothouseError):
        shutil.rmtree(paths.profile(profile), ignore_errors=True)
        raise
    return profile


def _unheard(failure: object) -> None:
    """The append raises the same."""


def find_recording(captures: Sequence[Path], paths: Paths) -> list[Path]:
    """Files and folders as they are named, or a recording by the name that `data list` shows.
    BadInput where there are none."""
    if not captures:
        remedy = "name the recording to play back: `pilothouse data list` shows what there is"
        raise BadInput("--capture", "none", remedy)
    catalogue = paths.data / "catalogue"
    return [
        catalogue / path if not path.exists() and (catalogue / path).is_dir() else path
        for path in captures
    ]


def check_speed(speed: Decimal) -> None:
    """BadInput beyond what the time line can be set to."""
    if not SPEEDS[0] <= speed <= SPEEDS[-1]:
        raise BadInput("--speed", str(speed), f"must be between {SPEEDS[0]} and {SPEEDS[-1]}")
