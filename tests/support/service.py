"""Engines to attach to, and a face made of a bare socket.

with ScriptedEngine(home) as engine:        the real server over a trader of three lines
    face = engine.session("tui", wants="free")
    engine.publish(orders=[...])
    bare = Bare.attach(home)                says what it is told to say, byte by byte

with EngineProcess(home) as engine:         the real engine in a process of its own
    engine.kill()
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from app.paths import HOME_VARIABLE, Paths, locate
from app.service import protocol as p
from app.service.client import RemoteSession
from app.service.endpoint import Claim, Endpoint, connect, endpoint_of, read_token
from app.service.links import SocketRoad
from app.service.server import EngineServer, Tell
from engine.core.clock import Clock, LiveClock
from engine.domain.commands import AnyCommand
from engine.domain.events import CommandDone
from engine.domain.snapshots import EngineSnapshot
from tests.support.session import START_NS, a_snapshot

ROOT = Path(__file__).resolve().parents[2]
PROFILE = "paper"


def paths_of(home: Path) -> Paths:
    return locate({HOME_VARIABLE: str(home)})


def endpoint_at(home: Path, profile: str = PROFILE) -> Endpoint:
    return endpoint_of(paths_of(home), profile)


def eventually(is_so: Callable[[], object], within_s: float = 10.0) -> None:
    """Returns as soon as it is so; fails when the time is over."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.005)


@contextlib.contextmanager
def attached(
    home: Path, name: str = "tui", wants: p.Wants = "nothing", profile: str = PROFILE
) -> Iterator[RemoteSession]:
    session = RemoteSession(SocketRoad(endpoint_at(home, profile)), name, wants=wants)
    session.start()
    try:
        yield session
    finally:
        session.close()


class ScriptedEngine:
    """The real server in a thread of its own; what it serves is scripted.

    Commands are carried out, once each, by being remembered; `engine.refuses[...]` refuses them
    by type name. The loop turns a hundred times a second and publishes on every turn once
    `is_busy`, else only what `publish` is given.
    """

    def __init__(
        self,
        home: Path,
        clock: Clock | None = None,
        profile: str = PROFILE,
        on_unlock: Callable[[str], Awaitable[str]] | None = None,
        waits_for: Callable[[], str] = str,
        tell: Tell | None = None,
    ) -> None:
        """While `waits_for` has words, no picture is shown."""
        self._telling = {} if tell is None else {"tell": tell}
        self.home = home
        self._profile = profile
        self._on_unlock = on_unlock
        self._waits_for = waits_for
        self.carried_out: list[AnyCommand] = []
        self.refuses: dict[str, str] = {}
        self.is_busy = False
        self.is_deaf = False
        """Takes no commands."""
        self.turns = 0
        self.crashes = 0
        self._snapshot = a_snapshot()
        self._done: dict[str, CommandDone] = {}
        self._clock = clock or LiveClock()
        self._stop = threading.Event()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True)
        self._farewell = p.Bye(words="the engine was stopped")
        self.server: EngineServer

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_up.wait(10)
        return self

    def leave(self) -> None:
        """End as an engine does that is asked to, with its farewell."""
        self._stop.set()

    def __exit__(self, *_: object) -> None:
        self.leave()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def publish(self, **changes: Any) -> EngineSnapshot:
        """The next picture, with these changes."""
        shot = self._snapshot
        self._snapshot = msgspec.structs.replace(shot, version=shot.version + 1, **changes)
        return self._snapshot

    @property
    def snapshot(self) -> EngineSnapshot:
        return self._snapshot

    def is_well(self) -> bool:
        """Turns, and answers a face that comes now."""
        with attached(self.home, "doctor"):
            turns = self.turns
            eventually(lambda: self.turns > turns)
        return True

    async def _live(self) -> None:
        self.loop = asyncio.get_running_loop()
        claim = Claim(endpoint_at(self.home, self._profile))
        self.server = EngineServer(
            claim,
            self._clock,
            on_unlock=self._on_unlock,
            waits_for=self._waits_for,
            **self._telling,
        )
        try:
            shown = None if self._waits_for() else self._snapshot
            if shown is not None:
                self.server.show(shown)
            await self.server.open(self._done)
            self._is_up.set()
            while not self._stop.is_set():
                self._carry_out()
                if self.is_busy:
                    self.publish(ts_ns=START_NS + self.turns)
                if self._snapshot is not shown and not self._waits_for():
                    shown = self._snapshot
                    self.server.show(shown)
                self.turns += 1
                await asyncio.sleep(0.01)
            await self.server.close(self._farewell)
        finally:
            claim.release()

    def _carry_out(self) -> None:
        if self.is_deaf:
            return
        self.crashes += self.server.take_crash()
        for command in self.server.take_commands():
            self.carried_out.append(command)
            name = type(command).__name__
            self._done[command.command_id] = CommandDone(
                ts_ns=0,
                command_id=command.command_id,
                name=name,
                by=command.by,
                refused=self.refuses.get(name, ""),
            )


class Bare:
    """A face that is nothing but a socket and says exactly what it is told to."""

    def __init__(self, home: Path, profile: str = PROFILE) -> None:
        self.endpoint = endpoint_at(home, profile)
        self.socket = connect(self.endpoint)
        self.socket.settimeout(10)

    @classmethod
    def attach(cls, home: Path, **hello: Any) -> Bare:
        """One that the engine has let in."""
        bare = cls(home)
        bare.say(bare.hello(**hello))
        assert isinstance(bare.hear(), p.Welcome)
        return bare

    def hello(self, **changes: Any) -> p.Hello:
        fields = {
            "schema": p.SCHEMA,
            "shape": p.shape(),
            "token": read_token(self.endpoint),
            "name": "bare",
        }
        return p.Hello(**{**fields, **changes})

    def say(self, *frames: p.Frame) -> None:
        self.send(b"".join(p.encode(frame) for frame in frames))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hear(self) -> p.FromEngine | None:
        """The next frame; None when the engine has hung up."""
        try:
            prefix = self._read(4)
            return p.parse_from_engine(self._read(int.from_bytes(prefix, "big")))
        except (EOFError, ConnectionError):
            return None

    def hear_until(self, kind: type[Any]) -> Any:
        while not isinstance(frame := self.hear(), kind):
            assert frame is not None, f"hung up before any {kind.__name__}"
        return frame

    def send_all_and_leave(self, data: bytes) -> None:
        """Whatever comes back is read and forgotten; returns when the engine has hung up."""
        with contextlib.suppress(ConnectionError):
            self.send(data)
            self.socket.shutdown(socket.SHUT_WR)
            while self.socket.recv(1 << 16):
                pass

    def refusal(self) -> str:
        """Why the engine does not want this face; after that it must hang up."""
        frame = self.hear_until(p.Refusal)
        assert self.hear() is None
        return str(frame.words)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self.socket.recv(count - len(found))
            if not part:
                raise EOFError
            found += part
        return found


# -- processes ---------------------------------------------------------------------------------


def command_line(*arguments: str) -> list[str]:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
        "from app.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    return [sys.executable, "-P", "-c", program, *arguments]


def shell(
    home: Path, *arguments: str, said: str | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """`pilothouse ARGUMENTS` to its end; `said` is what comes through its stdin."""
    return subprocess.run(
        command_line(*arguments),
        env={**os.environ, HOME_VARIABLE: str(home), **environ},
        input=said or "",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class EngineProcess:
    """`pilothouse engine` in a process of its own, from when faces can attach."""

    ready = "serving"
    """What its first line says by then."""

    def __init__(
        self,
        home: Path,
        *options: str,
        command: Sequence[str] = (),
        before: Sequence[str] = (),
        **environ: str,
    ) -> None:
        """`command` calls another program than this one; `before` starts it, as `nohup` does."""
        self.home = home
        self._process = subprocess.Popen(
            [*before, *(command or command_line()), "engine", *options],
            env={**os.environ, HOME_VARIABLE: str(home), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        self.greeting = self._process.stderr.readline()
        assert self.ready in self.greeting, self.greeting + self._process.stderr.read()

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.communicate()

    def wait(self) -> int:
        """Its exit code, once it has ended by itself."""
        self._process.communicate(timeout=20)
        return self._process.returncode

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Its exit code and its last words."""
        self._process.send_signal(number)
        output, errors = self._process.communicate(timeout=20)
        return self._process.returncode, output + errors

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
