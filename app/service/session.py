"""The one door between a face and an engine, wherever that engine runs."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from engine.domain.commands import AnyCommand
from engine.domain.replay import AnyReplayWish
from engine.domain.snapshots import EngineSnapshot

SILENT = "engine silent"
"""How a failure begins where the way to the engine is open, and a wish may still arrive."""
RECONNECTING = "reconnecting"
"""How a failure ends where the engine, as likely as not, goes on without this face."""


class Standing(NamedTuple):
    """Where a face stands among those that look at the same engine."""

    me: str
    """This face as the others see it: `tui@pi 4711`."""
    faces: tuple[str, ...]
    """All of them, in the order they came."""
    holder: str
    """Who may add risk; "" while nobody has asked for it."""
    notices: int = 0
    notice: str = ""
    """News for everybody, the `notices`-th of this engine."""

    @property
    def is_view_only(self) -> bool:
        return self.holder not in ("", self.me)

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(face for face in self.faces if face != self.me)


class Session(Protocol):
    """Faces poll `snapshot` at their own pace and send wishes through `submit`.

    All calls return at once and may be made from the face's thread at any rate.
    """

    def snapshot(self) -> EngineSnapshot | None:
        """The newest published state; None until the engine has published its first."""

    def submit(self, command: AnyCommand) -> None:
        """Hand over a command. What became of it comes back in `EngineSnapshot.receipts`.

        Raises EngineNotRunning when the engine is gone: a wish is never silently lost.
        """

    def new_command_id(self) -> str:
        """A fresh id for a command, unique within the ledger."""

    def crash(self) -> None:
        """Press the generator's crash button; refused quietly where the market is a recording."""

    def steer(self, wish: AnyReplayWish) -> None:
        """Ask something of a replay's time; nothing comes of it where none is played."""

    def failure(self) -> str:
        """Why there is no engine that answers; "" while it does."""

    def standing(self) -> Standing | None:
        """None where the engine belongs to this face alone and ends with it."""

    def take_token(self) -> None:
        """Become the face whose commands may add risk; everybody is told."""

    def stop_engine(self) -> None:
        """Ask an engine that would outlive this face to close its ledger and end."""
