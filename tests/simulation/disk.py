"""A disk whose power can be cut: an apsw VFS over bytes in memory.

Every write is remembered until its file is synced. A cut keeps what was synced and, of the rest,
what chance decides: all of a write, none of it, or its first 512-byte sectors, each write on its
own, as a drive with a cache may. Names of files are durable at once; a drive that lies about its
flush is beyond this model.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import apsw

from tests.simulation.chance import Chance

SECTOR = 512

_disk_numbers = itertools.count(1)


class PowerCut(Exception):
    """The machine is off. Whoever was writing will never hear of it."""


class DiskFault(StrEnum):
    FULL = "disk_full"
    SYNC_EIO = "sync_eio"
    """fsync fails, and what it should have written is lost."""


class File:
    """`content` is what a reader sees; `durable` what a power cut leaves for certain; `unsynced`
    the writes between them: (offset, bytes), or (length, None) for a truncation."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.durable = bytearray(content)
        self.unsynced: list[tuple[int, bytes | None]] = []

    def write(self, offset: int, data: bytes) -> None:
        _put(self.content, offset, data)
        self.unsynced.append((offset, data))

    def truncate(self, length: int) -> None:
        del self.content[length:]
        self.unsynced.append((length, None))

    def sync(self) -> None:
        for offset, data in self.unsynced:
            _apply(self.durable, offset, data)
        self.unsynced.clear()

    def after_cut(self, chance: Chance) -> bytes:
        image = bytearray(self.durable)
        for offset, data in self.unsynced:
            match chance.below(3):
                case 0:
                    _apply(image, offset, data)
                case 1 if data is not None:
                    sectors = chance.below(len(data) // SECTOR + 1)
                    _put(image, offset, data[: sectors * SECTOR])
                case _:
                    continue
        return bytes(image)


def _apply(image: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del image[offset:]
    else:
        _put(image, offset, data)


def _put(image: bytearray, offset: int, data: bytes) -> None:
    if offset > len(image):
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


class Disk:
    """The files of one machine. `mount` gives paths on it; after a crash or a cut it is another
    mount, and what still writes through the old one writes into nothing."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.files: dict[str, File] = {}
        self.mount = ""
        self.writes = 0
        self.syncs = 0
        self.cut_at: int | None = None
        """The power goes off during this write (counted by `writes`)."""
        self.is_off = False
        self.is_locked = False
        """As by `database.FileLock`; the kernel lets go when the holder dies."""
        self.fault: DiskFault | None = None
        """What the next write, or sync, meets; stays until it is taken away."""
        self._remount()

    # -- the machine ---------------------------------------------------------------------------

    def path(self, name: str) -> Path:
        return Path(self.mount) / name

    def put(self, name: str, content: bytes) -> None:
        """A file that was there before the story began."""
        self.files[name] = File(content)

    def durable(self, name: str) -> bytearray:
        """What would be left of a file if none of its unsynced writes survived."""
        file = self.files.get(name)
        return file.durable if file is not None else bytearray()

    def crash(self) -> None:
        """The process dies, the machine lives: everything written is there."""
        self.files = {name: File(bytes(file.content)) for name, file in self.files.items()}
        self._remount()

    def cut_power(self) -> None:
        """The machine dies."""
        self.files = {
            name: File(file.after_cut(self._chance)) for name, file in sorted(self.files.items())
        }
        self._remount()

    def durable_copy(self) -> Disk:
        """Another disk, with what would be left if none of the unsynced writes survived."""
        copy = Disk(self._chance.fork("copy"))
        for name, file in self.files.items():
            copy.put(name, bytes(file.durable))
        return copy

    def unmount(self) -> None:
        VFS.disks.pop(self.mount, None)

    def _remount(self) -> None:
        self.unmount()
        self.mount = f"/disk{next(_disk_numbers)}"
        self.is_off = self.is_locked = False
        self.cut_at = None
        VFS.disks[self.mount] = self

    # -- what the files ask ----------------------------------------------------------------------

    def before_write(self) -> None:
        self.writes += 1
        if self.cut_at is not None and self.writes >= self.cut_at:
            self.is_off = True
        if self.is_off:
            raise apsw.IOError("the power is off")
        if self.fault is DiskFault.FULL:
            raise apsw.FullError("no space left on the device")

    def before_sync(self, file: File) -> None:
        self.syncs += 1
        if self.is_off:
            raise apsw.IOError("the power is off")
        if self.fault is DiskFault.SYNC_EIO:
            # As Linux does it: the pages are marked clean, their content is gone.
            file.unsynced.clear()
            file.content = bytearray(file.durable)
            raise apsw.IOError("input/output error while syncing")


class _OpenFile:
    """The methods that SQLite calls. One writer, so locks need no keeping."""

    def __init__(self, disk: Disk, file: File) -> None:
        self._disk = disk
        self._mount = disk.mount
        self._file = file

    @property
    def _is_mounted(self) -> bool:
        """Else whoever writes is dead, and Python is only taking it apart."""
        return self._disk.mount == self._mount

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._file.content[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        if not self._is_mounted:
            return
        try:
            self._disk.before_write()
        except apsw.IOError:
            # The write during which the power went: it may be on the platter, torn.
            self._file.unsynced.append((offset, bytes(data)))
            raise
        self._file.write(offset, bytes(data))

    def xTruncate(self, length: int) -> None:
        if self._is_mounted:
            self._disk.before_write()
            self._file.truncate(length)

    def xSync(self, flags: int) -> None:
        if self._is_mounted:
            self._disk.before_sync(self._file)
            self._file.sync()

    def xFileSize(self) -> int:
        return len(self._file.content)

    def xLock(self, level: int) -> None:
        """Nobody else is there."""

    def xUnlock(self, level: int) -> None:
        """Nobody else is there."""

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return SECTOR

    def xDeviceCharacteristics(self) -> int:
        return 0

    def xClose(self) -> None:
        """The bytes stay."""


class VFS(apsw.VFS):
    """One for all disks; the first part of a path says which."""

    NAME = "powercut"
    disks: dict[str, Disk] = {}  # noqa: RUF012 - shared on purpose

    def __init__(self) -> None:
        super().__init__(self.NAME, "")

    def _find(self, path: str) -> tuple[Disk | None, str]:
        mount, _, name = path.rpartition("/")
        return self.disks.get(mount), name

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        path = name if isinstance(name, str) else name.filename() if name is not None else ""
        disk, short = self._find(path)
        if disk is None:
            raise apsw.CantOpenError(f"{path}: no such disk")
        return _OpenFile(disk, disk.files.setdefault(short, File()))

    def xDelete(self, path: str, sync_folder: bool) -> None:
        disk, short = self._find(path)
        if disk is not None:
            disk.files.pop(short, None)

    def xAccess(self, path: str, flags: int) -> bool:
        disk, short = self._find(path)
        return disk is not None and short in disk.files

    def xFullPathname(self, path: str) -> str:
        return path


_vfs = VFS()


class Connection:
    """An apsw connection that talks like sqlite3's, as far as `engine.store` uses it."""

    def __init__(self, path: Path) -> None:
        with _translated():
            self._inner = apsw.Connection(str(path), vfs=VFS.NAME)
            # Without shared memory a WAL needs one connection that keeps its lock.
            self._inner.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()

    @property
    def in_transaction(self) -> bool:
        return self._inner.in_transaction

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        with _translated():
            return self._inner.execute(statement, parameters)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> Any:
        with _translated():
            return self._inner.executemany(statement, rows)

    def close(self) -> None:
        with _translated():
            self._inner.close()


class _translated:
    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, apsw.Error):
            raise sqlite3.OperationalError(str(error)) from error


def connect(path: Path) -> sqlite3.Connection:
    """A `database.Connect` for files on a simulated disk."""
    return Connection(path)  # type: ignore[return-value]
