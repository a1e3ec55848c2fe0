"""Runs an engine that no service manager looks after, and starts it again after a crash.

The engine reports to it as it would to systemd (`notify.py`): ready, alive from its trading loop,
stopping. What counts as a crash, and the pause before the next try, are those of the unit in
`resources/systemd`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from threading import Event

from app.processes import endings
from app.service.notify import FD_VARIABLE
from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain.errors import BadInput

COOL_DOWN_S = 10.0
TRIES_MAX = 5
WINDOW_NS = 600 * NS_PER_SECOND
SILENT_S = 30
"""An engine whose trading loop has not come round for so long is killed."""
_LISTEN_S = 0.2
_NOT_MENDED_BY_TIME = (2, 3, 4)
"""Exit codes of wrong usage, settings or ledgers."""


class Supervisor:
    """`command` starts the engine; `say` is told, in a line, what is done about a crash."""

    def __init__(
        self,
        command: Sequence[str],
        clock: Clock,
        say: Callable[[str], None],
        *,
        cool_down_s: float = COOL_DOWN_S,
        silent_s: int = SILENT_S,
    ) -> None:
        self._command = command
        self._clock = clock
        self._say = say
        self._cool_down_s = cool_down_s
        self._silent_s = silent_s
        self._crashes: deque[int] = deque()
        self._is_ready = False
        self._has_served = False
        self._heard_ns = 0
        self._stopping = Event()
        self._engine: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Until the engine has ended for good; its exit code, 1 where a signal has ended it."""
        if sys.platform == "win32":
            raise BadInput("--restart", "on Windows", "leave it out: nothing here looks after it")
        for number in endings():
            signal.signal(number, self._stop)
        notices, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with notices, its_end:
            notices.settimeout(_LISTEN_S)
            while True:
                code = self._run_once(notices, its_end)
                if self._stopping.is_set() or not self._is_crash(code):
                    return self._last_code(code)
                if not self._may_try_again(code):
                    return 1
                self._wait(notices)
                if self._stopping.is_set():
                    return 0

    def _run_once(self, notices: socket.socket, its_end: socket.socket) -> int:
        descriptor = its_end.fileno()
        environ = {
            **os.environ,
            FD_VARIABLE: str(descriptor),
            "WATCHDOG_USEC": str(self._silent_s * 1_000_000),
        }
        self._is_ready = False
        engine = subprocess.Popen(self._command, env=environ, pass_fds=[descriptor])
        self._engine = engine
        if self._stopping.is_set():  # Asked while it was being started.
            engine.terminate()
        while engine.poll() is None:
            self._listen(notices)
            silent_ns = self._clock.monotonic_ns() - self._heard_ns
            if self._is_ready and silent_ns > self._silent_s * NS_PER_SECOND:
                self._say(f"engine: its loop has stood still for {self._silent_s} s: killing it")
                self._is_ready = False
                engine.kill()
        self._engine = None
        while self._listen(notices):
            pass
        return engine.returncode

    def _listen(self, notices: socket.socket) -> bool:
        """Take in one notice; False when none comes for a moment."""
        try:
            text = notices.recv(4096).decode(errors="replace")
        except TimeoutError:
            return False
        self._heard_ns = self._clock.monotonic_ns()
        lines = text.splitlines()
        if "READY=1" in lines:
            self._is_ready = self._has_served = True
        if "STOPPING=1" in lines:
            self._is_ready = False  # Closing a ledger may take longer than a turn of the loop.
        return True

    def _is_crash(self, code: int) -> bool:
        """An engine that has never been up would not come up the next time either."""
        return self._has_served and code != 0 and code not in _NOT_MENDED_BY_TIME

    def _last_code(self, code: int) -> int:
        """Of this process, which no signal has ended."""
        if code >= 0:
            return code
        if self._stopping.is_set() and code == -signal.SIGTERM:
            return 0  # As it was told, before it could listen for that.
        self._say(f"engine: ended with signal {-code}")
        return 1

    def _may_try_again(self, code: int) -> bool:
        now_ns = self._clock.monotonic_ns()
        self._crashes.append(now_ns)
        while now_ns - self._crashes[0] > WINDOW_NS:
            self._crashes.popleft()
        how = f"signal {-code}" if code < 0 else f"code {code}"
        if len(self._crashes) > TRIES_MAX:
            self._say(
                f"engine: ended with {how}, {TRIES_MAX + 1} times in 10 minutes: it stays down"
            )
            return False
        self._say(
            f"engine: ended with {how}: starting it again in {self._cool_down_s:g} s "
            f"(try {len(self._crashes)} of {TRIES_MAX})"
        )
        return True

    def _wait(self, notices: socket.socket) -> None:
        until_ns = self._clock.monotonic_ns() + int(self._cool_down_s * NS_PER_SECOND)
        while self._clock.monotonic_ns() < until_ns and not self._stopping.is_set():
            self._listen(notices)

    def _stop(self, number: int, frame: object) -> None:
        self._stopping.set()
        if self._engine is not None:
            self._engine.terminate()
