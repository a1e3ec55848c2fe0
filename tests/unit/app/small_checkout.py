"""A checkout of Pilothouse in small, and the real program started in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

BARE_PYTHON = Path(getattr(sys, "_base_executable", sys.executable))
"""The Python that this environment was made with: it has no libraries of ours."""

TINY_WHEEL = "tiny-1.0-py3-none-any.whl"


@dataclass(frozen=True)
class Checkout:
    """A copy of the start-up code whose base set is one tiny package in a folder of wheels."""

    root: Path
    wheels: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def lock(self) -> Path:
        return self.root / "packaging" / "locks" / "base.txt"

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """No configuration of the machine's; packages come from the folder of wheels only."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PIP_", "PYTHON", "COV", "VIRTUAL_ENV"))
        }
        own = {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_RETRIES": "0",
        }
        return kept | own | dict(extra or {})

    def command(self, *words: str) -> list[str]:
        return [str(BARE_PYTHON), "-m", "app", *words]

    def start(self, *words: str, **extra: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            cwd=self.root,
            env=self.environ(extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **extra: str) -> Outcome:
        process = self.start(*words, **extra)
        out, err = process.communicate(timeout=100)
        return Outcome(process.returncode, out, err)


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""

    def assert_one_line(self, code: int, *parts: str) -> None:
        """The exit code, and a last line that names what must be named; never a traceback."""
        assert self.code == code, (self.out, self.err)
        assert "Traceback" not in self.err + self.out
        for part in parts:
            assert part in self.last_line, (part, self.err)


def tiny_wheel(folder: Path) -> str:
    """A real wheel, made here; returns its sha256."""
    files = {
        "tiny.py": "VALUE = 1\n",
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, "tiny-1.0.dist-info/RECORD"])
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / TINY_WHEEL, "w") as wheel:
        for name, text in {**files, "tiny-1.0.dist-info/RECORD": record}.items():
            wheel.writestr(name, text)
    return hashlib.sha256((folder / TINY_WHEEL).read_bytes()).hexdigest()


def a_lock(sha256: str) -> str:
    return f"tiny==1.0 \\\n    --hash=sha256:{sha256}\n"
