"""What `doctor` looks at: this machine's fitness to run the engine. Asks no network.

Each check returns findings; none of them raises, since a doctor who faints helps nobody.
"""

from __future__ import annotations

import importlib.metadata
import locale
import os
import platform
import shutil
import sqlite3
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from app import paths, settings
from engine.core.clock import LiveClock
from engine.domain.errors import PilothouseError

Status = Literal["ok", "note", "warn", "bad"]
"""`note`: worth knowing; `warn`: will hurt some day; `bad`: something does not work now."""

LIBRARIES = (
    "numpy", "numba", "llvmlite", "msgspec", "ccxt", "aiosqlite", "pyarrow", "pandas", "textual",
    "typer", "keyring", "cryptography", "platformdirs", "tomlkit",
)  # fmt: skip
OPTIONAL_LIBRARIES = ("PySide6-Essentials", "pyqtgraph", "onnxruntime", "torch")

FSYNC_WRITES = 50
FSYNC_WARN_MS = 100
DISK_WARN_MB = 2_000
DISK_BAD_MB = 200
SQLITE_WAL_FIXED = (3, 51, 3)
OLDEST_PLAUSIBLE = datetime(2026, 1, 1, tzinfo=UTC)
"""Older than this program; a board without a battery clock boots in 1970."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    status: Status = "ok"
    value: str
    remedy: str = ""


def examine() -> list[Finding]:
    """All findings, in the order a person would ask."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python, _libraries, _kernels, _settings, _folders, _disk, _clock, _sqlite, _key_places,
        _terminal,
    )  # fmt: skip
    return [finding for check in checks for finding in check()]


def _python() -> Iterator[Finding]:
    implementation = f"{platform.python_implementation()} {platform.python_version()}"
    yield Finding(name="python", value=f"{implementation} on {platform.machine()}")
    yield Finding(name="system", value=f"{platform.system()} {platform.release()}")
    yield Finding(name="cores", value=str(os.cpu_count() or "unknown"))


def _libraries() -> Iterator[Finding]:
    for name in LIBRARIES:
        try:
            yield Finding(name=name, value=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(
                name=name,
                status="bad",
                value="missing",
                remedy="remove .venv and start again with python3 -m app",
            )
    for name in OPTIONAL_LIBRARIES:
        try:
            yield Finding(name=name, value=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name=name, value="not installed (optional)")


def _kernels() -> Iterator[Finding]:
    """Where numba keeps compiled kernels, and whether they are there."""
    sources = Path(__file__).resolve().parent.parent / "engine" / "kernels"
    own = os.environ.get("NUMBA_CACHE_DIR")
    cache = Path(own) if own else sources / "__pycache__"
    if not os.access(cache if cache.exists() else cache.parent, os.W_OK):
        yield Finding(
            name="kernel cache",
            status="warn",
            value=f"{cache} cannot be written",
            remedy="set NUMBA_CACHE_DIR to a folder of your own, or every start compiles anew",
        )
        return
    newest_source = max((file.stat().st_mtime for file in sources.glob("*.py")), default=0.0)
    compiled = [file.stat().st_mtime for file in cache.rglob("*.nbi")]
    yield Finding(name="kernel cache", value=str(cache))
    if not compiled:
        yield Finding(
            name="kernels", status="note", value="not compiled", remedy="compiled when first used"
        )
    elif max(compiled) < newest_source:
        yield Finding(
            name="kernels", status="note", value="out of date", remedy="compiled when next used"
        )
    else:
        yield Finding(name="kernels", value=f"compiled ({len(compiled)} functions)")


def _settings() -> Iterator[Finding]:
    try:
        settings.load()
        file = paths.locate().settings_file
        yield Finding(name="settings", value=f"{file}{'' if file.exists() else ' (defaults)'}")
    except PilothouseError as error:
        yield Finding(name="settings", status="bad", value=str(error), remedy="config check")


def _folders() -> Iterator[Finding]:
    """Ledgers and logs are nobody else's business."""
    os.umask(mask := os.umask(0o077))
    yield Finding(name="umask", value=f"{mask:04o}")
    places = paths.locate()
    for name, folder in (
        ("config folder", places.config),
        ("state folder", places.state),
        ("data folder", places.data),
    ):
        if not folder.exists():
            yield Finding(name=name, value=f"{folder} (made when needed)")
            continue
        mode = stat.S_IMODE(folder.stat().st_mode)
        if os.name != "nt" and mode & 0o077:
            yield Finding(
                name=name,
                status="warn",
                value=f"{folder} is open to others ({mode:04o})",
                remedy=f"chmod 700 {folder}",
            )
        elif not os.access(folder, os.W_OK):
            yield Finding(
                name=name,
                status="bad",
                value=f"{folder} cannot be written",
                remedy="make it writable, or choose another place with --home DIR",
            )
        else:
            yield Finding(name=name, value=str(folder))


def _disk() -> Iterator[Finding]:
    """Room, and what a durable commit costs: each order waits for one fsync."""
    state = paths.locate().state
    existing = next(folder for folder in (state, *state.parents) if folder.exists())
    free_mb = shutil.disk_usage(existing).free // 1_000_000
    status: Status = "bad" if free_mb < DISK_BAD_MB else "warn" if free_mb < DISK_WARN_MB else "ok"
    remedy = "" if status == "ok" else "make room, or choose another disk with --home DIR"
    yield Finding(name="disk space", status=status, value=f"{free_mb} MB free", remedy=remedy)
    try:
        latencies = sorted(_fsync_ms(existing))
    except OSError as error:
        yield Finding(
            name="fsync",
            status="bad",
            value=f"{existing}: {error.strerror}",
            remedy="the ledger cannot be kept there; choose another place with --home DIR",
        )
        return
    p50, p99 = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    slow = p99 > FSYNC_WARN_MS
    yield Finding(
        name="fsync",
        status="warn" if slow else "ok",
        value=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        remedy="every order waits that long; keep the state on an SSD" if slow else "",
    )


def _fsync_ms(folder: Path) -> Iterator[float]:
    block = b"\0" * 4096
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNC_WRITES):
            started = time.perf_counter_ns()
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
            yield (time.perf_counter_ns() - started) / 1e6


def _clock() -> Iterator[Finding]:
    clock = LiveClock()
    now = datetime.fromtimestamp(clock.now_ns() / 1e9, UTC)
    value = now.isoformat(timespec="seconds")
    if now < OLDEST_PLAUSIBLE:
        yield Finding(
            name="clock", status="bad", value=value, remedy="set the clock; venues refuse orders"
        )
        return
    synchronised = Path("/run/systemd/timesync/synchronized").exists()
    yield Finding(name="clock", value=f"{value}{', synchronised by systemd' * synchronised}")


def _sqlite() -> Iterator[Finding]:
    value = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < SQLITE_WAL_FIXED:
        value += " (WAL-reset bug before 3.51.3; avoided: one connection writes and checkpoints)"
        yield Finding(name="sqlite", status="note", value=value)
    else:
        yield Finding(name="sqlite", value=value)


def _key_places() -> Iterator[Finding]:
    """Where venue keys can be kept here. Looks, and asks for no secret."""
    from app.secrets import keyrings, systemd

    backend, told = keyrings.look()
    if backend is not None:
        yield Finding(name="system keyring", value=told)
    else:
        yield Finding(
            name="system keyring",
            status="note",
            value=f"none that may hold keys: {told}",
            remedy="keys add --store sealed or systemd; paper trading needs no keys",
        )
    cannot = systemd.look()
    yield Finding(name="systemd credentials", value=f"no: {cannot}" if cannot else "possible")
    yield from _key_profiles()


def _key_profiles() -> Iterator[Finding]:
    from app.secrets import KeyStore, index

    places = paths.locate()
    for file in sorted(places.state.glob(f"profiles/*/{index.FILE_NAME}")):
        name = file.parent.name
        try:
            kept = [f"{one.venue} ({one.store})" for one in KeyStore(places, name).entries()]
            yield Finding(name=f"keys of {name}", value=", ".join(kept) or "none any more")
        except PilothouseError as error:
            yield Finding(
                name=f"keys of {name}", status="bad", value=str(error), remedy="see there"
            )


def _terminal() -> Iterator[Finding]:
    encoding = sys.stdout.encoding or locale.getpreferredencoding(do_setlocale=False)
    term = os.environ.get("TERM", "")
    colours = os.environ.get("COLORTERM", "") or ("256" if "256" in term else "16 at most")
    if not sys.stdout.isatty():
        yield Finding(name="terminal", value=f"none (output goes to a file), {encoding}")
        return
    columns, lines = shutil.get_terminal_size()
    value = f"{term or 'TERM is not set'}, {colours} colours, {columns}x{lines}, {encoding}"
    if columns < 80 or lines < 24:
        yield Finding(name="terminal", status="warn", value=value, remedy="make it at least 80x24")
    elif encoding.lower().replace("-", "") != "utf8":
        yield Finding(
            name="terminal",
            status="warn",
            value=value,
            remedy="set LANG=C.UTF-8, or ascii = true under [ui] in the settings",
        )
    else:
        yield Finding(name="terminal", value=value)
