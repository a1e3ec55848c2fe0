"""Processes and how they are told to end, on every system.

Windows has no SIGTERM or SIGHUP that a program could act on, and no sessions.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from typing import TypedDict


class Apart(TypedDict, total=False):
    """Options of `subprocess.Popen` and its kin."""

    start_new_session: bool
    creationflags: int


if sys.platform == "win32":
    # Ctrl+C, and Ctrl+Break, the one of the two that reaches an `apart` process.
    _ENDINGS = (signal.SIGINT, signal.SIGBREAK)

    def apart() -> Apart:
        """A child that the terminal's keys do not reach, and that may outlive its parent."""
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}

else:
    # Ctrl+C, a polite kill, and a terminal that has gone.
    _ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def apart() -> Apart:
        """A child that the terminal's keys do not reach, and that may outlive its parent."""
        return {"start_new_session": True}


def endings() -> tuple[signal.Signals, ...]:
    """The signals that tell this program to end. A hang-up that whoever started it had ignored
    (`nohup`) stays ignored: it is meant to outlive its terminal. Ctrl+C, which shells ignore for
    what they start in the background, is heard all the same."""
    return tuple(
        one
        for one in _ENDINGS
        if one.name != "SIGHUP" or signal.getsignal(one) is not signal.SIG_IGN
    )


def stop_on_signals(stop: asyncio.Event) -> None:
    """From now on, whoever tells this program to end sets `stop`: files are closed, and what
    there is to say is said."""
    loop = asyncio.get_running_loop()
    for number in endings():
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        else:
            loop.add_signal_handler(number, stop.set)


def end_on_signals() -> None:
    """As before `stop_on_signals`."""
    for number in endings():
        if sys.platform == "win32":
            signal.signal(number, signal.default_int_handler)
        else:
            asyncio.get_running_loop().remove_signal_handler(number)
