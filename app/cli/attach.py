"""What the shell's commands share: attaching to an engine for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.service.client import RemoteSession
    from app.service.protocol import Wants

DEFAULT_PROFILE = "paper"
ANSWER_S = 5.0
"""How long an engine may take to answer a command of the shell."""

Profile = Annotated[str, typer.Option(help="Which engine: the name of its ledger's folder.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@contextmanager
def attached(profile: str, wants: Wants = "nothing") -> Iterator[RemoteSession]:
    """A session with a first picture; EngineNotRunning when there is no engine."""
    from app.paths import locate
    from app.service.client import RemoteSession
    from app.service.endpoint import endpoint_of
    from app.service.links import SocketRoad

    road = SocketRoad(endpoint_of(locate(), profile))
    session = RemoteSession(road, "shell", wants=wants)
    session.start(ANSWER_S)
    try:
        yield session
    finally:
        session.close()
