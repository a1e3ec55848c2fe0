"""Contains a strategy callback that does not come back.

    with watchdog.guard("grid-1"):
        commands = strategy.on_book(view)

One watcher thread looks at the clock; when a guarded block has run for longer than the limit, it
raises `StrategyHung` inside the engine thread, which interrupts any Python loop. Code that never
returns to the interpreter (a C call, a kernel) cannot be interrupted; for that there is `on_stuck`.

Why a late exception cannot leak out of the `with` block, lock-free:

* The watcher fires at most once per guarded block, and announces it (`_firing`) *before* it checks
  that the block is still running (`_running`). Leaving clears `_running` *before* it looks at
  `_firing`. Whatever the interleaving, either the watcher sees that the block has ended and does
  not fire, or the leaving thread sees the announcement, waits until the shot has been fired and
  takes it back. (The GIL makes these plain reads and writes sequentially consistent.)
* If the exception arrives while leaving is under way, leaving is cut short by it: it surfaces at
  the `with` statement like any other, and as there is only one per block, nothing can follow.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from engine.core.clock import Clock, LiveClock

log = logging.getLogger(__name__)

_TICKS_PER_LIMIT = 8
_JUMPS = 100
_IDLE_TICKS = 40
"""Ticks without any guarded block after which the watcher sleeps until it is needed."""


class StrategyHung(BaseException):
    """A guarded callback ran over its limit. BaseException, so that a strategy's own
    `except Exception` cannot swallow it; the runner catches it by name."""

    def __str__(self) -> str:
        return super().__str__() or "the callback ran longer than its limit"


class Watchdog:
    """Guards the callbacks of one engine thread; blocks must not be nested.

    `limit_s` is the time a block may take. `on_stuck(name)` is called once, from the watcher's
    thread, when a block is still running twice the limit after it was interrupted: it sits in C
    code or swallowed the exception, and only the owner of the process can help.
    """

    def __init__(
        self,
        limit_s: float = 1.0,
        *,
        on_stuck: Callable[[str], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        assert limit_s > 0, limit_s
        self._limit_ns = int(limit_s * 1e9)
        self._tick_s = limit_s / _TICKS_PER_LIMIT
        self._on_stuck = on_stuck
        self._monotonic_ns = (clock or LiveClock()).monotonic_ns
        self._name = ""
        self._block = 0
        """Number of the newest block."""
        self._running = 0
        """Number of the block that runs now, 0 between blocks."""
        self._is_held = False
        self._owed = 0
        """Block whose interruption was held back."""
        self._firing = 0
        """Block that the watcher is about to interrupt."""
        self._fired = 0
        """Last block that the watcher is done interrupting."""
        self._started_ns = 0
        self._thread_id = 0
        self._is_asleep = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._watcher.start()

    # -- engine thread -----------------------------------------------------------------------

    def guard(self, name: str) -> Watchdog:
        """Use as `with watchdog.guard(name):`. `name` appears in the StrategyHung."""
        self._name = name
        return self

    def __enter__(self) -> None:
        # A block whose leaving was cut short by its own StrategyHung is still on record.
        assert self._running in (0, self._firing), f"guard({self._name}) inside another one"
        self._started_ns = self._monotonic_ns()
        self._thread_id = threading.get_ident()
        self._block += 1
        self._running = self._block
        if self._is_asleep:
            self._wake.set()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        block = self._running
        self._running = 0
        self._is_held = False
        if self._firing == block:
            self._take_back(block)
        if isinstance(error, StrategyHung) and not error.args:
            error.args = (f"{self._name}: still running after {self._limit_ns / 1e9:g} s",)

    def hold(self) -> None:
        """Inside a guarded block: from here to `release` the engine's own code runs and must not
        be cut in half. A shot that is in the air lands in here, before that code has begun."""
        self._is_held = True
        block = self._running
        while block and self._firing == block and self._fired != block:
            time.sleep(0)
        if block and self._fired == block:
            # Fired, but perhaps not arrived: it does at one of the next jumps backwards.
            for _ in range(_JUMPS):
                pass

    def release(self) -> None:
        """Foreign code runs again. An interruption that was held back is waited for, in here."""
        self._is_held = False
        while self._owed and self._owed == self._running:
            time.sleep(self._tick_s / 16)

    def _take_back(self, block: int) -> None:
        """Make sure that no shot at `block` is in the air. The shot may land in here."""
        while self._fired != block:
            time.sleep(0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread_id), None)

    # -- watcher thread ----------------------------------------------------------------------

    def close(self) -> None:
        """End the watcher thread."""
        self._closing.set()
        self._wake.set()
        self._watcher.join()

    def _watch(self) -> None:
        seen_block = seen_ticks = idle_ticks = 0
        while not self._closing.is_set():
            block = self._running
            idle_ticks = idle_ticks + 1 if self._block == seen_block and not block else 0
            seen_ticks = seen_ticks + 1 if block and block == seen_block else 0
            seen_block = self._block
            if idle_ticks > _IDLE_TICKS:
                self._sleep_until_armed()
                idle_ticks = 0
                continue
            # Elapsed time alone would blame the strategy for a suspended machine: the watcher
            # itself must have seen the block run for most of the limit.
            overdue_ns = self._monotonic_ns() - self._started_ns - self._limit_ns
            if seen_ticks >= _TICKS_PER_LIMIT - 2 and overdue_ns >= 0:
                self._interrupt(block)
                if seen_ticks == 3 * _TICKS_PER_LIMIT:
                    self._report_stuck(block)
            self._closing.wait(self._tick_s)

    def _sleep_until_armed(self) -> None:
        self._wake.clear()
        self._is_asleep = True
        if not self._running and not self._closing.is_set():
            self._wake.wait()
        self._is_asleep = False

    def _interrupt(self, block: int) -> None:
        if self._firing == block:
            return
        self._firing = block
        if self._is_held:
            # The engine's own code runs: withdraw the announcement, `release` waits for the next.
            self._owed = block
            self._firing = 0
            return
        self._owed = 0
        if self._running == block:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread_id), ctypes.py_object(StrategyHung)
            )
        self._fired = block

    def _report_stuck(self, block: int) -> None:
        if self._running != block:
            return
        log.critical("watchdog: %s cannot be interrupted", self._name)
        if self._on_stuck is not None:
            self._on_stuck(self._name)
