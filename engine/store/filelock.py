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


def holder_of(path: Path) -> int:
    """The living process that has the lock on `path`; 0: none. Only looks: taking the lock to find
    out would turn away an engine that takes it just now."""
    try:
        pid = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
    return pid if _is_alive(pid) and _holds_a_lock(pid) else 0


def _holds_a_lock(pid: int) -> bool:
    """False where the system knows that the process has none: after a power cut another one may
    go by the number that still stands in the file."""
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return True
    found = (line.partition(":")[2].split()[:4] for line in locks.splitlines())
    return any(words[:1] == ["FLOCK"] and words[3:] == [str(pid)] for words in found)


def lock_beside(path: Path) -> FileLock:
    return FileLock(path.with_name(path.name + ".lock"))


if sys.platform == "win32":
    import ctypes
    import msvcrt

    _STILL_ACTIVE = 259
    _QUERY_LIMITED_INFORMATION = 0x1000

    def _lock(descriptor: int) -> None:
        # A byte far behind the text, so that the holder's number stays readable.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

    def _is_alive(pid: int) -> bool:
        """`os.kill` would end it here."""
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
        if handle is None:
            return False
        process, code = ctypes.c_void_p(handle), ctypes.c_ulong()
        try:
            return bool(kernel.GetExitCodeProcess(process, ctypes.byref(code))) and (
                code.value == _STILL_ACTIVE
            )
        finally:
            kernel.CloseHandle(process)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        # flock, not lockf: it also excludes a second open in the same process.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _is_alive(pid: int) -> bool:
        """A process of another user, which may not be signalled, is none of ours."""
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True
