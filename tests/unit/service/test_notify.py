"""What systemd hears of the engine."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import pytest

from app.service.notify import FD_VARIABLE, Notifier
from engine.core.clock import SimClock

SECOND = 1_000_000_000


def heard(listener: socket.socket) -> list[str]:
    """Everything that has been said so far."""
    listener.setblocking(False)
    said = []
    while True:
        try:
            said.append(listener.recv(4096).decode())
        except BlockingIOError:
            return said


def test_systemd_hears_of_start_turns_and_stop(tmp_path: Path) -> None:
    """Turns are told three times in a limit, however often the loop comes round."""
    clock = SimClock(0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"}
        notifier = Notifier(clock, environ)
        notifier.ready("serving")
        assert heard(listener) == [f"READY=1\nSTATUS=serving\nMAINPID={os.getpid()}"]
        for second in range(61):
            clock.advance_to(second * SECOND)
            notifier.turned()
            notifier.turned()
        assert heard(listener) == ["WATCHDOG=1"] * 7
        notifier.stopping()
        assert heard(listener) == ["STOPPING=1"]


def test_without_a_watchdog_turns_are_not_told(tmp_path: Path) -> None:
    ours, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours:
        notifier = Notifier(SimClock(0), {FD_VARIABLE: str(its_end.detach())})
        notifier.turned()
        notifier.stopping()
        assert heard(ours) == ["STOPPING=1"]
        notifier.close()


def test_nobody_listening_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    Notifier(SimClock(0), {}).ready("serving")
    assert not caplog.records
    notifier = Notifier(SimClock(0), {"NOTIFY_SOCKET": "/nowhere/notify"})
    with caplog.at_level(logging.WARNING):
        notifier.ready("serving")
        notifier.stopping()
    assert len(caplog.records) == 1, "it is said once"
