"""Owned tasks and threads: whoever starts one hears of its death.

An asyncio task that raises keeps its exception until somebody asks, and a thread prints to a
stream nobody reads. Here every failure is logged, stored and handed to the owner's callback.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, NamedTuple

from engine.domain.errors import TimedOut

log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """`name` of the task or thread and what ended it."""

    name: str
    error: BaseException


OnFailure = Callable[[Failure], None]


class Returned(Exception):
    """A task that has to run as long as its owner came back as if its work were done."""


class TaskOwner:
    """Runs named tasks; use as `async with TaskOwner("engine", on_failure=...) as owner:`.

    Leaving cancels what still runs and waits up to `deadline_s`; a task that ignores its
    cancellation for longer is left behind and reported as a failure with TimedOut.
    `on_failure` runs in the event loop, once per failure, and must not block.
    """

    def __init__(self, name: str, on_failure: OnFailure, *, deadline_s: float = 5.0) -> None:
        self._name = name
        self._on_failure = on_failure
        self._deadline_s = deadline_s
        self._tasks: set[asyncio.Task[Any]] = set()
        self._may_return: set[asyncio.Task[Any]] = set()
        self._is_closing = False
        self.failures: list[Failure] = []

    def start(
        self, name: str, work: Coroutine[Any, Any, object], *, may_return: bool = False
    ) -> asyncio.Task[Any]:
        """Start `work`. Unless it `may_return`, coming back is a failure too: a feed that has
        quietly stopped reading is as dead as one that raised."""
        assert not self._is_closing, f"{self._name}: starting {name} while stopping"
        task = asyncio.create_task(work, name=f"{self._name}.{name}")
        self._tasks.add(task)
        if may_return:
            self._may_return.add(task)
        task.add_done_callback(self._ended)
        return task

    async def cancel_all(self) -> None:
        """Cancel every task and wait for them, at most `deadline_s` together."""
        self._is_closing = True
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, stubborn = await asyncio.wait(tasks, timeout=self._deadline_s)
            for task in stubborn:
                text = f"{task.get_name()} ignored its cancellation for {self._deadline_s:g} s"
                self._fail(task, TimedOut(text))

    async def __aenter__(self) -> TaskOwner:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.cancel_all()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        may_return = task in self._may_return
        self._may_return.discard(task)
        if task.cancelled():
            if not self._is_closing and not may_return:
                self._fail(task, asyncio.CancelledError("cancelled by somebody else"))
            return
        error = task.exception()
        if error is not None:
            self._fail(task, error)
        elif not may_return and not self._is_closing:
            self._fail(task, Returned(f"{task.get_name()} came back"))

    def _fail(self, task: asyncio.Task[Any], error: BaseException) -> None:
        failure = Failure(task.get_name(), error)
        self.failures.append(failure)
        _announce(failure, self._on_failure)


class OwnedThread:
    """A thread under the same contract. `work` gets an event and returns soon after it is set.

    `on_failure` runs in the dying thread.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[threading.Event], None],
        on_failure: OnFailure,
    ) -> None:
        self.name = name
        self.failure: Failure | None = None
        self._work = work
        self._on_failure = on_failure
        self._stopping = threading.Event()
        # Daemon: a stuck thread must not keep a stopping process alive. Whoever has something to
        # lose stops the thread and looks at the answer.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def release(self) -> None:
        """Its work may come back from now on; somebody is about to tell it to."""
        self._stopping.set()

    def stop(self, deadline_s: float = 5.0) -> None:
        """Ask the thread to end and wait for it. TimedOut when it does not within the deadline."""
        self._stopping.set()
        self._thread.join(deadline_s)
        if self._thread.is_alive():
            raise TimedOut(f"thread {self.name} did not stop within {deadline_s:g} s")

    def report(self, error: BaseException) -> None:
        """For `work` itself: tell the owner of a failure that the thread outlives."""
        self.failure = Failure(self.name, error)
        _announce(self.failure, self._on_failure)

    def _run(self) -> None:
        try:
            self._work(self._stopping)
        except BaseException as error:  # noqa: BLE001 - whatever it was, the owner must hear of it
            self.report(error)
        else:
            if not self._stopping.is_set():
                self.report(Returned(f"thread {self.name} came back"))


def _announce(failure: Failure, on_failure: OnFailure) -> None:
    log.critical("%s failed: %s", failure.name, failure.error, exc_info=failure.error)
    try:
        on_failure(failure)
    except Exception:
        # The owner's callback must not hide the first failure behind a second.
        log.critical("the owner of %s could not handle its failure", failure.name, exc_info=True)
