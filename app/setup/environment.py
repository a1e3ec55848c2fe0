"""The checkout's own virtual environment, `.venv`: made, filled from the locks, kept up to date.

What is in it is told by one file, the *stamp*, written when a step is complete and removed before
the next one begins. No stamp means that somebody pulled the plug half-way: `.venv` is made anew.
A file lock keeps two starts apart; the second finds the work done.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.progress import Step
from app.setup import failures
from app.setup.failures import SetupError

SPACE_MB = {"base": 1500, "gui": 700, "dev": 300}
"""Room to ask for before a set is installed, the downloaded files included."""
TEMPORARY_MB = 500
"""Room pip needs where temporary files go."""
MACHINES = frozenset({"x86_64", "amd64", "aarch64", "arm64"})
LOCK_POLL_S = 0.2
NOT_COMPILED = r"[/\\](ccxt|tests?|testing)[/\\]"
"""What nobody imports at start: half of the time that compiling everything would take."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The `.venv` of one checkout."""

    checkout: Path

    @property
    def root(self) -> Path:
        return self.checkout / ".venv"

    @property
    def python(self) -> Path:
        return self.root / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def site_packages(self) -> Path:
        if os.name == "nt":
            return self.root / "Lib" / "site-packages"
        return self.root / "lib" / f"python{_python_version()}" / "site-packages"

    @property
    def stamp_file(self) -> Path:
        return self.root / "pilothouse.json"

    def lock_file(self, name: str) -> Path:
        """The hash-pinned requirements of one set."""
        return self.checkout / "packaging" / "locks" / f"{name}.txt"

    def is_current(self) -> bool:
        """Whether this very process runs in `.venv`."""
        return os.path.realpath(sys.prefix) == os.path.realpath(self.root)

    def missing(self, sets: Sequence[str]) -> list[str]:
        """Those of `sets` that are not installed as their locks say. Reads a few files only."""
        installed = self._read_stamp().get("sets", {})
        return [name for name in sets if installed.get(name) != self._digest(name)]

    def ensure(self, sets: Sequence[str]) -> None:
        """Have `sets` installed. Raises SetupError with the line for the person."""
        if not self.missing(sets):
            return
        try:
            with self.locked():
                if missing := self.missing(sets):
                    self._check_space(missing)
                    if not self._read_stamp():
                        self._make()
                    for name in missing:
                        self._install(name)
        except OSError as error:
            raise SetupError(failures.from_os_error(error, self.checkout)) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Held by whoever changes `.venv`; others wait. The system frees it if the holder dies."""
        with open(self.checkout / ".venv.lock", "a+b") as file:
            if not _try_lock(file.fileno()):
                with Step("waiting for another start of Pilothouse to finish installing") as step:
                    while not _try_lock(file.fileno()):
                        step.tick()
                        time.sleep(LOCK_POLL_S)
            yield

    # --- the stamp ---

    def _identity(self) -> dict[str, str]:
        """An environment is bound to a place and to the Python that made it."""
        return {"checkout": str(self.checkout), "python": _python_version()}

    def _read_stamp(self) -> dict[str, Any]:
        """The stamp; empty when `.venv` is missing, half-made, moved, or another Python's."""
        try:
            stamp = json.loads(self.stamp_file.read_bytes())
        except (OSError, ValueError):
            return {}
        usable = isinstance(stamp, dict) and isinstance(stamp.get("sets"), dict)
        if not usable or not self.python.exists():
            return {}
        identity = self._identity()
        return stamp if identity == {key: stamp.get(key) for key in identity} else {}

    def _write_stamp(self, sets: dict[str, str]) -> None:
        whole = self.stamp_file.with_suffix(".new")
        whole.write_text(json.dumps({**self._identity(), "sets": sets}, indent=1), encoding="utf-8")
        os.replace(whole, self.stamp_file)

    def _digest(self, name: str) -> str:
        return hashlib.sha256(self.lock_file(name).read_bytes()).hexdigest()

    # --- the work ---

    def _check_space(self, sets: Sequence[str]) -> None:
        needed = {
            self.checkout: sum(SPACE_MB.get(name, TEMPORARY_MB) for name in sets),
            Path(tempfile.gettempdir()): TEMPORARY_MB,
        }
        for place, needed_mb in needed.items():
            free_mb = shutil.disk_usage(place).free // 1_000_000
            if free_mb < needed_mb:
                raise SetupError(failures.too_little_space(place, free_mb, needed_mb))

    def _make(self) -> None:
        version = _python_version()
        debian = os.path.exists("/etc/debian_version")
        if find_spec("venv") is None or find_spec("ensurepip") is None:
            raise SetupError(failures.no_venv_module(version, debian=debian))
        if self.root.is_symlink():
            raise SetupError(f"{self.root}: is a link: remove it, a folder is made in its place")
        again = self.root.exists()
        with Step("making .venv again, it is incomplete or another Python's" if again
                  else "making .venv") as step:  # fmt: skip
            if again:
                shutil.rmtree(self.root)
            made, output = run_watched([sys.executable, "-m", "venv", str(self.root)], step.tick)
            if not made:
                shutil.rmtree(self.root, ignore_errors=True)
                raise SetupError(failures.from_venv(output, version, debian=debian))
            self._add_ourselves()
            self._write_stamp({})

    def _add_ourselves(self) -> None:
        """The checkout on the path of `.venv`, and the `pilothouse` command in it."""
        (self.site_packages / "pilothouse.pth").write_text(f"{self.checkout}\n", encoding="utf-8")
        if os.name == "nt":
            script = self.python.with_name("pilothouse.cmd")
            script.write_text('@"%~dp0python.exe" -P -m app %*\n', encoding="utf-8")
            return
        script = self.python.with_name("pilothouse")
        # By way of sh: a path after #! may hold no space and is cut when long.
        script.write_text(
            '#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/python" -P -m app "$@"\n',
            encoding="utf-8",
        )
        script.chmod(0o755)

    def _install(self, name: str) -> None:
        """Install one set; a set is complete in itself, so nothing is resolved and no index named.

        Where the files come from is pip's own configuration.
        """
        sets = self._read_stamp()["sets"]
        digest = self._digest(name)
        self.stamp_file.unlink()
        command = [
            str(self.python), "-I", "-m", "pip", "install", "--require-hashes", "--no-deps",
            "--only-binary", ":all:", "--no-user", "--no-input", "--disable-pip-version-check",
            "--no-compile", "--progress-bar", "off", "--requirement", str(self.lock_file(name)),
        ]  # fmt: skip
        log = self.root / "setup.log"
        with Step(f"installing {name}") as step:
            watch = _PipWatch(step, self.lock_file(name), self.site_packages)
            done, output = run_watched(command, watch.tick, watch.line)
            log.write_text(output, encoding="utf-8")
            if done:
                self._compile(step)
            # pip takes back what it began when it fails, so what the stamp said is still true.
            self._write_stamp({**sets, name: digest} if done else sets)
            if not done:
                raise SetupError(failures.from_pip(output, log, _unsupported()))

    def _compile(self, step: Step) -> None:
        """Byte-compile on all cores, as pip cannot, so that the first start need not."""
        step.show("preparing")
        command = [
            str(self.python), "-I", "-m", "compileall", "-q", "-j", "0", "-x", NOT_COMPILED,
            str(self.site_packages),
        ]  # fmt: skip
        # A file that does not compile (some libraries ship such templates) is none of our concern.
        run_watched(command, step.tick)


class _PipWatch:
    """Turns what pip says, and then the growing site-packages, into "12 of 62"."""

    def __init__(self, step: Step, lock: Path, site_packages: Path) -> None:
        self._step = step
        self._total = sum(
            1 for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line
        )
        self._seen = 0
        self._unpacking = False
        self._site_packages = site_packages
        self._unpacked_before = 0

    def line(self, line: str) -> None:
        words = line.split()
        if line.startswith("Ignoring "):
            self._total -= 1
        elif line.startswith(("Collecting ", "Processing ", "Requirement already satisfied")):
            self._seen += 1
            name = os.path.basename(words[3] if words[0] == "Requirement" else words[1])
            self._step.show(f"{self._seen} of {self._total}: {name.partition('==')[0]}")
        elif line.startswith("Installing collected packages"):
            self._unpacking = True
            self._unpacked_before = self._unpacked()
        elif "Retrying" in line:
            self._step.show("the network is slow to answer, trying again")

    def tick(self) -> None:
        if self._unpacking:
            count = self._unpacked() - self._unpacked_before
            self._step.show(f"unpacking {count} of {self._total}")
        else:
            self._step.tick()

    def _unpacked(self) -> int:
        return sum(1 for _ in self._site_packages.glob("*.dist-info"))


def _python_version() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _unsupported() -> str:
    """What about this machine the locks were not made for; "" when nothing is."""
    python, machine = _python_version(), platform.machine()
    if not (3, 11) <= sys.version_info[:2] <= (3, 14):
        return f"Python {python}"
    return "" if machine.lower() in MACHINES else machine


def run_watched(
    command: Sequence[str],
    on_tick: Callable[[], None],
    on_line: Callable[[str], None] = lambda line: None,
) -> tuple[bool, str]:
    """Run to the end while the progress line lives. Success, and all that was printed."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    output: list[str] = []
    try:
        while True:
            try:
                line = lines.get(timeout=0.2)
            except queue.Empty:
                on_tick()
                continue
            if line is None:
                break
            output.append(line)
            on_line(line.rstrip())
        return process.wait() == 0, "".join(output)
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file, without waiting."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True
