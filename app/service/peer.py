"""One attached face, as the engine sees it: its handshake, its wishes, and its pictures.

Everything here runs in the engine's loop and never waits for the face: a picture is written only
when the one before has left and enough of them have been answered; until then newer pictures
replace older ones. A face that does not read costs two pictures of memory and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from typing import TYPE_CHECKING, NamedTuple

from app.service import protocol as p
from engine.core.clock import NS_PER_SECOND
from engine.domain.snapshots import EngineSnapshot, ReceiptSnapshot

if TYPE_CHECKING:
    from app.service.server import EngineServer

log = logging.getLogger(__name__)

HELLO_S = 5.0
"""How long a stranger may take to introduce itself."""
SILENCE_NS_MAX = 600 * NS_PER_SECOND
"""A face pings every second. One that has said nothing for so long will not come back."""
WISHES_WAITING_MAX = 32
"""Wishes of one face that the engine has not carried out yet. Beyond it the face is not listened
to for the moment: it cannot crowd out the others' wishes."""
ANSWERS_BYTES_MAX = 1024 * 1024
"""Unsent bytes (answers and pictures) at which a face is not listened to until it has read some."""


Topics = frozenset[str]
"""Names of `protocol.TOPICS`."""


class Identity(NamedTuple):
    name: str
    host: str
    pid: int

    def __str__(self) -> str:
        return f"{self.by} {self.pid}"

    @property
    def by(self) -> str:
        """Whose wish it is, for the ledger."""
        return f"{self.name}@{self.host}" if self.host else self.name


class Peer:
    def __init__(
        self,
        number: int,
        server: EngineServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.number = number
        self.identity = Identity("stranger", "", 0)
        self.session = ""
        """See `Hello.session`."""
        self.topics: Topics = frozenset()
        self.waiting: set[str] = set()
        """Ids of wishes that are under way."""
        self.has_room = asyncio.Event()
        self.stories = 0
        """That are being read for it."""
        self._server = server
        self._reader = reader
        self._writer = writer
        self._shown: EngineSnapshot | None = None
        """What the face has, or will have once it has read everything."""
        self._in_flight: list[int] = []
        self._presence: p.Presence | None = None
        self._heard_ns = server.clock.monotonic_ns()
        self._has_parted = False
        """The last word has been said."""

    # -- life ----------------------------------------------------------------------------------

    async def live(self) -> None:
        """From the first byte to the last. Whatever the face does, nothing gets out of here."""
        try:
            hello = await self._meet()
            self._server.attached(self, hello)
            self._server.show_to(self)
            while (frame := await p.read_from_face(self._reader)) is not None:
                self._heard_ns = self._server.clock.monotonic_ns()
                if isinstance(frame, p.Bye):
                    break
                if self._has_parted:
                    continue
                self._handle(frame)
                await self._breathe()
        except (p.ProtocolError, p.Refused) as error:
            self._turn_away(error)
        except (ConnectionError, TimeoutError) as error:
            log.info("%s is gone: %s", self.identity, error)
        except Exception:
            log.exception("%s: failed while it was served", self.identity)
        finally:
            self._server.detached(self)
            self.cut()

    def part(self, farewell: p.Bye) -> None:
        """Say the last word. What the face still says is read until it hangs up: a connection
        closed on unread bytes is reset, and the face loses what it has not read."""
        self.send(farewell)
        self._has_parted = True
        with contextlib.suppress(OSError):  # It has gone already.
            self._writer.write_eof()

    def cut(self) -> None:
        """Close the connection; what is unsent is sent if the face reads it soon."""
        with contextlib.suppress(RuntimeError):
            self._writer.close()

    def drop(self) -> None:
        """Close the connection at once; what is unsent is lost."""
        self._writer.transport.abort()

    @property
    def is_silent(self) -> bool:
        return self._server.clock.monotonic_ns() - self._heard_ns > SILENCE_NS_MAX

    async def _meet(self) -> p.Hello:
        """Whoever this is must be one of us before anything else is read."""
        self._server.check_user(self._writer)
        try:
            async with asyncio.timeout(HELLO_S):
                hello = await p.read_from_face(self._reader)
        except TimeoutError:
            raise p.Refused(p.MALFORMED, f"said nothing for {HELLO_S:g} s") from None
        if hello is None:
            raise ConnectionError("left without a word")
        if not isinstance(hello, p.Hello):
            raise p.Refused(p.MALFORMED, "must say hello first")
        self._server.check_hello(hello)
        self.topics = frozenset(hello.topics)
        self.session = hello.session
        self.identity = Identity(_plain(hello.name) or "face", _plain(hello.host), hello.pid)
        self.send(self._server.welcome(self.identity))
        log.info("%s attached", self.identity)
        return hello

    def _turn_away(self, error: p.ProtocolError | p.Refused) -> None:
        log.warning("%s refused: %s", self.identity, error)
        code = error.code if isinstance(error, p.Refused) else p.MALFORMED
        self.send(p.Refusal(code=code, words=str(error)[: p.WORDS_MAX]))

    async def _breathe(self) -> None:
        """Stop listening while too much of this face is under way."""
        while len(self.waiting) >= WISHES_WAITING_MAX:
            self.has_room.clear()
            await self.has_room.wait()
        if self._unsent > ANSWERS_BYTES_MAX:
            await self._writer.drain()

    # -- what it says --------------------------------------------------------------------------

    def _handle(self, frame: p.FromFace) -> None:
        match frame:
            case p.Seen(version=version):
                self._in_flight = [number for number in self._in_flight if number > version]
                self._server.show_to(self)
            case p.Resync():
                log.info("%s asks for a whole picture", self.identity)
                self._shown = None
                self._in_flight = []
                self._server.show_to(self)
            case p.Wish(command=command):
                self._server.wished(self, command)
            case p.Ping(number=number):
                self.send(p.Pong(number=number, wall_ns=self._server.clock.now_ns()))
                self._server.show_to(self)
            case p.TakeToken():
                self._server.token_wanted(self)
            case p.Crash():
                self._server.crash_wanted(self)
            case p.StopEngine():
                self._server.stop_wanted(self)
            case p.AskStory():
                self._server.story_wanted(self, frame)
            case p.UnlockKeys(passphrase=passphrase):
                self._server.unlock_wanted(self, passphrase)
            case _:
                raise p.ProtocolError(f"{type(frame).__name__}: not now")

    # -- what it is told -----------------------------------------------------------------------

    def send(self, frame: p.Frame) -> None:
        """For short frames, which come as answers or rarely."""
        if not self._is_over:
            self._writer.write(p.encode(frame))

    def answer(self, receipt: ReceiptSnapshot) -> None:
        self.send(p.Receipt(receipt=receipt))

    def show(self, snapshot: EngineSnapshot, presence: p.Presence) -> None:
        """Bring the face up to date if it can take it now; if not, a later call will."""
        if self._unsent or self._is_over:
            return
        if presence is not self._presence:
            self._presence = presence
            self.send(presence)
        if snapshot is self._shown or len(self._in_flight) >= p.PICTURES_IN_FLIGHT:
            return
        self._writer.write(self._server.picture(self.topics, self._shown, snapshot))
        self._shown = snapshot
        self._in_flight.append(snapshot.version)

    @property
    def _is_over(self) -> bool:
        return self._has_parted or self._writer.is_closing()

    @property
    def _unsent(self) -> int:
        return self._writer.transport.get_write_buffer_size()


def refusal(command_id: str, name: str, words: str) -> ReceiptSnapshot:
    return ReceiptSnapshot(command_id=command_id, name=name, refused=words)


def _plain(text: str) -> str:
    """A name as it may stand in a log and a ledger."""
    return re.sub(r"[^A-Za-z0-9._-]", "", text)[:40]
