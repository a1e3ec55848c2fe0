"""What a face notices when its engine comes, goes, hangs or lies."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from app.service import protocol as p
from app.service.client import SILENT_NS, RemoteSession
from app.service.endpoint import Claim
from app.service.links import SocketRoad, SshRoad
from app.service.server import EngineServer
from engine.core.clock import LiveClock
from engine.domain import commands as c
from engine.domain.errors import BadInput, EngineNotRunning, TimedOut
from tests.support.service import ScriptedEngine, attached, endpoint_at, eventually

HOUR_NS = 3_600_000_000_000


def test_without_an_engine_it_says_how_to_start_one(own_home: Path) -> None:
    with (
        pytest.raises(EngineNotRunning, match="pilothouse engine --profile paper") as found,
        attached(own_home),
    ):
        pass
    assert found.value.exit_code == 3


def test_a_face_says_at_once_that_the_engine_left_and_comes_back_by_itself(own_home: Path) -> None:
    with ScriptedEngine(own_home) as engine:
        session = RemoteSession(SocketRoad(endpoint_at(own_home)), "tui")
        session.start()
        assert session.failure() == ""
        last = engine.snapshot
    eventually(session.failure, 1)
    assert session.failure().startswith("the engine was stopped; 0 s ago, reconnecting")
    assert session.snapshot().orders == last.orders  # type: ignore[union-attr]  # still to be read
    with pytest.raises(EngineNotRunning):
        session.submit(c.Kill(command_id="c1"))
    with ScriptedEngine(own_home) as engine:
        eventually(lambda: not session.failure(), 3)
        shot = engine.publish(orders=[])
        eventually(lambda: session.snapshot().version == shot.version)  # type: ignore[union-attr]
        assert session.snapshot().orders == []  # type: ignore[union-attr]
        session.submit(c.Kill(command_id="c2"))
        assert session.wait_for("c2", 5).refused == ""
        session.close()


def test_the_token_returns_to_whom_it_had_and_not_to_whoever_is_back_first(own_home: Path) -> None:
    road = SocketRoad(endpoint_at(own_home))
    with ScriptedEngine(own_home):
        holder = RemoteSession(road, "tui", wants="free")
        watcher = RemoteSession(SocketRoad(endpoint_at(own_home)), "gui", wants="free")
        holder.start()
        watcher.start()
        eventually(lambda: watcher.standing() is not None)
        assert holder.standing().holder == holder.standing().me  # type: ignore[union-attr]
        assert watcher.standing().is_view_only  # type: ignore[union-attr]
    eventually(lambda: holder.failure() and watcher.failure())
    with ScriptedEngine(own_home):
        eventually(lambda: not watcher.failure(), 5)
        eventually(lambda: len(watcher.standing().faces) == 2, 30)  # type: ignore[union-attr]
        assert watcher.standing().holder.startswith("tui@")  # type: ignore[union-attr]
        holder.close()
        eventually(lambda: watcher.standing().holder == "")  # type: ignore[union-attr]
        watcher.close()


def test_a_wish_without_an_answer_is_told_as_lost_and_not_repeated(own_home: Path) -> None:
    with ScriptedEngine(own_home) as engine:
        engine.is_deaf = True
        session = RemoteSession(SocketRoad(endpoint_at(own_home)), "tui")
        session.start()
        session.submit(c.Flatten(command_id="c1"))
        session.submit(c.PauseBot(command_id="c2"))
    assert "look what became of it" in session.wait_for("c1", 2).refused
    assert [row.command_id for row in session.snapshot().receipts[-2:]] == ["c1", "c2"]  # type: ignore[union-attr]
    with ScriptedEngine(own_home) as engine:
        eventually(lambda: not session.failure(), 3)
        assert engine.carried_out == []
        session.close()


def test_a_refusal_on_return_is_shown(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedEngine(own_home):
        session = RemoteSession(SocketRoad(endpoint_at(own_home)), "tui")
        session.start()

    def refuse(server: EngineServer, hello: p.Hello) -> None:
        raise p.Refused(p.SCHEMA_DIFFERS, p.version_words((99, ""), (hello.schema, "")))

    monkeypatch.setattr(EngineServer, "check_hello", refuse)
    with ScriptedEngine(own_home):
        eventually(
            lambda: (
                f"engine speaks schema 99, this face {p.SCHEMA}: update this face"
                in session.failure()
            ),
            10,
        )
        session.close()


def test_the_age_of_a_picture_is_told_by_this_machines_clock(own_home: Path) -> None:
    class Ahead(LiveClock):
        def now_ns(self) -> int:
            return super().now_ns() + HOUR_NS

    with ScriptedEngine(own_home, Ahead()) as engine, attached(own_home) as face:
        wall_ns = LiveClock().now_ns()
        eventually(lambda: face._clock_ahead_ns != 0)
        engine.publish(published_wall_ns=wall_ns + HOUR_NS)
        eventually(lambda: abs(face.snapshot().published_wall_ns - wall_ns) < 1_000_000_000)  # type: ignore[union-attr]


def test_an_engine_that_hangs_is_called_silent(own_home: Path) -> None:
    """A listening socket is not enough: somebody has to answer."""
    endpoint = endpoint_at(own_home)
    with ScriptedEngine(own_home), attached(own_home) as face:
        face._heard_ns -= 2 * SILENT_NS
        assert face.failure().startswith("engine silent for")
        eventually(lambda: face.failure() == "", 3)
    assert not endpoint.door_path.exists()


def test_whom_a_stopped_process_keeps_waiting(own_home: Path) -> None:
    """Nobody answers the hello: the start gives up and says so."""
    claim = Claim(endpoint_at(own_home))
    listener = claim.listen()
    road = SocketRoad(endpoint_at(own_home))
    road.answer_s = 0.2
    session = RemoteSession(road, "tui")
    with pytest.raises(TimedOut, match="does not answer") as found:
        session.start()
    assert found.value.exit_code == 5
    listener.close()
    claim.release()


# -- ssh ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["-oProxyCommand=evil", "", "user@host; rm", "a b", "$(x)"])
def test_a_target_that_ssh_could_take_for_an_option_is_refused(target: str) -> None:
    with pytest.raises(BadInput, match="USER@HOST"):
        SshRoad(target, "paper")


def _fake_ssh(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An `ssh` that runs the command here."""
    program = folder / "ssh"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_what_ssh_complains_about_is_the_error(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_ssh(own_home, 'echo "noise" >&2; echo "Permission denied (publickey)." >&2; exit 255',
              monkeypatch)  # fmt: skip
    session = RemoteSession(SshRoad("pi@host", "paper"), "tui")
    with pytest.raises(EngineNotRunning, match=r"ssh pi@host: Permission denied \(publickey\)"):
        session.start()


def test_a_face_over_ssh(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bridge in a process of its own; a link that is cut is made anew."""
    import shlex

    from tests.support.service import command_line

    program = shlex.join(command_line())
    log = own_home / "calls"
    _fake_ssh(own_home, f'echo $$ "$@" >> {log}; for last; do :; done; exec sh -c "exec $last"',
              monkeypatch)  # fmt: skip
    with ScriptedEngine(own_home) as engine:
        session = RemoteSession(SshRoad("pi@host", "paper", program), "tui", wants="free")
        session.start()
        shot = engine.publish(orders=[])
        eventually(lambda: session.snapshot().version == shot.version)  # type: ignore[union-attr]
        session.submit(c.Kill(command_id="c1"))
        assert session.wait_for("c1", 5).refused == ""

        os.kill(int(log.read_text().split()[0]), signal.SIGKILL)
        eventually(lambda: not session.failure() and "BatchMode=yes" in log.read_text(), 10)
        shot = engine.publish()
        eventually(lambda: session.snapshot().version == shot.version)  # type: ignore[union-attr]
        session.close()
    session = RemoteSession(SshRoad("pi@host", "paper", program), "tui")
    with pytest.raises(p.Refused, match="none runs") as found:
        session.start()
    assert found.value.exit_code == 3


def test_no_task_is_left_behind(own_home: Path) -> None:
    """A session that is closed while it reconnects ends as well."""
    with ScriptedEngine(own_home):
        session = RemoteSession(SocketRoad(endpoint_at(own_home)), "tui")
        session.start()
    eventually(session.failure)
    session.close()
    assert not session._thread.is_alive()
    assert session._loop is not None
    assert session._loop.is_closed()
    assert not asyncio.all_tasks(session._loop)
