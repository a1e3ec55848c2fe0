"""A session with an engine in this process: its own thread, its own event loop.

The face's thread and the engine's thread meet in two places only: the inbox, and one reference to
the newest snapshot.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from app.service.session import Standing
from engine.core.ids import new_command_id
from engine.core.inbox import Inbox, InboxClosed, InboxFull, Lane, Overflow, Policy
from engine.domain.commands import AnyCommand
from engine.domain.errors import EngineNotRunning, PilothouseError, WorkFailed
from engine.domain.replay import AnyReplayWish
from engine.domain.snapshots import EngineSnapshot

log = logging.getLogger(__name__)

_POLICIES = {
    # A person's wish is never dropped; 1024 waiting commands means the engine stands still.
    "command": Policy(lane=Lane.ORDERS, overflow=Overflow.NEVER_DROP, capacity=1024),
}
_COMMANDS_PER_TURN = 256

Program = Callable[["LocalSession", asyncio.Event], Coroutine[Any, Any, None]]
"""The engine's life: opens, trades until the event is set, closes."""


class LocalSession:
    """Implements `app.service.session.Session` for an engine in a thread of its own."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._inbox: Inbox[AnyCommand] = Inbox(_POLICIES)
        self._snapshot: EngineSnapshot | None = None
        self._failure = ""
        self._error: PilothouseError | None = None
        self._crash_asked = False
        self._wishes: deque[AnyReplayWish] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._shown_or_ended = threading.Event()
        self._thread = threading.Thread(target=self._main, name="engine", daemon=True)

    # -- the face's side -------------------------------------------------------------------------

    def start(self) -> None:
        """Returns once the engine has shown its first picture, or raises why it could not."""
        self._thread.start()
        self._shown_or_ended.wait()
        if self._snapshot is None:
            raise self._error or WorkFailed(self._failure)

    def snapshot(self) -> EngineSnapshot | None:
        return self._snapshot

    def submit(self, command: AnyCommand) -> None:
        try:
            self._inbox.put("command", command)
        except (InboxClosed, InboxFull) as error:
            raise EngineNotRunning(f"engine: {error}: start it again") from error

    def new_command_id(self) -> str:
        return new_command_id()

    def crash(self) -> None:
        self._crash_asked = True

    def steer(self, wish: AnyReplayWish) -> None:
        self._wishes.append(wish)

    def failure(self) -> str:
        return self._failure

    def standing(self) -> Standing | None:
        return None

    def take_token(self) -> None:
        """Nobody else has it."""

    def stop_engine(self) -> None:
        """It ends with the face."""

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Ask the engine to close its ledger and end; False when it did not within the time."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # -- the engine's side -----------------------------------------------------------------------

    def take_commands(self) -> Sequence[AnyCommand]:
        return self._inbox.drain(_COMMANDS_PER_TURN)

    def take_crash(self) -> bool:
        asked, self._crash_asked = self._crash_asked, False
        return asked

    def take_wishes(self) -> Sequence[AnyReplayWish]:
        wishes = []
        while self._wishes:
            wishes.append(self._wishes.popleft())
        return wishes

    def show(self, snapshot: EngineSnapshot) -> None:
        self._snapshot = snapshot
        self._shown_or_ended.set()

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except PilothouseError as error:
            self._error = error
            self._failure = str(error)
        except Exception as error:
            self._failure = f"engine failed: {type(error).__name__}: {error}: see the log"
            log.exception("engine failed")
        finally:
            self._inbox.close()
            self._shown_or_ended.set()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await self._program(self, self._stop)
