"""`demo --drill SCENARIO` from a shell: exchange, engine, bots, faults; nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.paths import HOME_VARIABLE, locate
from app.practice import PROFILE
from app.service.endpoint import claimant, endpoint_of
from tests.support.service import eventually

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "import sys; from app.cli.main import main; sys.exit(main(sys.argv[1:]))"


def _demo(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "demo", "--drill", *options],
        cwd=ROOT,
        env={**os.environ, HOME_VARIABLE: str(home)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.timeout(300)
def test_a_practice_trades_and_leaves_nothing_running(tmp_path: Path) -> None:
    done = _demo(tmp_path, "lost-fill", "--headless", "--seconds", "4", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["scenario"] == "lost-fill"
    assert report["orders"] + report["fills"] > 0
    for name in ("exchange", "engine"):
        said = (tmp_path / "state" / "logs" / f"practice-{name}.out").read_text()
        assert "Traceback" not in said
    assert "stopped:" in (tmp_path / "state" / "logs" / "practice-engine.out").read_text()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
@pytest.mark.timeout(300)
def test_a_window_that_is_closed_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals
) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "demo", "--drill", "crash", "--headless"],
        cwd=ROOT,
        env={**os.environ, HOME_VARIABLE: str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    endpoint = endpoint_of(locate({HOME_VARIABLE: str(tmp_path)}), PROFILE)
    eventually(lambda: claimant(endpoint), 200)
    demo.send_signal(number)
    assert demo.wait(60) == 128 + number
    assert "stopped" in (tmp_path / "state" / "logs" / "practice-engine.out").read_text()
    assert not claimant(endpoint)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("crsh", "--headless"), "did you mean crash?"),
        (("crash",), "the demo needs one; add --headless"),
        (("crash", "--headless", "--speed", "2"), "goes with --seed, --seconds, --headless"),
    ],
)
def test_bad_calls_are_one_line(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    done = _demo(tmp_path, *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
