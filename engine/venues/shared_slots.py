"""A small state that several processes share: two slots in a mapped file, under a lock.

    4 bytes length | 4 bytes CRC-32 of the rest | 8 bytes number | content        (each slot)

A write goes to the older slot with the next number, so a process that is killed in the middle of
it leaves the newer one whole. The kernel drops the lock with its process. What is not `durable`
survives any crash of ours and costs no disk access; a power cut may lose it.
"""

from __future__ import annotations

import contextlib
import mmap
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
_HEAD = struct.Struct("<IIQ")


class SharedSlots:
    """Belongs to one thread. OSError when the file cannot be made."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._is_patient = True
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(self._descriptor).st_size < 2 * SLOT_BYTES:
                os.ftruncate(self._descriptor, 2 * SLOT_BYTES)
            self._map = mmap.mmap(self._descriptor, 2 * SLOT_BYTES)
        except (OSError, ValueError):
            os.close(self._descriptor)
            raise

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Whether the lock could be had. A process that stands still with it is waited for once;
        from then on the lock is only tried, until it could be had again."""
        begin_ns = time.perf_counter_ns()
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
        """The newest whole content; None when there is none."""
        found = [slot for slot in (self._slot(0), self._slot(1)) if slot is not None]
        return max(found)[1] if found else None

    def write(self, content: bytes, *, durable: bool = False) -> None:
        """Under the lock only."""
        assert len(content) <= CONTENT_BYTES_MAX, len(content)
        slots = (self._slot(0), self._slot(1))
        numbers = [slot[0] if slot is not None else 0 for slot in slots]
        at = numbers.index(min(numbers)) * SLOT_BYTES
        body = (max(numbers) + 1).to_bytes(8, "little") + content
        head = len(content).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little")
        self._map[at : at + 8 + len(body)] = head + body
        if durable:
            self._map.flush()
            os.fsync(self._descriptor)

    def close(self) -> None:
        self._map.close()
        os.close(self._descriptor)

    def _slot(self, index: int) -> tuple[int, bytes] | None:
        at = index * SLOT_BYTES
        length, crc, number = _HEAD.unpack_from(self._map, at)
        if not number or length > CONTENT_BYTES_MAX:
            return None
        body = self._map[at + 8 : at + 16 + length]
        return (number, body[8:]) if zlib.crc32(body) == crc else None


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        # A byte far behind the slots: Windows locks are on bytes, and mapped ones stay readable.
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

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
