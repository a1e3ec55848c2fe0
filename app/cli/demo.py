"""`pilothouse demo`: a market, two bots, and the terminal on top."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import print_json, print_table
from app.faces import look_of, open_face
from app.processes import stop_on_signals
from app.progress import Step
from engine.domain.errors import BadInput, WorkFailed
from engine.domain.money import parse_decimal, plain

if TYPE_CHECKING:
    from app.demo import DemoReport, DemoRequest
    from app.paths import Paths
    from app.settings import UiSettings

app = typer.Typer()

KEPT = "the market stands still, the ledger is kept; the same command goes on"
AGAIN = "\nthe tour again, from its first step: pilothouse demo --tour"
LEAVING = "the demo stops with this window and goes on next time"


@app.command("demo")
def demo(
    headless: Annotated[bool, typer.Option(help="No terminal: trade, then report.")] = False,
    seconds: Annotated[
        str,
        typer.Option(metavar="N", help="Market seconds to trade, from the start of the session."),
    ] = "",
    seed: Annotated[
        int, typer.Option(metavar="N", help="Seed of the generated market.", min=0)
    ] = 1,
    capture: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Trade this recording; again for its further parts."),
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="X", help="Market seconds per second; 0: no waiting.")
    ] = "1",
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the ledger's folder.")
    ] = "demo",
    fresh: Annotated[bool, typer.Option(help="Start a new ledger instead of resuming.")] = False,
    tour: Annotated[
        bool | None,
        typer.Option(help="Begin with the tour; without a word, the first time it does."),
    ] = None,
    drill: Annotated[
        str,
        typer.Option(
            metavar="SCENARIO", help="Train on the drill exchange: crash, ban ...; or a fault file."
        ),
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON document (headless).")] = False,
) -> None:
    """Watch two bots trade a generated or recorded market on paper, and take the helm."""
    from app.demo import DemoRequest, set_aside
    from app.paths import check_profile, locate
    from app.scenarios import paper_scenario
    from app.settings import load_settings

    settings = load_settings()
    market_speed = parse_decimal("--speed", speed)
    if not 0 <= market_speed <= 100_000:
        raise BadInput("--speed", speed, "must be between 0 and 100000")
    length = parse_decimal("--seconds", seconds) if seconds else None
    if length is not None and length <= 0:
        raise BadInput("--seconds", seconds, "must be greater than zero")
    if json and not headless:
        raise BadInput("--json", "without --headless", "add --headless, or leave --json out")
    if drill:
        from app.cli.practice import practise

        if capture or fresh or tour or speed != "1" or profile != "demo":
            words = "goes with --seed, --seconds, --headless and --json only"
            raise BadInput("--drill", drill, words)
        practise(drill, seed, length, headless=headless, json=json)
        return
    request = DemoRequest(
        scenario=paper_scenario(settings.paper),
        limits=settings.risk,
        capital=settings.paper.capital,
        captures=capture or (),
        seed=seed,
        speed=market_speed,
        seconds=length,
        profile=check_profile(profile),
    )
    paths = locate()
    if fresh:
        set_aside(request, paths)
    if headless:
        _headless(request, paths, json)
    else:
        with_tour = _wants_tour(tour, request, paths)
        run_terminal(request, paths, settings.ui, tour=with_tour)
        print(f"left: {KEPT}{AGAIN if with_tour else ''}")


def _wants_tour(asked: bool | None, request: DemoRequest, paths: Paths) -> bool:
    """The tour is offered once: to whoever has never had a ledger here, on a generated market."""
    if asked is not None:
        if asked and request.captures:
            raise BadInput("--tour", "with --capture", "the tour needs the generated market")
        return asked
    return not request.captures and not paths.profile(request.profile).exists()


def _headless(request: DemoRequest, paths: Paths, json: bool) -> None:
    from app.demo import run_headless

    report = run_headless(request, paths, stop_on_signals)
    if json:
        print_json(report)
    else:
        _print_report(report)


def run_terminal(request: DemoRequest, paths: Paths, ui: UiSettings, *, tour: bool) -> None:
    from app.demo import session_with_engine

    if not sys.stdout.isatty():
        raise BadInput("terminal", "none", "the demo needs one; add --headless to run without")
    session = session_with_engine(request, paths)
    with Step("opening the market"):
        session.start()
    try:
        open_face(
            "tui",
            session,
            leaving=LEAVING,
            profile=request.profile,
            tour=tour,
            **look_of(ui, paths),
        )
    finally:
        has_stopped = session.stop()
    if session.failure():
        raise WorkFailed(session.failure())
    if not has_stopped:
        raise WorkFailed("engine: still busy closing its ledger: it will be checked at next start")


def _print_report(report: DemoReport) -> None:
    rows = [
        ("market", report.world),
        ("market events", f"{report.market_events:,}"),
        ("orders / fills / denied", f"{report.orders} / {report.fills} / {report.denied}"),
        ("profit or loss", f"{plain(report.equity)} {report.settle}"),
        ("fees", f"{plain(report.fees)} {report.settle}"),
        ("ledger", f"{report.ledger}{' (resumed)' if report.resumed else ''}"),
        ("memory", f"{report.resident_mb} MB"),
    ]
    print_table(("figure", "value"), rows)
    columns = ("bot", "strategy", "helm", "position lots", "pnl", "fills")
    keys = ("bot_id", "strategy", "helm", "position_lots", "pnl", "fills")
    print()
    print_table(columns, [[bot[key] for key in keys] for bot in report.bots], right=columns[3:])
