"""The terminal on an engine: attaches, shows the face, and says what goes on when it is left."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from app.cli.output import ExitCode, print_error
from app.faces import load_face, look_of, open_face
from app.paths import DEFAULT_PROFILE, check_profile, locate
from app.service.endpoint import Endpoint, endpoint_of
from app.settings import UiSettings, load_settings
from app.views.leaving import OUTLIVES
from engine.domain.errors import BadInput, PilothouseError

if TYPE_CHECKING:
    from app.service.client import RemoteSession
    from app.service.links import Road, SocketRoad, SshRoad
    from app.service.protocol import Wants

STOP_S = 30.0
"""How long an engine may take to close its ledger."""


class Call(NamedTuple):
    """What `pilothouse tui` was asked for."""

    profile: str = DEFAULT_PROFILE
    ssh: str = ""
    remote: str = "pilothouse"
    take_token: bool = False
    start: bool = False


def attach(call: Call) -> str:
    """Until the person leaves; the words to leave them with. An engine that waits for its keys
    gets their passphrase first."""
    check_profile(call.profile)
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise BadInput("terminal", "none", "the tui needs one; see status for scripts")
    gc.disable()  # Nearly all that a start makes is kept: the face turns it on with its picture.
    try:
        return _attend(call)
    except PilothouseError as error:
        # Not an import above: the first frame waits for none of the service.
        from app.service.protocol import LOCKED, Refused

        if not isinstance(error, Refused) or error.code != LOCKED:
            raise
        print_error(error)
    _unlock(call)
    return _attend(call)


def _unlock(call: Call) -> None:
    from app.cli.keys import shield
    from app.cli.typed import hidden
    from app.service.links import SocketRoad, SshRoad
    from app.service.locked import unlock_engine

    shield()
    endpoint = endpoint_of(locate(), call.profile)
    road = SshRoad(call.ssh, call.profile, call.remote) if call.ssh else SocketRoad(endpoint)
    unlock_engine(road, lambda: hidden("passphrase of the sealed file", "see keys unlock"))


def _attend(call: Call) -> str:
    paths, ui = locate(), load_settings().ui
    options = {"profile": call.profile, **look_of(ui, paths)}
    endpoint = endpoint_of(paths, call.profile)
    words = None
    if not call.ssh:
        words = _behind_curtain(endpoint, ui, options, take_token=call.take_token)
    if words is None:
        from app.service.links import SocketRoad, SshRoad

        ssh, profile = call.ssh, call.profile
        road = SshRoad(ssh, profile, call.remote) if ssh else SocketRoad(endpoint)
        session = _session(road, profile, take_token=call.take_token, may_start=call.start)
        words = _show(session, {**options, "afar": session.story} if ssh else options)
    there = f" --ssh {call.ssh}" if call.ssh else ""
    again = f"pilothouse tui --profile {call.profile}{there}"
    return words or f"left: {OUTLIVES}; attach again with: {again}"


def _show(session: RemoteSession, options: dict[str, Any]) -> str:
    """Until the person leaves; the engine's last words where it was asked to end."""
    try:
        open_face("tui", session, leaving=OUTLIVES, **options)
        return session.wait_gone(STOP_S).words if session.is_stopping else ""
    finally:
        session.close()


def _behind_curtain(
    endpoint: Endpoint, ui: UiSettings, options: dict[str, Any], *, take_token: bool
) -> str | None:
    """As `_show`, with a first frame at once; None where no engine seems to run, so that there
    are questions to ask first. The face loads while the engine answers."""
    from app.curtain import Curtain, has_curtain

    if not has_curtain() or not endpoint.door_path.exists():
        return None
    words = f"attaching to the engine of profile {endpoint.profile} ..."
    with Curtain(words, ui.palette, ascii_only=ui.ascii) as curtain:
        from app.service.client import RemoteSession
        from app.service.links import SocketRoad

        wants = _wants(take_token)
        session = RemoteSession(SocketRoad(endpoint), "tui", wants=wants)
        session.call()
        try:
            load_face("tui")
            session.start()
        except PilothouseError as error:
            session.close()
            if error.exit_code != ExitCode.NO_ENGINE:
                raise
            return None
        return _show(session, {**options, "take_over": curtain.hand_over})


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
    from app.progress import Step

    with Step("starting the engine") as step:
        if isinstance(road, SshRoad):
            road.may_start = True
            return _attach(road, take_token)
        from app.service.launch import start_engine

        start_engine(profile, step.tick)
    return _attach(road, take_token)


def _is_starting(profile: str) -> bool:
    """Whether an engine was about to open; it is open when this returns."""
    from app.progress import Step
    from app.service.endpoint import claimant, keeper
    from app.service.launch import wait_for_engine

    endpoint = endpoint_of(locate(), profile)
    if not claimant(endpoint) and not keeper(endpoint):
        return False
    with Step("waiting for the engine to open") as step:
        wait_for_engine(profile, step.tick)
    return True


def _attach(road: Road, take_token: bool) -> RemoteSession:
    from app.service.client import RemoteSession

    session = RemoteSession(road, "tui", wants=_wants(take_token))
    session.start()
    return session


def _wants(take_token: bool) -> Wants:
    return "over" if take_token else "free"


def _wants_engine(profile: str, where: str) -> bool:
    import typer

    question = f"No engine runs for profile {profile}{where}. Start one that keeps running?"
    try:
        return typer.confirm(question, default=True, err=True)
    except typer.Abort:  # Ctrl+C and Ctrl+D are answers, too.
        typer.echo(err=True)
        return False
