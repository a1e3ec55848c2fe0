"""`pilothouse engine`: the service, its systemd unit, `stop`, and `bridge`, its end for ssh."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.attach import DEFAULT_PROFILE, STOP_S, Json, Profile, attached, is_group_call
from app.cli.output import print_error, print_json
from app.processes import stop_on_signals
from engine.domain.errors import BadInput, EngineNotRunning, TimedOut, WorkFailed
from engine.domain.money import parse_decimal

if TYPE_CHECKING:
    from app.demo import DemoRequest
    from app.service.protocol import Bye

app = typer.Typer(invoke_without_command=True)

_LOOK_S = 0.05

Capture = Annotated[
    list[Path] | None,
    typer.Option(metavar="PATH", help="Trade this recording; again for its further parts."),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of the generated market.", min=0)]
Speed = Annotated[str, typer.Option(metavar="X", help="Market seconds per second; 0: no waiting.")]


Live = Annotated[bool, typer.Option("--live", help="Trade with real money.")]
Venue = Annotated[str, typer.Option(metavar="VENUE", help="Where: binance_spot, binance_usdm.")]
Symbol = Annotated[
    list[str] | None,
    typer.Option(metavar="SYMBOL", help="What, as the venue calls it; again for more."),
]
Drill = Annotated[
    bool, typer.Option("--drill", help="Trade on the drill exchange that runs on this machine.")
]
DrillDirectory = Annotated[
    Path | None,
    typer.Option("--dir", metavar="DIR", help="Where that exchange runs, if it was given a --dir."),
]


@app.callback()
def engine(
    context: typer.Context,
    profile: Profile = DEFAULT_PROFILE,
    paper: Annotated[bool, typer.Option("--paper", help="Trade on paper (the default).")] = False,
    live: Live = False,
    drill: Drill = False,
    directory: DrillDirectory = None,
    venue: Venue = "",
    symbol: Symbol = None,
    capture: Capture = None,
    seed: Seed = 1,
    speed: Speed = "1",
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", help="Start it again after a crash: 10 s later, 5 times in 10 minutes."
        ),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Put the present ledger aside and start a new one.")
    ] = False,
) -> None:
    """Trade in the foreground and let faces attach; Ctrl+C or SIGTERM stops it gracefully."""
    if is_group_call(context):
        return
    if live and paper:
        raise BadInput("--live", "with --paper", "choose one of them")
    if restart and fresh:
        raise BadInput("--fresh", "with --restart", "a restart must find its ledger: run it once")
    if live or drill:
        from app.cli.engine_live import Wish, run_live, supervise_live

        if fresh or capture:
            raise BadInput("--fresh" if fresh else "--capture", "with --live", "is for paper only")
        chosen = _chosen_profile(context, profile)
        wish = Wish(chosen, live, drill, directory, venue, tuple(symbol or ()))
        if restart:
            raise typer.Exit(supervise_live(wish))
        print(run_live(wish, stop_on_signals))
        return
    for name, given in (("--venue", venue), ("--symbol", symbol), ("--dir", directory)):
        if given:
            raise BadInput(name, "on paper", "add --live or --drill")
    if restart:  # The engine itself checks the rest.
        raise typer.Exit(_supervise(profile, capture, seed, speed))
    request = _request(profile, capture, seed, speed)
    from app import logs
    from app.demo import set_aside
    from app.paths import locate
    from app.service.host import HostedDemo, serve
    from app.settings import load_settings

    logs.start(f"engine-{profile}", load_settings().log.level)
    if fresh:
        set_aside(request, locate())
    paths = locate()
    make = lambda server: HostedDemo(request, paths, server)  # noqa: E731
    print(serve(make, paths, profile, stop_on_signals, print_error))


def _chosen_profile(context: typer.Context, profile: str) -> str:
    """What the person has named; "" where it is only the default of paper."""
    source = context.get_parameter_source("profile")
    return profile if source is not None and source.name == "COMMANDLINE" else ""


def _request(profile: str, capture: list[Path] | None, seed: int, speed: str) -> DemoRequest:
    """What to trade, checked; BadInput or ConfigError when it cannot be."""
    from app.demo import DemoRequest
    from app.paths import check_profile, locate
    from app.scenarios import paper_scenario
    from app.secrets.index import refuse_live
    from app.settings import load_settings

    refuse_live(locate(), check_profile(profile))
    market_speed = parse_decimal("--speed", speed)
    if not 0 <= market_speed <= 100_000:
        raise BadInput("--speed", speed, "must be between 0 and 100000")
    settings = load_settings()
    return DemoRequest(
        scenario=paper_scenario(settings.paper),
        limits=settings.risk,
        capital=settings.paper.capital,
        captures=capture or (),
        seed=seed,
        speed=market_speed,
        profile=check_profile(profile),
    )


def _options(profile: str, capture: list[Path] | None, seed: int, speed: str) -> list[str]:
    """The command line that asks for the same engine from any folder."""
    options = ["engine", "--profile", profile]
    for path in capture or ():
        options += ["--capture", str(path.resolve())]
    if not capture:
        options += ["--seed", str(seed)]
    return [*options, "--speed", speed]


def _supervise(profile: str, capture: list[Path] | None, seed: int, speed: str) -> int:
    from app.paths import locate
    from app.service.endpoint import endpoint_of, kept
    from app.service.launch import command_line
    from app.service.supervise import Supervisor
    from engine.core.clock import LiveClock

    command = [*command_line(), *_options(profile, capture, seed, speed)]
    with kept(endpoint_of(locate(), profile)):
        return Supervisor(command, LiveClock(), print_error).run()


# -- systemd -----------------------------------------------------------------------------------


@app.command("install")
def install(
    context: typer.Context,
    profile: Profile = DEFAULT_PROFILE,
    capture: Capture = None,
    seed: Seed = 1,
    speed: Speed = "1",
    live: Live = False,
    venue: Venue = "",
    symbol: Symbol = None,
) -> None:
    """Write a systemd user unit that runs this engine at every boot, and say how to start it."""
    from app.service.launch import command_line
    from app.service.unit import unit_path, unit_text, write_unit

    if sys.platform != "linux":
        raise BadInput("install", sys.platform, "only Linux has systemd; see engine --restart")
    if live:
        from app.cli.engine_live import Wish, install_live

        chosen = _chosen_profile(context, profile)
        install_live(Wish(chosen, True, False, None, venue, tuple(symbol or ())))
        return
    if venue or symbol:
        raise BadInput("--venue" if venue else "--symbol", "on paper", "add --live")
    _request(profile, capture, seed, speed)  # What cannot run is not installed.
    path = unit_path(profile)
    command = [*command_line(), *_options(profile, capture, seed, speed)]
    write_unit(path, unit_text(profile, command))
    print_installed(path)


def print_installed(path: Path) -> None:
    """How to start what was written there."""
    print(f"written: {path}")
    print("start it now and at every login:")
    print(f"  systemctl --user daemon-reload && systemctl --user enable --now {path.stem}")
    print("keep it running while you are logged out:")
    print("  loginctl enable-linger")
    print("what it says:")
    print(f"  journalctl --user -u {path.stem}")


@app.command("uninstall")
def uninstall(profile: Profile = DEFAULT_PROFILE) -> None:
    """Remove the systemd user unit; an engine that runs is not touched."""
    from app.paths import check_profile
    from app.service.unit import remove_unit, unit_path

    path = unit_path(check_profile(profile))
    remove_unit(path)
    print(f"removed: {path}")
    print(f"stop what it started: systemctl --user disable --now {path.stem}")


# -- a running engine --------------------------------------------------------------------------


@app.command("stop")
def stop(profile: Profile = DEFAULT_PROFILE, json: Json = False) -> None:
    """Stop the engine gracefully: its ledger is closed, and it says what it leaves behind."""
    from app.service.protocol import LOCKED, SCHEMA_DIFFERS, Refused

    try:
        with attached(profile, topics=()) as session:
            session.stop_engine()
            bye = session.wait_gone(STOP_S)
    except EngineNotRunning:
        if not _stop_by_signal(profile, "which was still opening", json=json):
            raise
        return
    except Refused as refused:
        if refused.code == SCHEMA_DIFFERS and _stop_by_signal(
            profile, "of another build: its output says what it leaves", json=json
        ):
            return
        if refused.code != LOCKED:
            raise
        bye = _stop_locked(profile)
    if bye.report is None:
        raise WorkFailed(bye.words or "engine gone without a word: its ledger is checked at start")
    if json:
        print_json(bye.report)
    else:
        print(bye.words)


def _stop_by_signal(profile: str, which: str, *, json: bool) -> bool:
    """An engine that cannot be spoken to ends gracefully by a signal as well: said, once it has.
    False where there is none, TimedOut when it stays."""
    from app.paths import locate
    from app.service.endpoint import claimant, endpoint_of, keeper

    endpoint = endpoint_of(locate(), profile)
    find = claimant if claimant(endpoint) else keeper
    pid = find(endpoint)
    if find is keeper:
        which = "which would have started it again"
    if not pid or sys.platform == "win32":  # A signal kills there.
        return False
    os.kill(pid, signal.SIGTERM)
    for _ in range(int(STOP_S / _LOOK_S)):
        if find(endpoint) != pid:
            words = f"stopped: process {pid}, {which}"
            if json:
                print_json({"pid": pid, "words": words})
            else:
                print(words)
            return True
        time.sleep(_LOOK_S)
    raise TimedOut(f"engine: process {pid} did not end within {STOP_S:g} s: see its log")


def _stop_locked(profile: str) -> Bye:
    from app.paths import locate
    from app.service.endpoint import endpoint_of
    from app.service.links import SocketRoad
    from app.service.locked import stop_locked

    return stop_locked(SocketRoad(endpoint_of(locate(), profile)))


@app.command("bridge", hidden=True)
def bridge(
    profile: Profile = DEFAULT_PROFILE,
    start: Annotated[bool, typer.Option("--start", help="Start an engine if none runs.")] = False,
) -> None:
    """Speak the engine's protocol over stdin and stdout; what `--ssh` starts on the other side."""
    from app.paths import locate
    from app.service.bridge import pump
    from app.service.endpoint import endpoint_of

    if sys.stdin.isatty():
        raise BadInput("bridge", "a terminal", "it is started by tui --ssh, not by hand")
    kind = os.fstat(sys.stdin.fileno()).st_mode
    if not stat.S_ISFIFO(kind) and not stat.S_ISSOCK(kind):  # /dev/null of `ssh -n`: it would wait.
        raise BadInput("bridge", "stdin is no pipe", "it is started by tui --ssh, not by hand")
    raise typer.Exit(pump(endpoint_of(locate(), profile), may_start=start))
