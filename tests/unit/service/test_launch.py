"""Faces that want an engine: who starts it, who waits for it, and what becomes of it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.service import protocol as p
from app.service.client import RemoteSession
from app.service.endpoint import Claim, claimant, connect
from app.service.launch import start_engine, wait_for_engine
from app.service.links import SshRoad
from engine.domain.errors import EngineNotRunning, WorkFailed
from tests.support.service import (
    attached,
    command_line,
    endpoint_at,
    eventually,
    paths_of,
    shell,
)

pytestmark = pytest.mark.timeout(180)


@contextmanager
def stopped_after(home: Path) -> Iterator[None]:
    """Whatever engine runs at the end is stopped."""
    try:
        yield
    finally:
        if claimant(endpoint_at(home)):
            assert shell(home, "stop").returncode == 0


def test_two_faces_that_start_one_get_the_same_engine(own_home: Path) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            start_engine("paper")
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    with stopped_after(own_home):
        starters = [threading.Thread(target=start, daemon=True) for _ in range(2)]
        for starter in starters:
            starter.start()
        for starter in starters:
            starter.join(120)
        assert failures == []
        with attached(own_home) as one, attached(own_home) as other:
            eventually(lambda: len(one.standing().faces) == len(other.standing().faces) == 2)  # type: ignore[union-attr]
        ledgers = list(paths_of(own_home).profile("paper").glob("ledger-*.db"))
        assert len(ledgers) == 1


def test_an_engine_that_cannot_run_says_why(own_home: Path) -> None:
    settings = own_home / "config" / "settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[paper]\ncaptal = 5\n")
    with pytest.raises(WorkFailed, match="did you mean capital"):
        start_engine("paper")
    assert claimant(endpoint_at(own_home)) == 0


def test_an_engine_that_is_still_opening_is_waited_for(own_home: Path) -> None:
    endpoint = endpoint_at(own_home)
    claim = Claim(endpoint)
    assert claimant(endpoint) == os.getpid()
    with pytest.raises(EngineNotRunning, match="still opening its market"):
        connect(endpoint)
    waiting = threading.Thread(target=wait_for_engine, args=["paper"], daemon=True)
    waiting.start()
    listener = claim.listen()
    waiting.join(30)
    assert not waiting.is_alive()
    listener.close()
    claim.release()
    assert claimant(endpoint) == 0
    with pytest.raises(EngineNotRunning, match="none runs for profile paper"):
        connect(endpoint)


def test_an_engine_that_gives_up_opening_is_not_waited_for(own_home: Path) -> None:
    claim = Claim(endpoint_at(own_home))
    failures: list[str] = []

    def wait() -> None:
        try:
            wait_for_engine("paper")
        except WorkFailed as error:
            failures.append(str(error))

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    claim.release()
    waiting.join(30)
    assert failures == ["engine: it ended before faces could come"]


def test_over_ssh_an_engine_is_started_once_and_not_against_anybodys_will(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a real engine and bridge; only ssh itself is played, by a script that runs the
    command here."""
    import shlex

    folder = own_home / "bin"
    folder.mkdir()
    calls = own_home / "calls"
    ssh = folder / "ssh"
    ssh.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\nfor last; do :; done\nexec sh -c "exec $last"\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    road = SshRoad("pi@host", "paper", shlex.join(command_line()))
    with stopped_after(own_home):
        road.may_start = True
        session = RemoteSession(road, "tui", wants="free")
        session.start()
        assert session.snapshot().bots  # type: ignore[union-attr]
        assert calls.read_text().count("--start") == 1
        session.stop_engine()
        assert session.wait_gone(30).report is not None
        attempts = calls.read_text().count("bridge")
        eventually(lambda: calls.read_text().count("bridge") > attempts, 30)
        eventually(lambda: "none runs for profile paper" in session.failure(), 30)
        assert calls.read_text().count("--start") == 1
        session.close()
    assert claimant(endpoint_at(own_home)) == 0
    again = RemoteSession(road, "tui")
    with pytest.raises(p.Refused, match="none runs"):
        again.start()


def test_a_number_that_another_process_goes_by_now_claims_nothing(own_home: Path) -> None:
    """After a power cut: what the dead engine wrote is still there, and the number lives again."""
    endpoint = endpoint_at(own_home)
    claim = Claim(endpoint)
    lock = endpoint.door_path.with_name("engine.sock.lock")
    with subprocess.Popen(["sleep", "60"]) as stranger:
        left_behind = lock.read_text()
        assert int(left_behind) == claimant(endpoint) == os.getpid()
        claim.release()
        lock.write_text(f"{stranger.pid}\n")
        assert claimant(endpoint) == 0
        with pytest.raises(EngineNotRunning, match="none runs for profile paper"):
            connect(endpoint)
        stranger.kill()
