"""Small private files that are whole or not there."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from app.paths import make_private
from engine.domain.errors import ConfigError

FILE_BYTES_MAX = 1_000_000


def write_whole(path: Path, content: bytes) -> None:
    """Replace `path`, for the owner alone, durably; a crash leaves the old one or the new one."""
    make_private(path.parent)
    part = path.with_name(path.name + ".new")
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: nothing was stored") from error


def read_private(path: Path) -> bytes | None:
    """None when it is not there; ConfigError when it cannot be read, or others could."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if os.name != "nt" and stat.S_IMODE(found.st_mode) & 0o077:
                raise ConfigError(f"{path}: is open to others: chmod 600 it")
            if sys.platform != "win32" and found.st_uid != os.geteuid():
                raise ConfigError(f"{path}: belongs to user {found.st_uid}: chown it")
            content = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: make it readable") from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: more than {FILE_BYTES_MAX} bytes: is none of ours")
    return content


def remove(path: Path) -> None:
    """Gone for good, as far as a file system promises; not being there is no error."""
    try:
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: remove it by hand") from error


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
