"""`pilothouse engine` and `pilothouse bridge`: the service, and its stdio end for ssh."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.attach import DEFAULT_PROFILE, Json, Profile, attached
from app.cli.output import ExitCode, fail, print_error, print_json
from engine.domain.errors import BadInput, WorkFailed
from engine.domain.money import parse_decimal

app = typer.Typer()

STOP_S = 30.0
"""How long an engine may take to close its ledger."""


@app.command("engine")
def engine(
    profile: Profile = DEFAULT_PROFILE,
    paper: Annotated[bool, typer.Option("--paper", help="Trade on paper (the default).")] = False,
    live: Annotated[bool, typer.Option("--live", help="Trade with real money.")] = False,
    capture: Annotated[
        list[Path] | None,
        typer.Option(help="Trade this recording; again for its further parts."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the generated market.", min=0)] = 1,
    speed: Annotated[str, typer.Option(help="Market seconds per second; 0: no waiting.")] = "1",
) -> None:
    """Trade in the foreground and let faces attach; Ctrl+C or SIGTERM stops it gracefully."""
    from app import logs
    from app.demo import DemoRequest
    from app.paths import check_profile, locate
    from app.scenarios import paper_scenario
    from app.settings import load_settings

    if live and paper:
        raise BadInput("--live", "with --paper", "choose one of them")
    if live:
        fail(ExitCode.CONFIG, "--live: no live venue is set up: leave it out to trade on paper")
    market_speed = parse_decimal("--speed", speed)
    if not 0 <= market_speed <= 100_000:
        raise BadInput("--speed", speed, "must be between 0 and 100000")
    settings = load_settings()
    request = DemoRequest(
        scenario=paper_scenario(settings.paper),
        limits=settings.risk,
        capital=settings.paper.capital,
        captures=capture or (),
        seed=seed,
        speed=market_speed,
        profile=check_profile(profile),
    )
    logs.start(f"engine-{profile}", settings.log.level)
    from app.service.host import serve

    print(serve(request, locate(), _stop_on_signals, print_error))


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


@app.command("stop")
def stop(profile: Profile = DEFAULT_PROFILE, json: Json = False) -> None:
    """Stop the engine gracefully: its ledger is closed, and it says what it leaves behind."""
    with attached(profile) as session:
        session.stop_engine()
        bye = session.wait_gone(STOP_S)
    if bye.report is None:
        raise WorkFailed(bye.words or "engine gone without a word: its ledger is checked at start")
    if json:
        print_json(bye.report)
    else:
        print(bye.words)


@app.command("bridge")
def bridge(profile: Profile = DEFAULT_PROFILE) -> None:
    """Speak the engine's protocol over stdin and stdout; what `--ssh` starts on the other side."""
    from app.paths import locate
    from app.service.bridge import pump
    from app.service.endpoint import endpoint_of

    if sys.stdin.isatty():
        raise BadInput("bridge", "a terminal", "it is started by tui --ssh, not by hand")
    raise typer.Exit(pump(endpoint_of(locate(), profile)))
