"""Ways to an engine: its socket here, or the system's ssh and a bridge over there."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Protocol

from app.processes import apart
from app.service import protocol as p
from app.service.endpoint import Endpoint, connect, read_token
from app.service.launch import START_S
from engine.domain.errors import BadInput, WorkFailed
from engine.domain.text import clean

SSH_WORDS_S = 1.0
"""How long ssh gets to say why it ended."""
SSH_CALL_S = 10
"""How long a call that is made again waits for the other machine to pick up: after a change of
networks a new call gets through sooner than an old one."""


class Link(Protocol):
    """An open way. `token` is what to say in the hello."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    token: str

    async def first_frame(self) -> p.FromEngine | None:
        """What the engine says first; None where the way closes before that."""

    async def last_words(self) -> str:
        """Why the way has closed, where it can say; ""."""

    async def close(self) -> None: ...


class Road(Protocol):
    """Opens links, one after the other, for as long as a face lives."""

    retry_s_max: float
    may_ask: bool
    """Whether the terminal is free for questions: no face owns the screen yet."""

    @property
    def answer_s(self) -> float:
        """How long the other side may take from the call to its welcome."""

    async def open(self) -> Link:
        """EngineNotRunning or WorkFailed when there is no way now."""


# -- the socket of this machine ----------------------------------------------------------------


class _SocketLink:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.token = token

    async def first_frame(self) -> p.FromEngine | None:
        return await p.read_from_engine(self.reader)

    async def last_words(self) -> str:
        return ""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class SocketRoad:
    retry_s_max = 1.0
    answer_s = 5.0
    may_ask = True

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def open(self) -> Link:
        peer = connect(self._endpoint)
        reader, writer = await asyncio.open_connection(sock=peer)
        return _SocketLink(reader, writer, read_token(self._endpoint))


# -- ssh -----------------------------------------------------------------------------------------

_NOT_FOUND = 127
"""What a shell ends with that does not know the command."""
_TARGET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:%\[\]-]{0,200}")


class SshRoad:
    """`ssh TARGET pilothouse bridge --profile NAME`, speaking the protocol over its stdio.

    The first calls may ask for a password or a host key on the terminal. Later ones come while a
    face owns the screen: they must do without, so ssh is told not to ask.
    """

    retry_s_max = 10.0

    def __init__(self, target: str, profile: str, program: str = "pilothouse") -> None:
        if not _TARGET.fullmatch(target):
            raise BadInput("--ssh", target, "write it as USER@HOST")
        self.target = target
        self._command = f"{program} bridge --profile {profile}"
        self.may_ask = True
        self.may_start = False
        """Whether the next call starts an engine over there if none runs. Later calls must not:
        an engine that was stopped on purpose stays down."""
        self._starts = False

    @property
    def answer_s(self) -> float:
        if self.may_start or self._starts:
            return START_S
        # While somebody types a password; later nobody does.
        return 120.0 if self.may_ask else 3.0 * SSH_CALL_S

    async def open(self) -> Link:
        quiet = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={SSH_CALL_S}"]
        command = f"{self._command} --start" if self.may_start else self._command
        self._starts, self.may_start = self.may_start, False
        try:
            process = await asyncio.create_subprocess_exec(
                "ssh",
                "-T",
                "-C",  # Pictures shrink to a fifth.
                *([] if self.may_ask else quiet),
                "--",
                self.target,
                command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                # Ctrl+C in the terminal is the face's business.
                **({} if self.may_ask else apart()),
            )
        except OSError as error:
            raise WorkFailed(f"ssh: {error.strerror}: install the system's ssh") from error
        return _SshLink(process, self.target)


class _SshLink:
    token = ""  # The bridge reads it over there.

    def __init__(self, process: asyncio.subprocess.Process, target: str) -> None:
        assert process.stdout is not None
        assert process.stdin is not None
        self.reader = process.stdout
        self.writer = process.stdin
        self._process = process
        self._target = target
        self._said = ""
        """The last line of what ssh complains about."""
        self._has_met = False
        """Whether an engine has spoken."""
        self._printed = ""
        """The last line of what came in place of the engine's words."""
        self._listener = asyncio.create_task(self._listen())

    async def first_frame(self) -> p.FromEngine | None:
        """Behind whatever a login shell over there prints: where there is no frame, that is the
        reason, as often as not."""
        try:
            text, frame = await p.read_behind_text(self.reader)
        except p.ProtocolError as error:
            raise WorkFailed(
                f"ssh {self._target}: {error}: keep the startup files of the shell there quiet"
            ) from None
        if frame is None:
            self._printed = _last_line(text)
        else:
            self._has_met = True
            self._said = ""  # Banners and greetings: why it ends is said later.
        return frame

    async def last_words(self) -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SSH_WORDS_S):
                await self._process.wait()
                await self._listener
        code = self._process.returncode
        words = (self._said or self._printed).removeprefix("ssh: ")
        if not words:
            # A bridge ends in peace when its engine has gone.
            is_peace = self._has_met and code == 0
            return "" if is_peace else f"ssh {self._target}: ended with code {code}"
        remedy = ": name Pilothouse there with --remote" if code == _NOT_FOUND else ""
        return f"ssh {self._target}: {words}{remedy}"

    async def close(self) -> None:
        self.writer.close()
        for end in (self._process.terminate, self._process.kill):
            if self._process.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                end()
                async with asyncio.timeout(SSH_WORDS_S):
                    await self._process.wait()
        self._listener.cancel()
        # The process object has no public way to let go of pipes that were not read to their end.
        transport = getattr(self._process, "_transport", None)
        if transport is not None:
            transport.close()

    async def _listen(self) -> None:
        """Keep the last of what ssh complains about, and never let it block on its pipe."""
        assert self._process.stderr is not None
        with contextlib.suppress(ValueError):  # A line beyond all measure.
            while line := await self._process.stderr.readline():
                self._said = _last_line(line.decode(errors="replace")) or self._said


def _last_line(text: str) -> str:
    """That says something; ""."""
    lines = (clean(line).strip() for line in reversed(text.splitlines()))
    return next((line for line in lines if line), "")
