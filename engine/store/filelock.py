"""A lock on a file: one engine per ledger and per socket.

Apart from `database.py`, because faces take none and should not load SQLite to look for one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engine.domain.errors import LedgerError


class FileLock:
    """One engine per ledger. The kernel releases the lock when its process dies, however.

    The lock is on a file beside the ledger: SQLite's own locks on the ledger would be dropped if
    this process closed any other descriptor of it.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock at once or raise LedgerError naming its holder."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise LedgerError(
                f"{path.with_suffix('')} is in use by another engine (process {holder or '?'}): "
                "use that one, or stop it first"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Free the lock. The file stays, without a holder: removing it would let two engines lock
        two files."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1


def lock_beside(path: Path) -> FileLock:
    return FileLock(path.with_name(path.name + ".lock"))


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # A byte far behind the text, so that the holder's number stays readable.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        # flock, not lockf: it also excludes a second open in the same process.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
