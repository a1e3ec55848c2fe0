"""What a gesture asks of the face: the desk decides, the face performs."""

from __future__ import annotations

from typing import NamedTuple

from engine.domain.commands import AnyCommand
from engine.domain.replay import AnyReplayWish


class Submit(NamedTuple):
    """Hand this to the session."""

    command: AnyCommand


class Open(NamedTuple):
    """Open a dialog, by its name in `ui_tui.screens`."""

    dialog: str


class Show(NamedTuple):
    """Show a view, by its name in `ui_tui.screens.views`."""

    view: str


class Focus(NamedTuple):
    """Move to the pane of that name, if it is on the screen."""

    pane: str


class Turn(NamedTuple):
    """Move to the next (+1) or previous (-1) pane."""

    step: int


class Wake(NamedTuple):
    """Call `tick` once after this time: a held press is waiting."""

    after_ns: int


class Maximise(NamedTuple):
    """Show the focused pane alone, or all of them again."""


class Less(NamedTuple):
    """Escape with nothing left to drop: restore what is maximised."""


class Fetch(NamedTuple):
    """Ask the shelf for `topic` of `ident` beside the screen; `Desk.fetched` takes the answer."""

    topic: str
    ident: str


class Crash(NamedTuple):
    """Press the market's crash button."""


class Steer(NamedTuple):
    """Ask something of a replay's time."""

    wish: AnyReplayWish


class TakeToken(NamedTuple):
    """Become the face that may add risk."""


class StopEngine(NamedTuple):
    """Stop the engine, and end the face."""


class Ring(NamedTuple):
    """Ring the terminal's bell once."""


class Leave(NamedTuple):
    """End the face."""


Effect = (
    Submit
    | Open
    | Show
    | Focus
    | Turn
    | Wake
    | Maximise
    | Less
    | Fetch
    | Crash
    | Steer
    | TakeToken
    | StopEngine
    | Ring
    | Leave
)
