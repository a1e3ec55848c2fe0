"""Starts an engine that outlives the face which wanted it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from app import paths
from app.processes import apart
from app.service.endpoint import Endpoint, claimant, connect, endpoint_of, keeper
from engine.domain.errors import EngineNotRunning, WorkFailed
from engine.domain.text import clean

START_S = 600.0
"""A long ledger takes its time to be checked and replayed, as long as systemd gives it."""
OUTPUT_BYTES_MAX = 1_000_000
_LOOK_S = 0.05
_RESTART = () if sys.platform == "win32" else ("--restart",)
_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from app.cli.main import main; sys.exit(main(sys.argv[1:]))"
)


def _nothing() -> None:
    pass


def command_line() -> list[str]:
    """This program once more, from any folder and in any state of the shell's variables."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    return [sys.executable, "-P", "-c", _PROGRAM, str(_ROOT)]


def start_engine(profile: str, on_wait: Callable[[], None] = _nothing) -> None:
    """Start an engine for `profile` and wait until faces can attach; `on_wait` is called while
    it opens.

    It is started again after a crash. When somebody else starts one at the same moment, that one
    is waited for. WorkFailed with its last line when it ends instead.
    """
    places = paths.locate()
    output = paths.make_private(places.logs) / f"engine-{profile}.out"
    is_long = output.exists() and output.stat().st_size > OUTPUT_BYTES_MAX
    with output.open("wb" if is_long else "ab") as log:
        begins_at = log.tell()
        engine = subprocess.Popen(
            [*command_line(), "engine", *_RESTART, "--profile", profile],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **apart(),
            cwd=paths.make_private(places.state),
        )
    try:
        _wait_for(endpoint_of(places, profile), on_wait, engine, output, begins_at)
    finally:
        if engine.poll() is None:
            engine.returncode = 0  # It is on its own now; nobody here waits for its end.


def wait_for_engine(profile: str, on_wait: Callable[[], None] = _nothing) -> None:
    """Until the engine that is starting can be attached to."""
    _wait_for(endpoint_of(paths.locate(), profile), on_wait)


def wait_until_open(endpoint: Endpoint, engine: subprocess.Popen[bytes], output: Path) -> None:
    """Until the engine that somebody has started, writing to `output`, can be attached to.
    WorkFailed with its last line when it ends instead."""
    _wait_for(endpoint, _nothing, engine, output)


def _wait_for(
    endpoint: Endpoint,
    on_wait: Callable[[], None],
    engine: subprocess.Popen[bytes] | None = None,
    output: Path | None = None,
    begins_at: int = 0,
) -> None:
    """`engine` is the process that was started for it, `output` where it writes."""
    deadline_s = time.perf_counter() + START_S
    while True:
        try:
            connect(endpoint).close()
        except EngineNotRunning:
            if time.perf_counter() > deadline_s:
                raise
        else:
            return
        has_ended = engine is None or engine.poll() is not None
        if has_ended and not claimant(endpoint) and not keeper(endpoint):
            words = _last_line(output, begins_at) if output is not None else ""
            raise WorkFailed(words or "engine: it ended before faces could come")
        on_wait()
        time.sleep(_LOOK_S)


def _last_line(output: Path, begins_at: int) -> str:
    text = output.read_bytes()[begins_at:].decode(errors="replace")
    lines = [clean(line) for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
