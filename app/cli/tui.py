"""`pilothouse tui`: the terminal on a running engine, here or over ssh.

Its help, and its unusual calls; plain ones are read by `app.cli.shortcut`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.attach import DEFAULT_PROFILE, Profile
from engine.domain.errors import BadInput

app = typer.Typer()


@app.command("tui")
def tui(
    profile: Profile = DEFAULT_PROFILE,
    ssh: Annotated[
        str, typer.Option(metavar="USER@HOST", help="Attach to the engine on another machine.")
    ] = "",
    remote: Annotated[
        str,
        typer.Option(metavar="PROGRAM", help="With --ssh: how Pilothouse is called over there."),
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
    if demo:
        from app.cli.demo import demo as run_demo

        if ssh or take_token or start or profile != DEFAULT_PROFILE:
            raise BadInput(
                "--demo", "with other options", "it has an engine and profile of its own"
            )
        run_demo()
        return
    from app.terminal import Call, attach

    print(attach(Call(profile, ssh, remote, take_token, start)))
