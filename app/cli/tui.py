"""`pilothouse tui`: the terminal on a running engine, here or over ssh."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.attach import DEFAULT_PROFILE, STOP_S, Profile
from app.cli.output import ExitCode
from app.faces import look_of, open_face
from app.progress import Step
from engine.domain.errors import BadInput, PilothouseError

if TYPE_CHECKING:
    from app.service.client import RemoteSession
    from app.service.links import Road, SocketRoad, SshRoad

app = typer.Typer()

LEAVING = "the engine and its bots keep running"


@app.command("tui")
def tui(
    profile: Profile = DEFAULT_PROFILE,
    ssh: Annotated[
        str, typer.Option(metavar="USER@HOST", help="Attach to the engine on another machine.")
    ] = "",
    remote: Annotated[
        str, typer.Option(help="With --ssh: how Pilothouse is called over there.")
    ] = "pilothouse",
    take_token: Annotated[
        bool, typer.Option("--take-token", help="Take the trade token over from another face.")
    ] = False,
    start: Annotated[
        bool, typer.Option("--start", help="Start an engine without asking if none runs.")
    ] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="A generated market that ends with this terminal.")
    ] = False,
) -> None:
    """Attach the terminal to an engine; leaving it leaves the engine and its bots running."""
    from app.paths import check_profile, locate
    from app.service.endpoint import endpoint_of
    from app.service.links import SocketRoad, SshRoad
    from app.settings import load_settings

    if demo:
        from app.cli.demo import demo as run_demo

        if ssh or take_token or start or profile != DEFAULT_PROFILE:
            raise BadInput(
                "--demo", "with other options", "it has an engine and profile of its own"
            )
        run_demo()
        return
    check_profile(profile)
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise BadInput("terminal", "none", "the tui needs one; see status for scripts")
    paths, ui = locate(), load_settings().ui
    road = SshRoad(ssh, profile, remote) if ssh else SocketRoad(endpoint_of(paths, profile))
    session = _session(road, profile, take_token=take_token, may_start=start)
    try:
        open_face(
            "tui",
            session,
            leaving=LEAVING,
            profile=profile,
            is_local=not ssh,
            **look_of(ui, paths),
        )
        if session.is_stopping:
            print(session.wait_gone(STOP_S).words)
            return
    finally:
        session.close()
    there = f" --ssh {ssh}" if ssh else ""
    print(f"left: {LEAVING}; attach again with: pilothouse tui --profile {profile}{there}")


def _session(
    road: SocketRoad | SshRoad, profile: str, *, take_token: bool, may_start: bool
) -> RemoteSession:
    """Attached, to an engine that is started first if none runs and that is wanted."""
    from app.service.links import SshRoad

    try:
        return _attach(road, take_token)
    except PilothouseError as error:
        if error.exit_code != ExitCode.NO_ENGINE:
            raise
        if not isinstance(road, SshRoad) and _is_starting(profile):
            return _attach(road, take_token)
        where = f" on {road.target}" if isinstance(road, SshRoad) else ""
        if not (may_start or _wants_engine(profile, where)):
            raise
    with Step("starting the engine") as step:
        if isinstance(road, SshRoad):
            road.may_start = True
            return _attach(road, take_token)
        from app.service.launch import start_engine

        start_engine(profile, step.tick)
    return _attach(road, take_token)


def _is_starting(profile: str) -> bool:
    """Whether an engine was about to open; it is open when this returns."""
    from app.paths import locate
    from app.service.endpoint import claimant, endpoint_of
    from app.service.launch import wait_for_engine

    if not claimant(endpoint_of(locate(), profile)):
        return False
    with Step("waiting for the engine to open") as step:
        wait_for_engine(profile, step.tick)
    return True


def _attach(road: Road, take_token: bool) -> RemoteSession:
    from app.service.client import RemoteSession

    session = RemoteSession(road, "tui", wants="over" if take_token else "free")
    session.start()
    return session


def _wants_engine(profile: str, where: str) -> bool:
    question = f"No engine runs for profile {profile}{where}. Start one that keeps running?"
    return typer.confirm(question, default=True, err=True)
