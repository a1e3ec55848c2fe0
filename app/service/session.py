"""The one door between a face and an engine, wherever that engine runs."""

from __future__ import annotations

from typing import Protocol

from engine.domain.commands import AnyCommand
from engine.domain.snapshots import EngineSnapshot


class Session(Protocol):
    """Faces poll `snapshot` at their own pace and send wishes through `submit`.

    Both calls return at once and may be made from the face's thread at any rate.
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

    def failure(self) -> str:
        """Why the engine has stopped unexpectedly; "" while it lives."""
