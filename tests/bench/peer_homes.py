"""Other backtesters, each in an environment of its own, and a line to talk to them.

Their pins differ from ours and from each other's, so none of them is ever part of Pilothouse: they
are installed on demand under the data folder and stay there for the next time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from app.progress import Step
from engine.domain.errors import WorkFailed

WORK = Path(__file__).resolve().parent / "peer_work"


class Peer(NamedTuple):
    package: str
    version: str

    @property
    def words(self) -> str:
        return f"{self.package} {self.version}"


HFTBACKTEST = Peer("hftbacktest", "2.4.4")
VECTORBT = Peer("vectorbt", "1.2.0")
BACKTESTING = Peer("backtesting", "0.6.6")


def home_of(peer: Peer, folder: Path) -> Path:
    """The environment of `peer` under `folder`, made on the first call. WorkFailed with pip's own
    words where that cannot be done; nothing half-made is left."""
    home = folder / f"{peer.package}-{peer.version}"
    if (home / "ready").exists():
        return home
    shutil.rmtree(home, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    pip = [str(python_of(home)), "-m", "pip", "install", "--disable-pip-version-check"]
    try:
        with Step(f"peer {peer.words}: environment") as step:
            _watched(step, [sys.executable, "-m", "venv", str(home)], peer)
        with Step(f"peer {peer.words}: install") as step:
            wanted = f"{peer.package}=={peer.version}"
            _watched(step, [*pip, "--retries", "1", "--timeout", "15", wanted], peer)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    (home / "ready").touch()
    return home


def python_of(home: Path) -> Path:
    return home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _watched(step: Step, command: list[str], peer: Peer) -> None:
    """Run `command` to its end, showing its newest line."""
    said = ["nothing"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip():
                said.append(line.strip())
                step.show(said[-1][:100])
    if process.returncode:
        errors = [line for line in said if line.startswith("ERROR")]
        raise WorkFailed(
            f"bench --peers: cannot install {peer.words}: {(errors or said)[-1]} "
            "(it comes from the package index: is there a network?)"
        )


class Line:
    """A peer at work in its own process: `line.ask("idle")` does that work once and returns
    (seconds, what came of it). A context manager."""

    def __init__(self, peer: Peer, home: Path, data: Path) -> None:
        self.peer = peer
        script = WORK / f"{peer.package}_work.py"
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [str(python_of(home)), str(script), str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ,
        )
        with Step(f"peer {peer.words}: load"):
            try:
                self.version = str(self._read()["ready"])
            except BaseException:
                self.close()
                raise

    def ask(self, work: str) -> tuple[float, dict[str, Any]]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"work": work}) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        return float(answer["seconds"]), answer["check"]

    def _read(self) -> dict[str, Any]:
        """The next answer. What a library prints in between is not one."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        assert self._process.stderr is not None
        words = self._process.stderr.read().strip().splitlines() or ["nothing"]
        raise WorkFailed(f"bench --peers: {self.peer.words} stopped, its last words: {words[-1]}")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
