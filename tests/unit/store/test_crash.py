"""kill -9 and a full disk: what was acknowledged is there, in order, and nothing is torn."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.core.clock import SimClock
from engine.core.tasks import Failure
from engine.domain.events import Noted
from engine.store.journal import open_ledger

ROOT = Path(__file__).parents[3]
KILLS = 30

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")


def start(path: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unit.store.appender", str(path), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def unexpected(failure: Failure) -> None:
    raise AssertionError(failure)


def test_thirty_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    moments = random.Random(20261121)
    acknowledged = 0
    for _ in range(KILLS):
        process = start(path, "run")
        assert process.stdout is not None
        assert process.stderr is not None
        opened = process.stdout.readline().split()
        assert opened[:1] == [b"open"], process.stderr.read().decode()
        # The restart passed the integrity check and found all that its predecessor had promised.
        assert int(opened[1]) >= acknowledged
        killer = threading.Timer(moments.uniform(0.0, 0.1), os.kill, (process.pid, signal.SIGKILL))
        killer.start()
        lines = process.stdout.read().splitlines()
        assert process.wait() == -signal.SIGKILL, process.stderr.read().decode()
        killer.join()
        process.stdout.close()
        process.stderr.close()
        if lines:
            acknowledged = int(lines[-1].split()[1])

    with open_ledger(path, clock=SimClock(1), on_failure=unexpected) as journal:
        texts = [event.text for event in journal.replay() if isinstance(event, Noted)]
        assert journal.last_seq == len(texts) >= acknowledged > KILLS
    # Exactly the beginning of what was sent: nothing missing, doubled or out of order.
    assert texts == [f"note {number}" for number in range(1, len(texts) + 1)]


def test_a_full_disk_is_loud_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    process = start(path, "full", "300000")
    output, errors = process.communicate(timeout=60)
    lines = output.decode().splitlines()
    words = [line.split(maxsplit=1)[0] for line in lines]
    acknowledged = [int(line.split()[1]) for line in lines if line.startswith("ack")]

    # The failure is told by the writer's thread: before or after the next wish is refused.
    assert words[-1] == "closed", (lines[-5:], errors.decode())
    assert (words.count("failure"), words.count("again")) == (1, 1)
    assert "could not be written" in next(line for line in lines if line.startswith("error"))

    with open_ledger(path, clock=SimClock(1), on_failure=unexpected) as journal:
        texts = [event.text for event in journal.replay() if isinstance(event, Noted)]
    assert len(texts) >= acknowledged[-1]
    assert texts == [f"note {number}" for number in range(1, len(texts) + 1)]


def test_the_ledger_of_a_killed_engine_can_be_taken_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    process = start(path, "run")
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr):
        with contextlib.suppress(AttributeError):
            stream.close()  # type: ignore[union-attr]
    open_ledger(path, clock=SimClock(1), on_failure=unexpected).close()
