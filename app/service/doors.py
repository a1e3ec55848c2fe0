"""What an engine listens at: a Unix socket; on Windows, where Python has none, a loopback port.

A Unix socket is guarded by its folder's mode and by the caller's user id. At a port of the
loopback every user of the machine can knock: there the token alone decides, and a face sends it
only while the engine that has claimed the profile lives.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from engine.domain.errors import ConfigError

BACKLOG = 16
DIAL_S = 2.0
_LOOPBACK = "127.0.0.1"
_PATH_BYTES_MAX = 100
"""The system's limit for a socket's name is 108 on Linux and 104 on macOS."""


class Door(Protocol):
    file_name: str
    """In the profile's folder: the socket itself, or where its address stands."""
    outlives_engine: bool
    """Whether somebody who took no lock could still answer behind a file that was left."""

    def listen(self, path: Path) -> socket.socket:
        """OSError, or ConfigError with a remedy, when it cannot be opened there."""
        ...

    def dial(self, path: Path) -> socket.socket:
        """FileNotFoundError or ConnectionRefusedError when nobody listens, OSError when nobody
        answers."""
        ...


class UnixDoor:
    file_name = "engine.sock"
    outlives_engine = True

    def listen(self, path: Path) -> socket.socket:
        listener = _unix_socket()
        try:
            with _short(path) as name:
                listener.bind(name)
            path.chmod(0o600)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
        return listener

    def dial(self, path: Path) -> socket.socket:
        with _short(path) as name:
            return _dialled(_unix_socket(), name)


class LoopbackDoor:
    file_name = "engine.port"
    outlives_engine = False

    def listen(self, path: Path) -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if sys.platform == "win32":
                # Without it another program may listen at the same port, and hear the token.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            listener.bind((_LOOPBACK, 0))
            listener.listen(BACKLOG)
            write_private(path, str(listener.getsockname()[1]))
        except BaseException:
            listener.close()
            raise
        return listener

    def dial(self, path: Path) -> socket.socket:
        text = path.read_text(encoding="ascii", errors="replace").strip()
        if not (text.isdecimal() and 0 < int(text) < 65_536):
            raise ConnectionRefusedError(f"{path}: {text[:20]!r} is no port")
        return _dialled(socket.socket(socket.AF_INET, socket.SOCK_STREAM), (_LOOPBACK, int(text)))


DOOR: Door = LoopbackDoor() if sys.platform == "win32" else UnixDoor()


def write_private(path: Path, text: str) -> None:
    """A new file that only its owner can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")


def _unix_socket() -> socket.socket:
    if sys.platform == "win32":
        raise OSError("no Unix sockets on Windows")
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def _dialled(peer: socket.socket, address: str | tuple[str, int]) -> socket.socket:
    try:
        # An engine that stands still fills its queue of callers, and then connecting waits.
        peer.settimeout(DIAL_S)
        peer.connect(address)
    except BaseException:
        peer.close()
        raise
    peer.setblocking(False)
    return peer


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for the socket that fits the system's limit, through an open folder if need be."""
    name = str(path)
    if len(os.fsencode(name)) <= _PATH_BYTES_MAX:
        yield name
        return
    if sys.platform != "linux":
        raise ConfigError(f"{name}: too long for a socket: choose a shorter --home")
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
