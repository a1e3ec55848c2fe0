"""A session with an engine in another process, here or at the other end of an ssh connection.

A thread of its own keeps the connection: it attaches, takes pictures in, pings, and when the
engine is gone it says so at once and tries again until it is back. The face's thread only reads
references and hands wishes over.

A wish that was sent and not answered before the connection broke is never sent again: the market
has moved on, and the face is told that it has to look.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from app.service import delta
from app.service import protocol as p
from app.service.links import Link, Road
from app.service.session import RECONNECTING, SILENT, Standing
from engine.core.clock import NS_PER_SECOND, Clock, LiveClock
from engine.core.ids import new_command_id, new_token
from engine.domain.commands import AnyCommand
from engine.domain.errors import EngineNotRunning, PilothouseError, TimedOut, WorkFailed
from engine.domain.replay import AnyReplayWish
from engine.domain.snapshots import EngineSnapshot, LogRow, ReceiptSnapshot

T = TypeVar("T")

log = logging.getLogger(__name__)

PING_S = 1.0
SILENT_NS = 3 * NS_PER_SECOND
"""An engine that has not answered a ping for so long is reported as silent..."""
DEAD_NS = 15 * NS_PER_SECOND
"""...and after this the connection is given up and made anew."""
CLOCK_SLACK_NS = NS_PER_SECOND // 100
"""How far two clocks may drift before one of them is taken to have been set."""
RETRY_S_MIN = 0.05
WISHES_WAITING_MAX = 256
OWN_ROWS_KEPT = 32
GIVEN_UP = "engine silent, given up"
LOST = "the engine was lost before it answered: look what became of it"
START_S = 15.0
STORY_S = 10.0
"""How long an engine may take to read a story, and a slow line to carry it."""
STORIES_KEPT = 8


class RemoteSession:
    """Implements `app.service.session.Session`."""

    def __init__(
        self,
        road: Road,
        name: str,
        *,
        wants: p.Wants = "nothing",
        topics: Iterable[str] = p.TOPICS,
        clock: Clock | None = None,
    ) -> None:
        self._road = road
        self._name = name
        self._wants: p.Wants = wants
        self._topics = tuple(topics)
        self._ident = new_token()
        self._clock = clock or LiveClock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._writer: asyncio.StreamWriter | None = None
        """Where wishes go; None while there is no engine to send them to."""
        self._lock = threading.Condition()
        """Guards the answers, which two threads meet over."""
        self._waiting: dict[str, str] = {}
        self._answers: dict[str, ReceiptSnapshot] = {}
        self._numbers = itertools.count(1)
        self._stories: dict[int, p.Story] = {}
        self._engine: EngineSnapshot | None = None
        """As the engine published it: what the next delta applies to."""
        self._shown: EngineSnapshot | None = None
        """The same with what only this face knows: its own refusals, notices, its own clock."""
        self._own_receipts: deque[ReceiptSnapshot] = deque(maxlen=OWN_ROWS_KEPT)
        self._own_log: deque[LogRow] = deque(maxlen=OWN_ROWS_KEPT)
        self._presence: p.Presence | None = None
        self._me = ""
        self._standing: Standing | None = None
        self.is_stopping = False
        """This face has asked the engine to end."""
        self._clock_ahead_ns = 0
        """How far this machine's clock is ahead of the engine's."""
        self._best_trip_ns = DEAD_NS
        self._pings: dict[int, int] = {}
        self._heard_ns = 0
        self._gone_ns = self._clock.monotonic_ns()
        self._gone_words = "engine not reached yet"
        self._farewell = p.Bye()
        self._first_error: PilothouseError | None = None
        self._shown_or_ended = threading.Event()
        self._thread = threading.Thread(target=self._main, name=f"session-{name}", daemon=True)

    # -- the face's side -------------------------------------------------------------------------

    def call(self) -> None:
        """Begin to attach, and return at once: for a face that has other things to do meanwhile.
        `start` tells what came of it."""
        self._thread.start()

    def start(self, timeout_s: float | None = None) -> None:
        """Returns with the first picture, or raises why there is none: EngineNotRunning, the
        engine's refusal, or what ssh said."""
        if self._thread.ident is None:
            self.call()
        if not self._shown_or_ended.wait(timeout_s or max(START_S, self._road.answer_s)):
            self.close()
            raise TimedOut("engine: no picture came: it may still be opening its market")
        if self._shown is None:
            self.close()
            raise self._first_error or EngineNotRunning(self._gone_words)
        self._road.may_ask = False

    def close(self) -> None:
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            with contextlib.suppress(RuntimeError):  # The loop has ended by itself.
                loop.call_soon_threadsafe(stop.set)
        self._thread.join(5.0)

    def snapshot(self) -> EngineSnapshot | None:
        return self._shown

    def submit(self, command: AnyCommand) -> None:
        with self._lock:
            if len(self._waiting) >= WISHES_WAITING_MAX:
                raise EngineNotRunning(f"engine: {WISHES_WAITING_MAX} commands wait for answers")
            self._waiting[command.command_id] = type(command).__name__
        try:
            self._send(p.Wish(command=command))
        except EngineNotRunning:
            self._waiting.pop(command.command_id, None)
            raise

    def new_command_id(self) -> str:
        return new_command_id()

    def crash(self) -> None:
        with contextlib.suppress(EngineNotRunning):
            self._send(p.Crash())

    def steer(self, wish: AnyReplayWish) -> None:
        """An engine behind a socket trades; its time is nobody's to steer."""

    def take_token(self) -> None:
        """Become the face whose commands may add risk."""
        self._send(p.TakeToken())

    def standing(self) -> Standing | None:
        return self._standing

    def stop_engine(self) -> None:
        """Ask the engine to close its ledger and end; `wait_gone` tells what it left behind."""
        self._send(p.StopEngine())
        self.is_stopping = True

    def wait_gone(self, timeout_s: float) -> p.Bye:
        """How an engine that leaves takes its leave. TimedOut when it stays."""
        with self._lock:
            if self._lock.wait_for(lambda: self._writer is None, timeout_s):
                return self._farewell
        raise TimedOut(f"engine: it did not end within {timeout_s:g} s: see its log")

    def story(self, order_id: str) -> Sequence[tuple[int, str]]:
        """What happened to an order, by the engine's ledger: (ts_ns, sentence). For any thread but
        the connection's. WorkFailed with the reason when there is none, TimedOut."""
        writer, number = self._writer, next(self._numbers)
        self._send(p.AskStory(number=number, order_id=order_id))

        def is_over() -> bool:
            return number in self._stories or self._writer is not writer

        with self._lock:
            self._lock.wait_for(is_over, STORY_S)
            story = self._stories.pop(number, None)
        if story is None and self._writer is not writer:
            raise EngineNotRunning(f"{self._gone_words}: ask again")
        if story is None:
            raise TimedOut(f"engine: it told nothing of {order_id} within {STORY_S:g} s: ask again")
        if story.refused:
            raise WorkFailed(story.refused)
        return story.told

    def presence(self) -> p.Presence | None:
        """Who looks on, by the engine's last word; None while it has said nothing."""
        return self._presence

    def lost(self) -> str:
        """Why the connection has ended, "" while it stands: a short silence is no end."""
        return self._gone_words if self._writer is None else ""

    def failure(self) -> str:
        now_ns = self._clock.monotonic_ns()
        # An engine that is back shows its old picture until it has sent a new one.
        if self._writer is None or self._engine is None:
            ago_s = (now_ns - self._gone_ns) // NS_PER_SECOND
            return f"{self._gone_words}; {ago_s} s ago, {RECONNECTING}"
        silent_ns = now_ns - self._heard_ns
        if silent_ns > SILENT_NS:
            return f"{SILENT} for {silent_ns // NS_PER_SECOND} s"
        return ""

    def wait_for(self, command_id: str, timeout_s: float) -> ReceiptSnapshot:
        """What became of a submitted command. TimedOut when nobody says in time."""
        with self._lock:
            if self._lock.wait_for(lambda: command_id in self._answers, timeout_s):
                return self._answers.pop(command_id)
        raise TimedOut(f"engine: no answer within {timeout_s:g} s: look whether it was carried out")

    def _send(self, frame: p.Frame) -> None:
        loop, writer = self._loop, self._writer
        if loop is None or writer is None:
            raise EngineNotRunning(f"engine: {self.failure()}")
        try:
            loop.call_soon_threadsafe(self._write_or_tell, writer, frame)
        except RuntimeError as error:
            raise EngineNotRunning("engine: this session has ended") from error

    # -- the connection's side -------------------------------------------------------------------

    def _main(self) -> None:
        try:
            asyncio.run(self._live())
        except Exception as error:
            self._gone_words = f"session failed: {type(error).__name__}: {error}: see the log"
            log.exception("session failed")
        finally:
            self._writer = None
            self._shown_or_ended.set()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        stopping = asyncio.create_task(self._stop.wait())
        retry_s = RETRY_S_MIN
        while not self._stop.is_set():
            had_engine = self._engine
            attempt = asyncio.create_task(self._attend())
            await asyncio.wait({attempt, stopping}, return_when=asyncio.FIRST_COMPLETED)
            attempt.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await attempt
            if self._shown is None:
                return  # `start` tells why.
            retry_s = RETRY_S_MIN if self._engine is not had_engine else retry_s * 2
            retry_s = min(retry_s, self._road.retry_s_max)
            await asyncio.wait({stopping}, timeout=retry_s)

    async def _attend(self) -> None:
        """One connection, from the call to its end."""
        link: Link | None = None
        try:
            link = await self._road.open()
            await self._attach(link)
            bye = await _first_to_end(self._take_in(link), self._ping(link.writer))
            self._farewell = bye
            self._lost(bye.words or "engine gone")
            if not bye.words and (words := await link.last_words()):
                self._gone_words = words
        except PilothouseError as error:
            self._first_error = self._first_error or error
            self._lost(str(error))
            if isinstance(error, p.Refused | WorkFailed):
                self._gone_words = str(error)
        except OSError:
            self._lost("engine gone")
        finally:
            self._lost("engine gone")
            if link is not None:
                await _to_the_end(link.close())

    async def _attach(self, link: Link) -> None:
        hello = p.Hello(
            schema=p.SCHEMA,
            shape=p.shape(),
            token=link.token,
            name=self._name,
            host=socket.gethostname().partition(".")[0],
            pid=os.getpid(),
            wants=self._wants if self._shown is None else self._wants_again(),
            topics=self._topics,
            session=self._ident,
        )
        link.writer.write(p.encode(hello))
        try:
            async with asyncio.timeout(self._road.answer_s):
                frame = await link.first_frame()
        except TimeoutError:
            raise TimedOut(
                f"engine: does not answer within {self._road.answer_s:g} s: it stands still, or is "
                "very busy"
            ) from None
        if frame is None:
            # Words of the way there: whether an engine runs at its end is not known.
            if words := await link.last_words():
                raise WorkFailed(words)
            raise EngineNotRunning("engine gone")
        if isinstance(frame, p.Refusal):
            raise p.Refused(frame.code, frame.words)
        if not isinstance(frame, p.Welcome):
            raise p.ProtocolError(f"{type(frame).__name__} instead of a welcome")
        words = p.version_words((frame.schema, frame.shape), (p.SCHEMA, p.shape()))
        if words:
            raise p.Refused(p.SCHEMA_DIFFERS, words)
        if frame.locked:
            raise p.Refused(p.LOCKED, frame.locked)
        self._me = frame.face
        self._heard_ns = self._clock.monotonic_ns()
        self._engine, self._pings = None, {}
        self._farewell = p.Bye()
        self._best_trip_ns = DEAD_NS
        self._writer = link.writer

    def _wants_again(self) -> p.Wants:
        """Who had the token before the connection broke gets it back, if it is free; a face that
        only watched, and happens to be back first, does not."""
        standing = self._standing
        has_held = standing is not None and standing.holder == standing.me
        return "free" if has_held else "nothing"

    async def _ping(self, writer: asyncio.StreamWriter) -> p.Bye:
        number = 0
        while True:
            number += 1
            now_ns = self._clock.monotonic_ns()
            if now_ns - self._heard_ns > DEAD_NS:
                raise EngineNotRunning(GIVEN_UP)
            self._pings[number] = now_ns
            self._write(writer, p.Ping(number=number))
            await asyncio.sleep(PING_S)

    async def _take_in(self, link: Link) -> p.Bye:
        """Until the engine leaves; an empty farewell when it said none."""
        while (frame := await p.read_from_engine(link.reader)) is not None:
            self._heard_ns = self._clock.monotonic_ns()
            match frame:
                case p.Picture(snapshot=snapshot):
                    self._show(snapshot, link.writer)
                case p.Delta():
                    self._take_delta(frame, link.writer)
                case p.Receipt(receipt=receipt):
                    self._answered(receipt)
                case p.Presence():
                    self._note_presence(frame)
                case p.Story():
                    self._told(frame)
                case p.Pong():
                    self._note_clock(frame)
                case p.Bye():
                    return frame
                case p.Refusal(code=code, words=words):
                    raise p.Refused(code, words)
                case _:
                    raise p.ProtocolError(f"{type(frame).__name__}: not now")
        return p.Bye()

    def _write(self, writer: asyncio.StreamWriter, frame: p.Frame) -> None:
        if not writer.is_closing():
            writer.write(p.encode(frame))

    def _write_or_tell(self, writer: asyncio.StreamWriter, frame: p.Frame) -> None:
        """Write what the face wants, or tell it that the engine went away in between."""
        if writer is self._writer:
            self._write(writer, frame)
        elif isinstance(frame, p.Wish):
            self._tell_lost(frame.command.command_id, type(frame.command).__name__)

    def _lost(self, words: str) -> None:
        """No engine from here on; the first who says why is believed."""
        if self._writer is None:
            return
        with self._lock:
            self._gone_words = words
            self._gone_ns = self._clock.monotonic_ns()
            self._writer = None
            self._lock.notify_all()
        for command_id, name in list(self._waiting.items()):
            self._tell_lost(command_id, name)

    def _told(self, story: p.Story) -> None:
        with self._lock:
            self._stories[story.number] = story
            while len(self._stories) > STORIES_KEPT:  # Nobody waits for the oldest any more.
                self._stories.pop(next(iter(self._stories)))
            self._lock.notify_all()

    def _tell_lost(self, command_id: str, name: str) -> None:
        self._answered(ReceiptSnapshot(command_id=command_id, name=name, refused=LOST))

    # -- pictures ----------------------------------------------------------------------------------

    def _take_delta(self, frame: p.Delta, writer: asyncio.StreamWriter) -> None:
        try:
            if self._engine is None or self._engine.version != frame.base:
                raise p.ProtocolError(f"delta: is for version {frame.base}")
            snapshot = delta.apply(self._engine, frame.changes)
        except p.ProtocolError as error:
            log.warning("asking for a whole picture: %s", error)
            self._write(writer, p.Resync())
            return
        self._show(snapshot, writer)

    def _show(self, snapshot: EngineSnapshot, writer: asyncio.StreamWriter) -> None:
        self._engine = snapshot
        self._write(writer, p.Seen(version=snapshot.version))
        for receipt in snapshot.receipts:
            if receipt.command_id in self._waiting:
                self._answered(receipt)
        self._compose()
        self._shown_or_ended.set()

    def _compose(self) -> None:
        shot = self._engine or self._shown
        if shot is None:
            return
        known = {receipt.command_id for receipt in shot.receipts}
        receipts = [row for row in self._own_receipts if row.command_id not in known]
        wall_ns = shot.published_wall_ns + self._clock_ahead_ns
        self._shown = msgspec.structs.replace(
            shot,
            published_wall_ns=wall_ns,
            receipts=[*shot.receipts, *receipts] if receipts else shot.receipts,
            log=_merged(shot.log, self._own_log) if self._own_log else shot.log,
        )

    def _answered(self, receipt: ReceiptSnapshot) -> None:
        with self._lock:
            if self._waiting.pop(receipt.command_id, None) is None:
                return
            self._answers[receipt.command_id] = receipt
            while len(self._answers) > WISHES_WAITING_MAX:
                self._answers.pop(next(iter(self._answers)))
            self._lock.notify_all()
        self._own_receipts.append(receipt)
        self._compose()

    def _note_presence(self, presence: p.Presence) -> None:
        before, self._presence = self._presence, presence
        self._standing = Standing(
            me=self._me,
            faces=tuple(presence.faces),
            holder=presence.holder,
            notices=presence.notices,
            notice=presence.notice,
        )
        if not presence.notice or (before and before.notices == presence.notices):
            return
        if before is not None and self._engine is not None:
            row = LogRow(
                seq=0,
                ts_ns=self._engine.ts_ns,
                level="alert",
                source="service",
                text=presence.notice,
            )
            self._own_log.append(row)
            self._compose()

    def _note_clock(self, pong: p.Pong) -> None:
        """The quickest answer tells best how the two clocks stand to each other, until one of
        them has been set: then no true difference would explain both answers."""
        sent_ns = self._pings.pop(pong.number, None)
        if sent_ns is None:
            return
        trip_ns = self._clock.monotonic_ns() - sent_ns
        ahead_ns = self._clock.now_ns() - trip_ns // 2 - pong.wall_ns
        moved_ns = abs(ahead_ns - self._clock_ahead_ns)
        has_been_set = moved_ns > (trip_ns + self._best_trip_ns) // 2 + CLOCK_SLACK_NS
        if trip_ns < self._best_trip_ns or has_been_set:
            self._best_trip_ns = trip_ns
            self._clock_ahead_ns = ahead_ns


def _merged(rows: list[LogRow], own: deque[LogRow]) -> list[LogRow]:
    return sorted([*rows, *own], key=lambda row: row.ts_ns)


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Even when the one who waits is cancelled meanwhile: half a farewell leaves a process."""
    task = asyncio.create_task(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()


async def _first_to_end(*works: Coroutine[Any, Any, T]) -> T:
    """What the first of them comes back with, or raises; the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return done.pop().result()
