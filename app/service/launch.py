"""Starts an engine that outlives the face which wanted it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from app import paths
from app.service.endpoint import connect, endpoint_of
from engine.domain.errors import EngineNotRunning, WorkFailed
from engine.domain.text import clean

START_S = 120.0
"""A long ledger takes its time to be checked and replayed."""
_LOOK_S = 0.05
_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from app.cli.main import main; sys.exit(main(sys.argv[1:]))"
)


def start_engine(profile: str, why_not: EngineNotRunning, *options: str) -> int:
    """Start an engine for `profile`, wait until faces can attach, and return its process number.

    WorkFailed with its last line when it ends instead.
    """
    places = paths.locate()
    output = paths.make_private(places.logs) / f"engine-{profile}.out"
    with output.open("wb") as log:
        engine = subprocess.Popen(
            [*_command(), "engine", "--profile", profile, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=places.state,
        )
    endpoint = endpoint_of(places, profile)
    deadline_s = time.perf_counter() + START_S
    while time.perf_counter() < deadline_s:
        if engine.poll() is not None:
            raise WorkFailed(_last_line(output) or f"engine: ended with code {engine.returncode}")
        try:
            connect(endpoint).close()
        except EngineNotRunning as error:
            why_not = error
            time.sleep(_LOOK_S)
        else:
            engine.returncode = 0  # It is on its own now; nobody here waits for its end.
            return engine.pid
    raise why_not


def _command() -> list[str]:
    if getattr(sys, "frozen", False):
        return [sys.executable]
    return [sys.executable, "-P", "-c", _PROGRAM, str(_ROOT)]


def _last_line(output: Path) -> str:
    text = output.read_text(encoding="utf-8", errors="replace")
    lines = [clean(line) for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
