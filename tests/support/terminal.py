"""A program in a real pseudo terminal, with somebody who reads, types, dawdles or stops reading.

with Terminal(command_line("tui"), (160, 45), environ) as terminal:
    terminal.until(lambda vt: "bots" in vt.text())
    terminal.press("\\x1b[B")
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.vt import Vt

_READ_BYTES = 65_536


class Terminal:
    """Reads in a thread of its own; `rate` limits how many bytes a second it takes."""

    def __init__(
        self,
        command: Sequence[str],
        size: tuple[int, int],
        environ: Mapping[str, str],
        *,
        answers: bool = True,
        rate: int = 0,
    ) -> None:
        self.vt = Vt(*size, answers=answers)
        self.rate = rate
        """Bytes a second; 0: as many as come."""
        self.bytes_read = 0
        self.first_text_ns = 0
        """When the first visible word was on the screen; 0: not yet."""
        self._lock = threading.Condition()
        self._is_reading = threading.Event()
        self._is_reading.set()
        self._is_closed = False
        self.started_ns = time.monotonic_ns()
        self._master, slave = pty.openpty()
        _set_size(slave, size)
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=dict(environ),
            start_new_session=True, preexec_fn=_own_terminal,
        )  # fmt: skip
        os.close(slave)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    # -- what somebody does ----------------------------------------------------------------------

    def press(self, keys: str) -> int:
        """Type, and return when that was, in monotonic ns."""
        at_ns = time.monotonic_ns()
        os.write(self._master, keys.encode())
        return at_ns

    def send(self, data: bytes) -> None:
        """Bytes that need not be text."""
        os.write(self._master, data)

    def is_raw(self) -> bool:
        """Whether keys reach the program one by one, without an echo."""
        return not termios.tcgetattr(self._master)[3] & (termios.ICANON | termios.ECHO)

    def stop_reading(self) -> None:
        self._is_reading.clear()

    def read_on(self) -> None:
        self._is_reading.set()

    def resize(self, width: int, height: int) -> None:
        with self._lock:
            self.vt.resize(width, height)
        _set_size(self._master, (width, height))

    def until(self, is_so: Callable[[Vt], object], within_s: float = 30.0) -> int:
        """Returns, in monotonic ns, when it is so on the screen; fails when the time is over."""
        deadline_s = time.monotonic() + within_s
        with self._lock:
            while not is_so(self.vt):
                left_s = deadline_s - time.monotonic()
                is_in_time = left_s > 0 and self._lock.wait(left_s)
                assert is_in_time or is_so(self.vt), f"not within {within_s} s:\n{self.vt.text()}"
            return time.monotonic_ns()

    # -- what it costs ---------------------------------------------------------------------------

    def cpu_s(self) -> float:
        """Processor seconds the program has used, its children not counted."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def waited_ms(self) -> float:
        """Milliseconds that the program's first thread has stood ready and had no processor: what
        other work on the machine took from it. 0 where the kernel does not count it."""
        pid = self.process.pid
        try:
            counted = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
        except FileNotFoundError:
            return 0.0
        return int(counted[1]) / 1e6

    def rss_mb(self) -> float:
        """Resident memory, in units of 10^6 bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    # -- life ------------------------------------------------------------------------------------

    def close(self) -> None:
        self.read_on()
        self.rate = 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._is_closed = True
        self._thread.join(5.0)
        os.close(self._master)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        due_s = time.monotonic()
        while not self._is_closed:
            self._is_reading.wait()
            rate = self.rate
            if not select.select([self._master], [], [], 0.05)[0] or not self._is_reading.is_set():
                continue
            try:
                data = os.read(self._master, max(1, rate // 50) if rate else _READ_BYTES)
            except OSError:  # EIO: the program has closed its side.
                return
            if rate:
                due_s = max(due_s, time.monotonic() - 0.02) + len(data) / rate
                time.sleep(max(0.0, due_s - time.monotonic()))
            self._take(data)

    def _take(self, data: bytes) -> None:
        with self._lock:
            self.bytes_read += len(data)
            self.vt.feed(data)
            replies = "".join(self.vt.replies)
            self.vt.replies.clear()
            if not self.first_text_ns and self.vt.text().strip():
                self.first_text_ns = time.monotonic_ns()
            self._lock.notify_all()
        if replies:
            os.write(self._master, replies.encode())


def _own_terminal() -> None:
    """In the child: the pseudo terminal becomes the one that hang-ups and resizes come from."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _set_size(fd: int, size: tuple[int, int]) -> None:
    width, height = size
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
