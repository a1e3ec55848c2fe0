"""A small state that several processes share: two slots in a file, under a lock.

    4 bytes length | 4 bytes CRC-32 of the rest | 8 bytes number | content        (each slot)

A write goes to the older slot with the next number, so a process that is killed in the middle of
it leaves the newer one whole. The kernel drops the lock with its process. What is not `durable`
survives any crash of ours and costs no disk access; a power cut may lose it. The file is read and
written by calls that can fail, never through a mapping: a full or failing disk would end the
process there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

SLOT_BYTES = 4096
CONTENT_BYTES_MAX = SLOT_BYTES - 16
PATIENCE_NS = 20_000_000
"""How long the lock is tried for: a holder that lost the processor has it back by then."""
_BINARY: int = getattr(os, "O_BINARY", 0)
"""Windows would take some bytes for the ends of lines."""
_HEAD = struct.Struct("<IIQ")


class SharedSlots:
    """Belongs to one thread. OSError when the file cannot be made."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._is_patient = True
        self._seen: list[tuple[int, bytes] | None] | None = None
        """What was read under this hold of the lock: it spares the write a look."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)
        try:
            _reserve(self._descriptor, 2 * SLOT_BYTES)
        except OSError:
            os.close(self._descriptor)
            raise

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Whether the lock could be had. A process that stands still with it is waited for once;
        from then on the lock is only tried, until it could be had again."""
        begin_ns, self._seen = time.perf_counter_ns(), None
        has_it = _try_lock(self._descriptor)
        while not has_it and self._is_patient and time.perf_counter_ns() - begin_ns < PATIENCE_NS:
            time.sleep(0)
            has_it = _try_lock(self._descriptor)
        self._is_patient = has_it
        try:
            yield has_it
        finally:
            if has_it:
                _unlock(self._descriptor)

    def read(self) -> bytes | None:
        """The newest whole content; None when there is none. OSError when the disk fails."""
        slots = self._seen = self._slots()
        found = [slot for slot in slots if slot is not None]
        return max(found)[1] if found else None

    def write(self, content: bytes, *, durable: bool = False) -> None:
        """Under the lock only. OSError when the disk is full or fails; what was there stays."""
        assert len(content) <= CONTENT_BYTES_MAX, len(content)
        seen, self._seen = self._seen, None
        numbers = [slot[0] if slot is not None else 0 for slot in seen or self._slots()]
        at = numbers.index(min(numbers)) * SLOT_BYTES
        body = (max(numbers) + 1).to_bytes(8, "little") + content
        head = len(content).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little")
        if _write_at(self._descriptor, head + body, at) < len(head) + len(body):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if durable:
            os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def _slots(self) -> list[tuple[int, bytes] | None]:
        """(number, content) of both; None for one that is not whole."""
        raw = _read_at(self._descriptor, 2 * SLOT_BYTES, 0).ljust(2 * SLOT_BYTES, b"\0")
        return [_slot(raw[:SLOT_BYTES]), _slot(raw[SLOT_BYTES:])]


def _slot(raw: bytes) -> tuple[int, bytes] | None:
    length, crc, number = _HEAD.unpack_from(raw)
    if not number or length > CONTENT_BYTES_MAX:
        return None
    body = raw[8 : 16 + length]
    return (number, body[8:]) if zlib.crc32(body) == crc else None


def _reserve(descriptor: int, size: int) -> None:
    """Give the file its blocks now, while there may be room: a ban is kept on a full disk, too."""
    if os.fstat(descriptor).st_size < size:
        os.ftruncate(descriptor, size)
    if hasattr(os, "posix_fallocate"):
        # Not every file system can; a write that finds no room says so itself.
        with contextlib.suppress(OSError):
            os.posix_fallocate(descriptor, 0, size)


if sys.platform == "win32":
    import msvcrt

    def _read_at(descriptor: int, size: int, at: int) -> bytes:
        os.lseek(descriptor, at, os.SEEK_SET)
        return os.read(descriptor, size)

    def _write_at(descriptor: int, content: bytes, at: int) -> int:
        os.lseek(descriptor, at, os.SEEK_SET)
        return os.write(descriptor, content)

    def _try_lock(descriptor: int) -> bool:
        # A byte far behind the slots: Windows locks are on bytes, and locked ones are not readable.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    _read_at, _write_at = os.pread, os.pwrite

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
