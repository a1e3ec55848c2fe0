"""`pilothouse replay`: a recording on the screens of the terminal, with time in your hands."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.faces import look_of, open_face
from app.progress import Step
from engine.domain.errors import BadInput, WorkFailed
from engine.domain.money import parse_decimal

app = typer.Typer()

LEAVING = "the replay ends with this window; forks are kept"


@app.command("replay")
def replay(
    capture: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="A capture, its parts, or a recording as `data list` names it.",
        ),
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="X", help="Market seconds per second, 0.1 to 1000.")
    ] = "1",
) -> None:
    """Play a recording back: stop, step, seek, jump to your fills, fork to paper from anywhere."""
    from app.cli.demo import run_terminal
    from app.demo import DemoRequest
    from app.paths import locate
    from app.replay import check_speed, find_recording, replay_session
    from app.scenarios import paper_scenario
    from app.settings import load_settings

    settings = load_settings()
    market_speed = parse_decimal("--speed", speed)
    check_speed(market_speed)
    paths = locate()
    captures = find_recording(capture or (), paths)
    if not sys.stdout.isatty():
        raise BadInput("terminal", "none", "a replay needs one; try: pilothouse backtest run")
    request = DemoRequest(
        scenario=paper_scenario(settings.paper),
        limits=settings.risk,
        capital=settings.paper.capital,
        captures=captures,
        speed=market_speed,
    )
    session = replay_session(request, paths)
    with Step("opening the recording"):
        session.start()
    try:
        open_face("tui", session, leaving=LEAVING, profile="replay", **look_of(settings.ui, paths))
    finally:
        session.stop()
    if session.failure():
        raise WorkFailed(session.failure())
    shot = session.snapshot()
    if shot is not None and shot.replay is not None and shot.replay.forked:
        # Not as fast as it began: at the speed that the person sees now.
        fork = request._replace(profile=shot.replay.forked, speed=shot.speed)
        run_terminal(fork, paths, settings.ui, tour=False)
        files = " ".join(f"--capture {shlex.quote(str(path))}" for path in captures)
        print(f"{fork.profile} goes on with: pilothouse demo {files} --profile {fork.profile}")
