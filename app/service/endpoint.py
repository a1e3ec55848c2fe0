"""Where an engine can be reached: its door and a token file in the profile's folder.

Both live beside the ledger and not under XDG_RUNTIME_DIR: a service, a cron job and an ssh
session of one person may each see another value of that variable, or none, but they agree on where
the state is. Folder 0700, door and token 0600, the caller's user id is asked of the kernel where
it knows, and the token is new with every start.
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
from app.service import doors
from app.service.doors import Door, write_private
from engine.core.ids import new_token
from engine.domain.errors import ConfigError, EngineNotRunning, LedgerError
from engine.store.filelock import FileLock, holder_of, lock_beside

_KEEPER = "engine.keeper"


class Endpoint(NamedTuple):
    profile: str
    folder: Path
    door: Door

    @property
    def door_path(self) -> Path:
        return self.folder / self.door.file_name

    @property
    def token_path(self) -> Path:
        return self.folder / "engine.token"


def endpoint_of(paths: Paths, profile: str) -> Endpoint:
    """BadInput when `profile` cannot be the name of one."""
    return Endpoint(profile, paths.profile(check_profile(profile)), doors.DOOR)


class Claim:
    """The right to serve a profile: a listening socket and a fresh token. Only one can exist."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Raises LedgerError or ConfigError when another engine serves this profile."""
        make_private(endpoint.folder)
        self.endpoint = endpoint
        try:
            self._lock: FileLock = lock_beside(endpoint.door_path)
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
        write_private(self.endpoint.token_path, self.token)
        try:
            listener = self.endpoint.door.listen(self.endpoint.door_path)
        except OSError as error:
            raise ConfigError(
                f"{self.endpoint.door_path}: {error.strerror}: choose another place with --home"
            ) from error
        listener.setblocking(False)
        return listener

    def release(self) -> None:
        for path in (self.endpoint.door_path, self.endpoint.token_path):
            path.unlink(missing_ok=True)
        self._lock.release()

    def _check_folder(self) -> None:
        folder = self.endpoint.folder
        found = folder.stat()
        if sys.platform == "win32":
            return  # Its folders in a person's profile are closed to others.
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
        if pid := keeper(endpoint):
            raise EngineNotRunning(
                f"engine: it has crashed, and process {pid} starts it again in some seconds: wait, "
                f"or end that with pilothouse stop --profile {endpoint.profile}"
            ) from error
        raise EngineNotRunning(
            f"engine: none runs for profile {endpoint.profile}: start it with "
            f"pilothouse engine --profile {endpoint.profile}"
        ) from error
    except PermissionError as error:  # Perhaps one runs there: nobody may look.
        raise ConfigError(
            f"engine: {endpoint.door_path}: {error.strerror}: it is another user's, or its folder "
            "is closed; choose another place with --home DIR"
        ) from error
    except OSError as error:
        raise EngineNotRunning(
            f"engine: {endpoint.door_path}: {error.strerror or 'does not answer'}"
        ) from error


def _dial(endpoint: Endpoint) -> socket.socket:
    # Behind the port of an engine that was killed, another program may listen by now.
    if not endpoint.door.outlives_engine and not claimant(endpoint):
        raise ConnectionRefusedError(f"{endpoint.door_path}: its engine has ended")
    return endpoint.door.dial(endpoint.door_path)


def claimant(endpoint: Endpoint) -> int:
    """The living process that has claimed the profile, perhaps not ready for faces yet; 0:
    none."""
    return holder_of(endpoint.door_path.with_name(endpoint.door_path.name + ".lock"))


@contextlib.contextmanager
def kept(endpoint: Endpoint) -> Iterator[None]:
    """While somebody starts this profile's engine again whenever it crashes. Keeps nobody out:
    where two try, the claim decides whose engine serves."""
    make_private(endpoint.folder)
    try:
        lock = lock_beside(endpoint.folder / _KEEPER)
    except LedgerError:
        yield
        return
    try:
        yield
    finally:
        lock.release()


def keeper(endpoint: Endpoint) -> int:
    """The living process that starts the engine again when it crashes; 0: none."""
    return holder_of(endpoint.folder / f"{_KEEPER}.lock")


def read_token(endpoint: Endpoint) -> str:
    """ "" when there is none: the engine will say so."""
    with contextlib.suppress(OSError):
        return endpoint.token_path.read_text(encoding="ascii").strip()
    return ""


def is_token(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def peer_uid(peer: socket.socket) -> int | None:
    """Whose process is at the other end; None where the system does not say."""
    if sys.platform == "win32" or not hasattr(socket, "SO_PEERCRED"):
        return None
    if peer.family != socket.AF_UNIX:
        return None
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)


def _remove_stale(endpoint: Endpoint) -> None:
    """A socket left by a kill is removed, but never one that somebody still answers on."""
    if not os.path.lexists(endpoint.door_path):
        return
    if not endpoint.door.outlives_engine:
        endpoint.door_path.unlink(missing_ok=True)  # The lock is ours: no engine is behind it.
        return
    try:
        endpoint.door.dial(endpoint.door_path).close()
    except (FileNotFoundError, ConnectionRefusedError):
        endpoint.door_path.unlink(missing_ok=True)
        return
    except OSError as error:
        raise ConfigError(
            f"{endpoint.door_path}: {error.strerror or 'does not answer'}: remove it by hand if "
            "no engine runs"
        ) from error
    raise _served(endpoint)


def _served(endpoint: Endpoint) -> ConfigError:
    profile = endpoint.profile
    return ConfigError(
        f"engine: one already serves profile {profile} (process {claimant(endpoint) or '?'}): "
        f"attach with pilothouse tui --profile {profile}, or choose another --profile"
    )
