"""Tells whoever looks after the engine how it is doing: systemd, where it asks (`Type=notify`,
`WatchdogSec=`), or our own supervisor."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Mapping

from engine.core.clock import Clock

log = logging.getLogger(__name__)


FD_VARIABLE = "PILOTHOUSE_NOTIFY_FD"
"""The supervisor's: an inherited datagram socket. A named one could be cleaned away under an engine
that runs for months, and others could write to it."""


class Notifier:
    """Does nothing where nobody listens."""

    def __init__(self, clock: Clock, environ: Mapping[str, str] = os.environ) -> None:
        self._clock = clock
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # Linux' abstract sockets.
            self._address = "\0" + self._address[1:]
        descriptor = environ.get(FD_VARIABLE, "")
        self._pair = socket.socket(fileno=int(descriptor)) if descriptor.isdecimal() else None
        self._has_failed = False
        limit_us = environ.get("WATCHDOG_USEC", "")
        self._period_ns = int(limit_us) * 1000 // 3 if limit_us.isdecimal() else 0
        self._next_ns = 0

    def ready(self, words: str) -> None:
        self._send(f"READY=1\nSTATUS={words}\nMAINPID={os.getpid()}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def turned(self) -> None:
        """The engine's loop has come round; called on every turn, sent three times a limit."""
        if not self._period_ns:
            return
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + self._period_ns
            self._send("WATCHDOG=1")

    def close(self) -> None:
        if self._pair is not None:
            self._pair.close()

    def _send(self, text: str) -> None:
        if sys.platform == "win32":
            return  # Nobody there listens.
        try:
            if self._pair is not None:
                self._pair.send(text.encode(), socket.MSG_DONTWAIT)
            elif self._address:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notice:
                    notice.setblocking(False)
                    notice.sendto(text.encode(), self._address)
        except OSError as error:
            if not self._has_failed:
                log.warning("whoever looks after this engine cannot be told %r: %s", text, error)
            self._has_failed = True
        else:
            self._has_failed = False
