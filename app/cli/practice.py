"""`pilothouse demo --drill SCENARIO`: the demo's screens while faults strike."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from decimal import Decimal
from types import FrameType

from app.cli.output import print_json, print_table
from app.faces import look_of, open_face
from app.paths import locate
from app.practice import PROFILE, Practice
from app.processes import endings
from app.progress import Step
from app.settings import load_settings
from engine.domain.errors import BadInput

LEAVING = "the drill exchange and its engine stop with this window"
HEADLESS_S = Decimal(60)
"""How long a practice without a terminal lasts where nobody says."""


def practise(
    scenario: str, seed: int, seconds: Decimal | None, *, headless: bool, json: bool
) -> None:
    """Until the person leaves, or the seconds are over."""
    if not headless and not sys.stdout.isatty():
        raise BadInput("terminal", "none", "the demo needs one; add --headless to run without")
    paths, ui = locate(), load_settings().ui
    practice = Practice(scenario, seed, paths)
    # A closed window ends the exchange and the engine as well: nothing may stay behind unseen.
    for number in _endings():
        signal.signal(number, _leave)
    with ExitStack() as stack:
        with Step(f"opening the drill exchange and an engine, {practice.plan.name}"):
            stack.enter_context(practice)
        if not headless:
            look = look_of(ui, paths)
            open_face(
                "tui", practice.session, leaving=LEAVING, outlives=False, profile=PROFILE, **look
            )
            return
        time.sleep(float(HEADLESS_S if seconds is None else seconds))
        report = practice.report()
    if json:
        print_json(report)
    else:
        rows = [(name, str(getattr(report, name))) for name in report.__struct_fields__]
        print_table(("figure", "value"), rows)


def _endings() -> list[signal.Signals]:
    """Ctrl+C has its own way: it is an exception."""
    return [one for one in endings() if one is not signal.SIGINT]


def _leave(number: int, frame: FrameType | None) -> None:
    for one in _endings():
        signal.signal(one, signal.SIG_IGN)  # Leaving takes some seconds.
    raise SystemExit(128 + number)
