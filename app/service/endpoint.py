"""Where an engine can be reached: a socket and a token file in the profile's folder.

Both live beside the ledger and not under XDG_RUNTIME_DIR: a service, a cron job and an ssh
session of one person may each see another value of that variable, or none, but they agree on where
the state is. Folder 0700, socket and token 0600, the peer's user id is asked of the kernel, and
the token is new with every start.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from app.paths import Paths, check_profile, make_private
from engine.core.ids import new_token
from engine.domain.errors import ConfigError, EngineNotRunning, LedgerError
from engine.store.filelock import FileLock, holder_of, lock_beside

BACKLOG = 16
DIAL_S = 2.0
_PATH_BYTES_MAX = 100
"""The system's limit for a socket's name is 108 on Linux and 104 on macOS."""


class Endpoint(NamedTuple):
    profile: str
    folder: Path

    @property
    def socket_path(self) -> Path:
        return self.folder / "engine.sock"

    @property
    def token_path(self) -> Path:
        return self.folder / "engine.token"


def endpoint_of(paths: Paths, profile: str) -> Endpoint:
    """BadInput when `profile` cannot be the name of one."""
    return Endpoint(profile, paths.profile(check_profile(profile)))


class Claim:
    """The right to serve a profile: a listening socket and a fresh token. Only one can exist."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Raises LedgerError or ConfigError when another engine serves this profile."""
        make_private(endpoint.folder)
        self.endpoint = endpoint
        try:
            self._lock: FileLock = lock_beside(endpoint.socket_path)
        except LedgerError:
            raise _served(endpoint) from None
        try:
            self._check_folder()
            _remove_stale(endpoint)
        except BaseException:
            self._lock.release()
            raise
        self.token = new_token()

    def listen(self) -> socket.socket:
        """From here on faces can come."""
        _write_private(self.endpoint.token_path, self.token)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _short(self.endpoint.socket_path) as name:
                listener.bind(name)
            self.endpoint.socket_path.chmod(0o600)
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise ConfigError(
                f"{self.endpoint.socket_path}: {error.strerror}: choose another place with --home"
            ) from error
        listener.setblocking(False)
        return listener

    def release(self) -> None:
        for path in (self.endpoint.socket_path, self.endpoint.token_path):
            path.unlink(missing_ok=True)
        self._lock.release()

    def _check_folder(self) -> None:
        folder = self.endpoint.folder
        found = folder.stat()
        if found.st_uid != os.geteuid():
            raise ConfigError(f"{folder}: belongs to user {found.st_uid}: choose another --home")
        if stat.S_IMODE(found.st_mode) & 0o077:
            folder.chmod(0o700)


def connect(endpoint: Endpoint) -> socket.socket:
    """EngineNotRunning when nobody listens."""
    try:
        return _dial(endpoint)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        if pid := claimant(endpoint):
            raise EngineNotRunning(
                f"engine: process {pid} is still opening its market and ledger: try again soon"
            ) from error
        raise EngineNotRunning(
            f"engine: none runs for profile {endpoint.profile}: start it with "
            f"pilothouse engine --profile {endpoint.profile}"
        ) from error
    except OSError as error:
        raise EngineNotRunning(
            f"engine: {endpoint.socket_path}: {error.strerror or 'does not answer'}"
        ) from error


def _dial(endpoint: Endpoint) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # An engine that stands still fills its queue of callers, and then connecting waits.
        peer.settimeout(DIAL_S)
        with _short(endpoint.socket_path) as name:
            peer.connect(name)
    except OSError:
        peer.close()
        raise
    peer.setblocking(False)
    return peer


def claimant(endpoint: Endpoint) -> int:
    """The living process that has claimed the profile, perhaps not ready for faces yet; 0:
    none."""
    return holder_of(endpoint.socket_path.with_name(endpoint.socket_path.name + ".lock"))


def read_token(endpoint: Endpoint) -> str:
    """ "" when there is none: the engine will say so."""
    with contextlib.suppress(OSError):
        return endpoint.token_path.read_text(encoding="ascii").strip()
    return ""


def is_token(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def peer_uid(peer: socket.socket) -> int | None:
    """Whose process is at the other end; None where the system does not say."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)


def _remove_stale(endpoint: Endpoint) -> None:
    """A socket left by a kill is removed, but never one that somebody still answers on."""
    if not os.path.lexists(endpoint.socket_path):
        return
    try:
        _dial(endpoint).close()
    except (FileNotFoundError, ConnectionRefusedError):
        endpoint.socket_path.unlink(missing_ok=True)
        return
    except OSError as error:
        raise ConfigError(
            f"{endpoint.socket_path}: {error.strerror or 'does not answer'}: remove it by hand if "
            "no engine runs"
        ) from error
    raise _served(endpoint)


def _served(endpoint: Endpoint) -> ConfigError:
    profile = endpoint.profile
    return ConfigError(
        f"engine: one already serves profile {profile} (process {claimant(endpoint) or '?'}): "
        f"attach with pilothouse tui --profile {profile}, or choose another --profile"
    )


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")


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
