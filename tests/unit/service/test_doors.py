"""The loopback port that an engine has where there are no Unix sockets."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.service import doors
from app.service import protocol as p
from app.service.endpoint import Claim, connect
from engine.domain import commands as c
from engine.domain.errors import ConfigError, EngineNotRunning
from tests.support.service import Bare, ScriptedEngine, attached, endpoint_at, eventually


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.setattr(doors, "DOOR", doors.LoopbackDoor())


def test_faces_attach_and_command_through_the_port(own_home: Path) -> None:
    with ScriptedEngine(own_home) as engine, attached(own_home, wants="free") as face:
        face.submit(c.PauseBot(command_id="k1", bot_id="manual"))
        assert face.wait_for("k1", 10).refused == ""
        shot = engine.publish(feed_age_ms=7)
        eventually(lambda: face.snapshot().version == shot.version)
    assert [command.command_id for command in engine.carried_out] == ["k1"]
    with pytest.raises(EngineNotRunning, match="none runs"):
        connect(endpoint_at(own_home))


def test_it_is_open_to_this_machine_alone_and_its_files_to_their_owner(own_home: Path) -> None:
    with ScriptedEngine(own_home), Bare.attach(own_home) as face:
        assert face.socket.getpeername()[0] == "127.0.0.1"
        endpoint = endpoint_at(own_home)
        for path in (endpoint.door_path, endpoint.token_path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not endpoint.door_path.exists()


def test_without_the_token_nobody_is_let_in(own_home: Path) -> None:
    with ScriptedEngine(own_home) as engine:
        with Bare(own_home) as face:
            face.say(face.hello(token="0" * 64))
            assert "token" in face.refusal()
        assert engine.is_well()


def test_one_engine_a_profile_and_what_a_kill_left_is_replaced(own_home: Path) -> None:
    endpoint = endpoint_at(own_home)
    endpoint.folder.mkdir(parents=True)
    endpoint.door_path.write_text("1\n")
    with ScriptedEngine(own_home):
        with pytest.raises(ConfigError, match="already serves"):
            Claim(endpoint)
        connect(endpoint).close()


def test_a_stranger_at_the_port_of_a_killed_engine_hears_nothing(own_home: Path) -> None:
    endpoint = endpoint_at(own_home)
    claim = Claim(endpoint)
    listener = claim.listen()
    port = listener.getsockname()[1]
    listener.close()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lock = endpoint.door_path.with_name(endpoint.door_path.name + ".lock")
    lock.write_text(f"{gone.pid}\n")  # As a kill leaves it.
    with socket.create_server(("127.0.0.1", port)) as stranger:
        with pytest.raises(EngineNotRunning, match="none runs"):
            connect(endpoint)
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.accept()


@pytest.mark.parametrize("text", ["", "no port", "0", "65536", "-1", "\xff\xfe"])
def test_a_port_file_that_names_no_port_is_no_engine(own_home: Path, text: str) -> None:
    endpoint = endpoint_at(own_home)
    claim = Claim(endpoint)
    listener = claim.listen()
    endpoint.door_path.write_text(text, encoding="utf-8")
    with pytest.raises(EngineNotRunning):
        connect(endpoint)
    listener.close()
    claim.release()


def test_frames_are_the_same_at_both_doors(own_home: Path) -> None:
    with ScriptedEngine(own_home) as engine, Bare.attach(own_home) as face:
        assert face.hear_until(p.Picture).snapshot == engine.snapshot
