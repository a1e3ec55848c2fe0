"""The engine's side of the socket: takes faces in, hands their wishes over, shows them pictures.

It lives in the engine's loop and is the runtime's `Bridge`. The runtime calls `take_commands` on
every turn; that is also when the answers to the wishes of the turn before are known to be durable,
and the sign that the engine is alive (`on_turn`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from app.service import delta
from app.service import protocol as p
from app.service.endpoint import Claim, is_token, peer_uid
from app.service.peer import Identity, Peer, Topics, refusal
from app.service.presence import Roster
from app.service.wishes import unusable
from engine.core.clock import Clock
from engine.core.inbox import Inbox, InboxClosed, InboxFull, Lane, Overflow, Policy
from engine.domain.commands import AnyCommand
from engine.domain.errors import BadInput, PilothouseError
from engine.domain.events import CommandDone
from engine.domain.snapshots import EngineSnapshot, ReceiptSnapshot
from engine.domain.text import clean

log = logging.getLogger(__name__)

PEERS_MAX = 32
STRANGERS_MAX = 16
"""Callers that have not introduced themselves yet."""
FAREWELL_S = 0.5
"""How long faces get to read the last words and to hang up."""
COMMANDS_PER_TURN = 256
STORIES_MAX = 4
"""That one face may wait for."""
_POLICIES = {
    # A wish is never dropped. There is room for all that 32 faces may have under way at once.
    "command": Policy(lane=Lane.ORDERS, overflow=Overflow.NEVER_DROP, capacity=1024),
}


Tell = Callable[[str], Sequence[tuple[int, str]]]
"""The story of an order: (ts_ns, sentence). Called in another thread; PilothouseError."""


def _nothing() -> None:
    pass


def _no_story(order_id: str) -> Sequence[tuple[int, str]]:
    raise BadInput("order", order_id, "this engine has no ledger to read from")


class EngineServer:
    """Implements `engine.runtime.paper.Bridge` for faces on a socket."""

    def __init__(
        self,
        claim: Claim,
        clock: Clock,
        *,
        on_turn: Callable[[], None] = _nothing,
        on_stop: Callable[[str], None] | None = None,
        on_unlock: Callable[[str], Awaitable[str]] | None = None,
        waits_for: Callable[[], str] = str,
        tell: Tell = _no_story,
    ) -> None:
        """`on_turn` hears of every turn of the runtime's loop, `on_stop` who wants the engine
        to end; `on_unlock` gets a passphrase and says why it does not fit, "" when it does;
        `waits_for` says what has to be done before there is a picture, "" while nothing; `tell`
        reads stories."""
        self.clock = clock
        self._claim = claim
        self._on_turn = on_turn
        self._on_stop = on_stop
        self._on_unlock = on_unlock
        self._waits_for = waits_for
        self._tell = tell
        self._inbox: Inbox[AnyCommand] = Inbox(_POLICIES)
        self._done: Mapping[str, CommandDone] = {}
        self._under_way: dict[str, list[Peer]] = {}
        self._peers: dict[int, Peer] = {}
        self._lives: set[asyncio.Task[None]] = set()
        self._last_number = 0
        self._roster = Roster()
        self._presence = p.Presence(faces=[])
        self._snapshot: EngineSnapshot | None = None
        self._views: dict[Topics, EngineSnapshot] = {}
        """The newest snapshot as faces with these topics see it."""
        self._encoded: dict[tuple[Topics, int], bytes] = {}
        """Frames with the newest snapshot by topics and the version they start from; 0: whole."""
        self._crash_asked = False
        self._server: asyncio.Server | None = None

    # -- life ----------------------------------------------------------------------------------

    async def open(self, done: Mapping[str, CommandDone]) -> None:
        """Let faces in. `done` is the trader's memory of the commands it has carried out; called
        again when there is one after all."""
        self._done = done
        if self._server is not None:
            return
        self._server = await asyncio.start_server(self._meet, sock=self._claim.listen())

    async def close(self, farewell: p.Bye) -> None:
        """Say why, and let everybody go."""
        self._inbox.close()
        if self._server is not None:
            self._server.close()
        for peer in list(self._peers.values()):
            peer.part(farewell)
        if self._lives:
            _, stuck = await asyncio.wait(self._lives, timeout=FAREWELL_S)
            for life in stuck:
                life.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody calls."""
        if len(self._peers) >= PEERS_MAX + STRANGERS_MAX:
            words = f"{len(self._peers)} callers are here already: close one first"
            log.warning("a caller is turned away: %s", words)
            writer.write(p.encode(p.Refusal(code=p.FULL, words=words)))
            writer.close()
            return
        self._last_number += 1
        peer = Peer(self._last_number, self, reader, writer)
        self._peers[peer.number] = peer
        life = asyncio.create_task(peer.live(), name=f"peer {peer.number}")
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)

    # -- the runtime's side ----------------------------------------------------------------------

    def take_commands(self) -> Sequence[AnyCommand]:
        self._on_turn()
        self._settle()
        return self._inbox.drain(COMMANDS_PER_TURN)

    def take_crash(self) -> bool:
        asked, self._crash_asked = self._crash_asked, False
        return asked

    def show(self, snapshot: EngineSnapshot) -> None:
        self._snapshot = snapshot
        self._views, self._encoded = {}, {}
        for peer in list(self._peers.values()):
            if peer.is_silent:
                log.warning("%s has been silent for too long", peer.identity)
                peer.cut()
            elif peer.number in self._attached_numbers:
                self.show_to(peer)

    def _settle(self) -> None:
        """Answer the wishes that have become facts."""
        for command_id in list(self._under_way):
            done = self._done.get(command_id)
            if done is None:
                continue
            for peer in self._under_way.pop(command_id):
                peer.waiting.discard(command_id)
                peer.has_room.set()
                peer.answer(_receipt(done))

    # -- the handshake ---------------------------------------------------------------------------

    def check_user(self, writer: asyncio.StreamWriter) -> None:
        peer: socket.socket = writer.get_extra_info("socket")
        uid = peer_uid(peer)
        if sys.platform != "win32" and uid is not None and uid != os.geteuid():
            raise p.Refused(p.NOT_ALLOWED, f"user {uid} is not the owner of this engine")

    def check_hello(self, hello: p.Hello) -> None:
        words = p.version_words((p.SCHEMA, p.shape()), (hello.schema, hello.shape))
        if words:
            raise p.Refused(p.SCHEMA_DIFFERS, words)
        if not is_token(hello.token, self._claim.token):
            raise p.Refused(p.NOT_ALLOWED, "token: is not the one of this engine")
        if unknown := set(hello.topics) - p.TOPICS.keys():
            raise p.Refused(
                p.MALFORMED, f"topics: {min(unknown)!r}: known are {', '.join(p.TOPICS)}"
            )
        if len(self._attached_numbers) >= PEERS_MAX and self._ghost_of(hello) is None:
            raise p.Refused(p.FULL, f"{PEERS_MAX} faces are attached already: close one first")

    def welcome(self, identity: Identity) -> p.Welcome:
        profile = self._claim.endpoint.profile
        return p.Welcome(
            schema=p.SCHEMA,
            shape=p.shape(),
            profile=profile,
            pid=os.getpid(),
            face=str(identity),
            locked=self._waits_for()[: p.WORDS_MAX] if self._snapshot is None else "",
        )

    def attached(self, peer: Peer, hello: p.Hello) -> None:
        ghost = self._ghost_of(hello)
        if ghost is not None:
            log.info("%s is back: its older connection is let go", peer.identity)
            self._roster.renumber(ghost.number, peer.number)
            ghost.drop()
        self._roster.join(peer.number, str(peer.identity), hello.wants)
        self._tell_presence()

    def _ghost_of(self, hello: p.Hello) -> Peer | None:
        """The connection that this face had before, and that nobody has told us is dead."""
        known = (self._peers.get(number) for number in self._attached_numbers if hello.session)
        return next((peer for peer in known if peer and peer.session == hello.session), None)

    def detached(self, peer: Peer) -> None:
        self._peers.pop(peer.number, None)
        for peers in self._under_way.values():
            with contextlib.suppress(ValueError):
                peers.remove(peer)
        if peer.number in self._attached_numbers:
            log.info("%s left", peer.identity)
            self._roster.leave(peer.number)
            self._tell_presence()

    @property
    def _attached_numbers(self) -> frozenset[int]:
        return self._roster.numbers

    # -- wishes ----------------------------------------------------------------------------------

    def wished(self, peer: Peer, command: AnyCommand) -> None:
        """Each id is carried out once, however often and by whomever it is sent."""
        command_id, name = command.command_id, type(command).__name__
        done = self._done.get(command_id)
        if done is not None:
            peer.answer(_receipt(done))
            return
        if command_id in self._under_way:
            self._wait_for(command_id, peer)
            return
        holder = self._roster.holder
        words = (
            unusable(command, self._snapshot)
            or self._roster.refuse(peer.number, command, self._snapshot)
            or self._hand_over(peer, command)
        )
        if words:
            log.info("%s: %s refused: %s", peer.identity, name, words)
            peer.answer(refusal(command_id, name, words))
        if self._roster.holder != holder:
            self._tell_presence()

    def _hand_over(self, peer: Peer, command: AnyCommand) -> str:
        try:
            self._inbox.put("command", msgspec.structs.replace(command, by=peer.identity.by))
        except (InboxClosed, InboxFull) as error:
            return str(error)
        self._under_way[command.command_id] = []
        self._wait_for(command.command_id, peer)
        return ""

    def _wait_for(self, command_id: str, peer: Peer) -> None:
        if peer not in self._under_way[command_id]:
            self._under_way[command_id].append(peer)
            peer.waiting.add(command_id)

    def token_wanted(self, peer: Peer) -> None:
        self._roster.take(peer.number)
        log.info("%s holds the trade token", peer.identity)
        self._tell_presence()

    def crash_wanted(self, peer: Peer) -> None:
        if self._roster.holder in ("", str(peer.identity)):
            self._crash_asked = True

    def stop_wanted(self, peer: Peer) -> None:
        """Stopping takes no risk: everybody who is let in may."""
        log.info("%s stops the engine", peer.identity)
        if self._on_stop is not None:
            self._on_stop(str(peer.identity))

    def unlock_wanted(self, peer: Peer, passphrase: str) -> None:
        """Everybody who is let in may: who knows the passphrase is who may trade. The peer is
        answered once it has been tried, which takes a moment of another thread."""
        if self._on_unlock is None:
            peer.send(p.KeysAnswer(refused="this engine trades on paper and has no keys"))
            return
        trial = asyncio.create_task(self._unlock(peer, self._on_unlock(passphrase)))
        self._lives.add(trial)
        trial.add_done_callback(self._lives.discard)

    async def _unlock(self, peer: Peer, trial: Awaitable[str]) -> None:
        try:
            refused = await trial
        except Exception as error:
            log.exception("unlocking the keys")
            refused = f"{type(error).__name__}: see the engine's log"
        log.info("%s unlocks the keys: %s", peer.identity, refused or "done")
        peer.send(p.KeysAnswer(refused=refused[: p.WORDS_MAX]))

    def story_wanted(self, peer: Peer, ask: p.AskStory) -> None:
        """Read in another thread: the ledger may be long, and the engine does not wait for it."""
        if peer.stories >= STORIES_MAX or len(ask.order_id) > p.COMMAND_ID_MAX:
            words = f"order: {clean(ask.order_id, 40)}: ask again when the others are told"
            peer.send(p.Story(number=ask.number, refused=words))
            return
        peer.stories += 1
        reading = asyncio.create_task(self._tell_story(peer, ask))
        self._lives.add(reading)
        reading.add_done_callback(self._lives.discard)

    async def _tell_story(self, peer: Peer, ask: p.AskStory) -> None:
        try:
            told = await asyncio.to_thread(self._tell, ask.order_id)
            story = p.Story(number=ask.number, told=list(told[: p.SENTENCES_MAX]))
        except PilothouseError as error:
            story = p.Story(number=ask.number, refused=str(error)[: p.WORDS_MAX])
        except Exception as error:
            log.exception("telling the story of %s", clean(ask.order_id))
            words = f"{type(error).__name__}: see the engine's log"
            story = p.Story(number=ask.number, refused=words)
        peer.stories -= 1
        peer.send(story)

    # -- pictures --------------------------------------------------------------------------------

    def show_to(self, peer: Peer) -> None:
        """The newest picture, for a face that can take it."""
        if self._snapshot is not None:
            peer.show(self._view(self._snapshot, peer.topics), self._presence)

    def _view(self, snapshot: EngineSnapshot, topics: Topics) -> EngineSnapshot:
        """Without what a face with these topics does not show."""
        if topics not in self._views:
            absent = [name for topic in p.TOPICS.keys() - topics for name in p.TOPICS[topic]]
            empty: dict[str, list[object]] = {name: [] for name in absent}
            self._views[topics] = msgspec.structs.replace(snapshot, **empty) if empty else snapshot
        return self._views[topics]

    def picture(
        self, topics: Topics, shown: EngineSnapshot | None, newest: EngineSnapshot
    ) -> bytes:
        """The frame that brings a face with these topics from `shown` to the newest picture; made
        once for all of them."""
        if shown is not None and not delta.is_comparable(shown, newest):
            shown = None
        base = shown.version if shown is not None else 0
        found = self._encoded.get((topics, base))
        if found is None:
            if shown is None:
                frame: p.Frame = p.Picture(snapshot=newest)
            else:
                changes = msgspec.Raw(delta.changes(shown, newest))
                frame = p.Delta(base=base, version=newest.version, changes=changes)
            found = self._encoded[topics, base] = p.encode(frame)
        return found

    def _tell_presence(self) -> None:
        roster = self._roster
        self._presence = p.Presence(
            faces=roster.faces, holder=roster.holder, notices=roster.notices, notice=roster.notice
        )


def _receipt(done: CommandDone) -> ReceiptSnapshot:
    return ReceiptSnapshot(command_id=done.command_id, name=done.name, refused=done.refused)
