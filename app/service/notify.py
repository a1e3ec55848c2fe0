"""Tells systemd how the engine is doing, where it asks (`Type=notify`, `WatchdogSec=`)."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

from engine.core.clock import Clock

log = logging.getLogger(__name__)


class Notifier:
    """Does nothing where nobody listens."""

    def __init__(self, clock: Clock, environ: Mapping[str, str] = os.environ) -> None:
        self._clock = clock
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # Linux' abstract sockets.
            self._address = "\0" + self._address[1:]
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

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notice:
                notice.setblocking(False)
                notice.sendto(text.encode(), self._address)
        except OSError as error:
            log.warning("systemd could not be told %r: %s", text, error)
