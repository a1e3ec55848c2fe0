"""An asyncio loop without a machine: time jumps to the next timer, chance decides who runs first.

Everything that lives in the world runs on one loop: the venue, the person, and the engine's
processes. A process is a name in a context variable that its tasks and callbacks inherit; killing
it means that none of them ever runs again, as after `kill -9`.

Leans on private parts of asyncio (`_ready`, `_scheduled`, `_run_once`, `Handle._run`), which have
been the same from 3.8 on; `test_loop.py` notices when they change.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import threading
import warnings
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn

from engine.core.clock import NS_PER_SECOND
from tests.simulation.chance import Chance

PROCESS: contextvars.ContextVar[str] = contextvars.ContextVar("PROCESS", default="")
"""Which simulated process runs; "" is the world around them."""


class Stalled(Exception):
    """Nothing is ready and no timer is set: whoever is awaited will never come."""


class RealWorld(Exception):
    """Somebody wanted a real socket, thread or process."""


class SimLoop(asyncio.BaseEventLoop):
    """`after_step` runs after every callback, in the world's own name; what it raises ends the
    run and reaches the caller of `run_until_complete`."""

    def __init__(self, chance: Chance) -> None:
        super().__init__()
        self._chance = chance
        self._now_s = 0.0
        self.steps = 0
        self.after_step: Callable[[], None] | None = None
        self._dead: set[str] = set()
        self._tasks: dict[str, dict[int, asyncio.Task[Any]]] = {}
        self._task_count = 0
        self.set_task_factory(self._new_task)

    # -- time ----------------------------------------------------------------------------------

    def time(self) -> float:
        return self._now_s

    def time_ns(self) -> int:
        return round(self._now_s * NS_PER_SECOND)

    # -- one round -----------------------------------------------------------------------------

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        while scheduled and (scheduled[0]._cancelled or self._is_dead(scheduled[0])):
            self._forget(heapq.heappop(scheduled))
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            if not scheduled:
                raise Stalled("nothing is ready and no timer is set")
            self._now_s = max(self._now_s, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._now_s:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        handles = list(ready)
        ready.clear()
        self._chance.shuffle(handles)
        for handle in handles:
            if handle._cancelled or self._is_dead(handle):
                continue
            self.steps += 1
            handle._run()
            if self.after_step is not None:
                self.after_step()

    def _forget(self, handle: asyncio.TimerHandle) -> None:
        handle._scheduled = False  # type: ignore[attr-defined]
        if handle.cancelled():
            self._timer_cancelled_count -= 1

    def _is_dead(self, handle: asyncio.Handle) -> bool:
        return bool(self._dead) and handle._context.get(PROCESS, "") in self._dead  # type: ignore[attr-defined]

    # -- processes -----------------------------------------------------------------------------

    def spawn(self, process: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work`, and everything it starts, as the process of this name."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, process)
        return self.create_task(work, context=context)

    def kill(self, process: str) -> None:
        """Nothing of this process runs any more. What its `finally` blocks do while Python takes
        them apart must not reach the world: detach its disk and its connections first."""
        self._dead.add(process)
        for task in self._tasks.pop(process, {}).values():
            if task.done():
                continue
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with warnings.catch_warnings(), suppress(RuntimeError):
                # What it had made and not awaited yet dies with it; and what awaits while it is
                # taken apart does not get that far in a dead process.
                warnings.simplefilter("ignore", RuntimeWarning)
                task.get_coro().close()  # type: ignore[union-attr]

    def _new_task(
        self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any
    ) -> asyncio.Task[Any]:
        self._task_count += 1
        number = self._task_count
        options.setdefault("name", f"task-{number}")
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        context = options.get("context") or contextvars.copy_context()
        own = self._tasks.setdefault(context.get(PROCESS, ""), {})
        own[number] = task
        task.add_done_callback(lambda _: own.pop(number, None))
        return task

    def finish(self) -> None:
        """Take apart what still runs, and close."""
        for process in list(self._tasks):
            self.kill(process)
        self.close()

    # -- what BaseEventLoop leaves to others ------------------------------------------------------

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no files to be ready."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        if self._thread_id not in (None, threading.get_ident()):  # type: ignore[attr-defined]
            _refuse("a thread")
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        _refuse("a thread")

    async def getaddrinfo(self, *args: Any, **options: Any) -> NoReturn:
        _refuse("a name server")

    async def create_connection(self, *args: Any, **options: Any) -> NoReturn:  # type: ignore[override]
        _refuse("a socket")

    async def create_server(self, *args: Any, **options: Any) -> NoReturn:  # type: ignore[override]
        _refuse("a socket")

    async def create_unix_connection(self, *args: Any, **options: Any) -> NoReturn:
        _refuse("a socket")

    async def create_unix_server(self, *args: Any, **options: Any) -> NoReturn:
        _refuse("a socket")

    def add_reader(self, *args: Any) -> NoReturn:
        _refuse("a file to be ready")

    def add_writer(self, *args: Any) -> NoReturn:
        _refuse("a file to be ready")

    async def subprocess_exec(self, *args: Any, **options: Any) -> NoReturn:
        _refuse("a process")

    async def subprocess_shell(self, *args: Any, **options: Any) -> NoReturn:
        _refuse("a process")


def _refuse(what: str) -> NoReturn:
    raise RealWorld(f"the simulation has no {what.removeprefix('a ')} to give")


class SimTime:
    """A machine's `Clock` over the loop. The wall may be set wrong and stepped; the monotonic one
    counts from the machine's boot and only grows, except while it is suspended."""

    def __init__(self, loop: SimLoop, epoch_ns: int) -> None:
        self._loop = loop
        self._epoch_ns = epoch_ns
        self.skew_ns = 0

    @property
    def true_ns(self) -> int:
        """What the wall would show if it were right."""
        return self._epoch_ns + self._loop.time_ns()

    def now_ns(self) -> int:
        return self.true_ns + self.skew_ns

    def monotonic_ns(self) -> int:
        return self._loop.time_ns()

    async def sleep(self, duration_ns: int) -> None:
        await asyncio.sleep(max(0, duration_ns) / NS_PER_SECOND)
