"""Files on disk: reading foreign text without trust, writing our own all or nothing."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from engine.domain.errors import BadInput

GZIP_MAGIC = b"\x1f\x8b"
_BLOCK = 1 << 18
MAX_LINE = 16 << 20
"""Bytes of the longest line that is still believed."""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for binary reading, unpacked when gzip. BadInput when it cannot be read.

    Also translates what goes wrong while reading inside the `with`, truncated gzip among it.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not zipped:
                yield raw
                return
            with gzip.GzipFile(fileobj=raw) as text:
                yield cast(BinaryIO, text)
    except FileNotFoundError:
        raise BadInput("file", str(path), "no such file") from None
    except IsADirectoryError:
        raise BadInput("file", str(path), "is a directory; name the files in it") from None
    except EOFError:
        raise BadInput("file", str(path), "truncated gzip; copy it again in full") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadInput("file", str(path), f"damaged gzip ({error}); copy it again") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput("file", str(path), f"cannot be read: {reason}") from None


def line_blocks(path: Path) -> Iterator[list[bytes]]:
    """The lines of a plain or gzip text file, a quarter of a megabyte at a time, without line ends.

    Raises BadInput when the file is missing, empty, a directory, damaged, or has a line longer
    than MAX_LINE.
    """
    rest = b""
    empty = True
    with reading(path) as text:
        while block := text.read(_BLOCK):
            empty = False
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            if len(rest) > MAX_LINE:
                raise BadInput("file", str(path), f"a line is longer than {MAX_LINE >> 20} MB")
            yield lines
    if empty:
        raise BadInput("file", str(path), "is empty")
    if rest:
        yield [rest]


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def writing_directory(target: Path) -> Iterator[Path]:
    """A hidden directory beside `target` that takes its place when the `with` ends well.

    Files are synced before the swap, so `target` is never half-written: after an error or a
    power cut it is what it was before. BadInput when the place cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise _unwritable(target, error) from None
    try:
        yield draft
        for file in draft.iterdir():
            _sync(file)
        _sync(draft)
        _take_place(draft, target)
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextlib.contextmanager
def writing_file(target: Path) -> Iterator[Path]:
    """A hidden file beside `target` that takes its place when the `with` ends well."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(descriptor)
    except OSError as error:
        raise _unwritable(target, error) from None
    draft = Path(name)
    try:
        yield draft
        _sync(draft)
        draft.replace(target)
        _sync(target.parent)
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        draft.unlink(missing_ok=True)


def _take_place(draft: Path, target: Path) -> None:
    if target.exists():
        retired = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
        target.rename(retired / target.name)
        draft.rename(target)
        shutil.rmtree(retired, ignore_errors=True)
    else:
        draft.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":
        return  # Windows opens no folders.
    descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(target: Path, error: OSError) -> BadInput:
    reason = error.strerror or str(error)
    return BadInput("out", str(target), f"cannot be written: {reason}; choose another with --out")
