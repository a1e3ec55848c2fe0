"""What a face notices when its engine comes, goes, hangs or lies."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from app.service import protocol as p
from app.service.client import SILENT_NS, RemoteSession
from app.service.endpoint import Claim
from app.service.links import SocketRoad, SshRoad
from app.service.server import EngineServer
from engine.core.clock import LiveClock
from engine.domain import commands as c
from engine.domain.errors import BadInput, EngineNotRunning, TimedOut, WorkFailed
from tests.support.service import (
    Bare,
    ScriptedEngine,
    attached,
    command_line,
    endpoint_at,
    eventually,
)
from tests.support.session import a_log

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


def test_a_line_that_breaks_before_the_picture_takes_no_token_over(own_home: Path) -> None:
    """`--take-token` is meant once: not whenever the line breaks twice in a row."""
    with (
        ScriptedEngine(own_home) as engine,
        attached(own_home, "tui", "over") as face,
        Bare.attach(own_home, wants="over", name="gui"),
    ):
        eventually(lambda: face.standing().is_view_only)  # type: ignore[union-attr]
        face._engine = None  # As between the welcome and the first picture.
        peers = engine.server._peers.values()
        mine = next(peer for peer in peers if peer.identity.name == "tui")
        engine.loop.call_soon_threadsafe(mine.drop)
        eventually(lambda: face.failure() == "" and face._engine is not None)
        eventually(lambda: len(engine.server._roster.faces) == 2)
        assert engine.server._roster.holder == "gui 0"


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


def test_a_clock_that_is_set_makes_no_picture_old(own_home: Path) -> None:
    """Of the engine's machine or of this one: the next answer tells."""

    class Settable(LiveClock):
        ahead_ns = 0

        def now_ns(self) -> int:
            return super().now_ns() + self.ahead_ns

    clock = Settable()
    with ScriptedEngine(own_home, clock), attached(own_home) as face:
        eventually(lambda: face._best_trip_ns < SILENT_NS)
        assert abs(face._clock_ahead_ns) < HOUR_NS // 1000
        clock.ahead_ns = HOUR_NS
        eventually(lambda: abs(face._clock_ahead_ns + HOUR_NS) < HOUR_NS // 1000)


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


_RUN_HERE = 'for last; do :; done; exec sh -c "exec $last"'


def _program() -> str:
    return shlex.join(command_line())


def _children_named(word: str) -> list[int]:
    """Processes that this one has started, with this word in their command line."""
    return [
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
        if word in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    ]


def _fake_ssh(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An `ssh` that runs the command here."""
    program = folder / "ssh"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('echo "noise" >&2; echo "Permission denied (publickey)." >&2; exit 255',
         "Permission denied (publickey)."),
        ('echo "ssh: connect to host pi port 22: Connection refused" >&2; exit 255',
         "connect to host pi port 22: Connection refused"),
        ('echo "This account is currently not available."; exit 1',
         "This account is currently not available."),
        ('echo "sh: 1: pilothouse: not found" >&2; exit 127',
         "sh: 1: pilothouse: not found: name Pilothouse there with --remote"),
        ("exit 0", "ended with code 0"),
        ("exec yes welcome",
         "much else is said before the engine speaks: keep the startup files of the shell there "
         "quiet"),
    ],
    ids=["no key", "nobody there", "no shell", "no program", "no word", "no end"],
)  # fmt: skip
def test_what_ssh_complains_about_is_the_error(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    """And never that no engine runs there: nobody has asked, so none is offered to be started."""
    _fake_ssh(own_home, body, monkeypatch)
    session = RemoteSession(SshRoad("pi@host", "paper"), "tui")
    with pytest.raises(WorkFailed) as found:
        session.start()
    assert str(found.value) == f"ssh pi@host: {words}"
    assert found.value.exit_code == 1


def test_why_ssh_cannot_come_back_is_shown(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A greeting of hours ago is not the reason; what the newest call says is."""
    _fake_ssh(own_home, f"echo hello >&2; {_RUN_HERE}", monkeypatch)
    with ScriptedEngine(own_home):
        session = RemoteSession(SshRoad("pi@host", "paper", _program()), "tui")
        session.start()
        (own_home / "ssh").write_text('#!/bin/sh\necho "Host key has changed" >&2; exit 255\n')
        for pid in _children_named("bridge"):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: "ended with code -9" in session.failure())
        eventually(lambda: "ssh pi@host: Host key has changed" in session.failure())
        session.close()


def test_a_talkative_login_shell_is_read_over(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_ssh(own_home, f"echo Welcome; printf '\\033[31mto pi'; {_RUN_HERE}", monkeypatch)
    with ScriptedEngine(own_home) as engine:
        session = RemoteSession(SshRoad("pi@host", "paper", _program()), "tui")
        session.start()
        assert session.snapshot().orders == engine.snapshot.orders  # type: ignore[union-attr]
        session.close()


def test_a_bridge_with_one_socket_for_both_ways(own_home: Path) -> None:
    """As some sshd give it; the bridge finds the way full."""
    mine, its = socket.socketpair()
    its.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with ScriptedEngine(own_home) as engine, mine:
        engine.publish(log=[a_log(seq, "filled") for seq in range(20_000)])
        bridge = subprocess.Popen(command_line("bridge"), stdin=its, stdout=its)
        its.close()
        bare = Bare(own_home)
        bare.socket, direct = mine, bare.socket
        direct.close()
        mine.settimeout(10)
        bare.say(bare.hello(token=""))
        assert isinstance(bare.hear(), p.Welcome)
        assert len(bare.hear_until(p.Picture).snapshot.log) == 20_000
        mine.shutdown(socket.SHUT_WR)
        assert bridge.wait(10) == 0


def test_a_face_that_calls_again_is_not_kept_out_by_itself(own_home: Path) -> None:
    """Its older connection hangs in a dead link, as after a change of networks: nobody has told
    the engine, and the token must not stay with it."""
    with ScriptedEngine(own_home) as engine, attached(own_home, "doctor") as looker:
        hung = Bare.attach(own_home, session="s1", wants="free", name="tui", pid=7)
        with Bare.attach(own_home, session="s2", name="gui", pid=8):
            eventually(lambda: len(looker.standing().faces) == 3)  # type: ignore[union-attr]
            back = Bare.attach(own_home, session="s1", wants="free", name="tui", pid=7)
            eventually(lambda: hung.hear() is None)
            back.say(p.Wish(command=c.ResetKill(command_id="c1")))
            assert back.hear_until(p.Receipt).receipt.refused == ""
            eventually(lambda: len(looker.standing().faces) == 3)  # type: ignore[union-attr]
            faces = [name.partition(" ")[0] for name in looker.standing().faces]  # type: ignore[union-attr]
            assert faces == [faces[0], "tui", "gui"]
            assert [type(one).__name__ for one in engine.carried_out] == ["ResetKill"]
        back.close()
        hung.close()
        eventually(lambda: looker.standing().holder == "")  # type: ignore[union-attr]


def test_a_face_over_ssh(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bridge in a process of its own; a link that is cut is made anew."""
    program = _program()
    log = own_home / "calls"
    _fake_ssh(own_home, f'echo $$ "$@" >> {log}; {_RUN_HERE}', monkeypatch)
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
