"""The engine as a service: a market, a ledger and bots behind a socket; on paper or live."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from typing import Protocol

from app.demo import Demo, DemoRequest
from app.paths import Paths
from app.service.endpoint import Claim, endpoint_of
from app.service.notify import Notifier
from app.service.protocol import Bye, StopReport
from app.service.server import EngineServer
from engine.core.clock import LiveClock
from engine.core.memory import settle_memory
from engine.domain.errors import PilothouseError
from engine.domain.events import CommandDone
from engine.domain.snapshots import EngineSnapshot

log = logging.getLogger(__name__)

OPENING_LOOK_S = 0.5
"""How often somebody looks what an engine waits for that has not opened yet."""


class Hosted(Protocol):
    """What can be served: it opens, runs until told to stop, and says what it leaves."""

    async def open(self) -> None: ...
    async def run(self, stop: asyncio.Event) -> None: ...
    async def linger(self, stop: asyncio.Event) -> None: ...
    async def close(self) -> None: ...
    def snapshot(self) -> EngineSnapshot: ...

    async def unlock(self, passphrase: str) -> str:
        """Why the passphrase does not open the keys; "" when it does."""

    @property
    def waits_for(self) -> str:
        """What a person has to do before it can open; "" while nothing."""

    @property
    def commands(self) -> Mapping[str, CommandDone]: ...
    @property
    def ledger_name(self) -> str: ...
    @property
    def last_seq(self) -> int: ...

    @property
    def stop_words(self) -> str:
        """What a venue has said of what stays there; "" where there is none."""


class HostedDemo:
    """Paper trading as a service."""

    waits_for = ""
    stop_words = ""

    def __init__(self, request: DemoRequest, paths: Paths, server: EngineServer) -> None:
        self._demo = Demo(request, paths, server)

    async def open(self) -> None:
        await self._demo.open()

    async def run(self, stop: asyncio.Event) -> None:
        await self._demo.run(stop)

    async def linger(self, stop: asyncio.Event) -> None:
        await self._demo.runtime.linger(stop)

    async def close(self) -> None:
        self._demo.close()

    def snapshot(self) -> EngineSnapshot:
        return self._demo.runtime.snapshot()

    async def unlock(self, passphrase: str) -> str:
        return "this engine trades on paper and has no keys"

    @property
    def commands(self) -> Mapping[str, CommandDone]:
        return self._demo.runtime.state.commands

    @property
    def ledger_name(self) -> str:
        return self._demo.ledger_name

    @property
    def last_seq(self) -> int:
        return self._demo.journal.last_seq


Make = Callable[[EngineServer], Hosted]


def serve(
    make: Make,
    paths: Paths,
    profile: str,
    arrange_stop: Callable[[asyncio.Event], None],
    on_ready: Callable[[str], None],
) -> StopReport:
    """Trade and serve faces until stopped. `arrange_stop` is given the event that ends it;
    `on_ready` is told, in a line, when faces can come, and what is waited for."""

    async def program() -> StopReport:
        stop = asyncio.Event()
        arrange_stop(stop)
        claim = Claim(endpoint_of(paths, profile))
        try:
            return await _serve(make, profile, claim, stop, on_ready)
        finally:
            claim.release()

    return asyncio.run(program())


async def _serve(
    make: Make,
    profile: str,
    claim: Claim,
    stop: asyncio.Event,
    on_ready: Callable[[str], None],
) -> StopReport:
    clock = LiveClock()
    notifier = Notifier(clock)
    stopped_by: list[str] = []

    def stop_for(face: str) -> None:
        stopped_by.append(face)
        stop.set()

    async def unlock(passphrase: str) -> str:
        return await hosted.unlock(passphrase)

    server = EngineServer(
        claim,
        clock,
        on_turn=notifier.turned,
        on_stop=stop_for,
        on_unlock=unlock,
        waits_for=lambda: hosted.waits_for,
        tell=lambda order_id: _story(profile, order_id),
    )
    hosted = make(server)
    farewell = Bye(words="the engine was stopped")
    try:
        if not await _open(hosted, server, notifier, stop, on_ready):
            by = next(iter(stopped_by), "")
            report = StopReport(orders_working=0, positions_open=0, events=0, ledger="", by=by)
            farewell = Bye(words=str(report), report=report)
            return report
        await server.open(hosted.commands)
        ready = f"engine: serving profile {profile} (process {os.getpid()})"
        notifier.ready(ready)
        on_ready(ready)
        await hosted.run(stop)
        await hosted.linger(stop)
        notifier.stopping()
        report = _report(hosted, next(iter(stopped_by), ""))
        farewell = Bye(words=str(report), report=report)
        return report
    except Exception as error:
        words = error if isinstance(error, PilothouseError) else type(error).__name__
        farewell = Bye(words=f"the engine failed: {words}")
        log.exception("the engine failed")
        raise
    finally:
        # The ledger first: nothing that a face does may keep it from being closed.
        await hosted.close()
        notifier.close()
        await server.close(farewell)


async def _open(
    hosted: Hosted,
    server: EngineServer,
    notifier: Notifier,
    stop: asyncio.Event,
    on_ready: Callable[[str], None],
) -> bool:
    """Open it; faces are let in before that where it waits for one of them. False when it was
    stopped meanwhile."""
    opening = asyncio.ensure_future(hosted.open())
    stopping = asyncio.ensure_future(stop.wait())
    said = ""
    try:
        while not opening.done() and not stop.is_set():
            both = {opening, stopping}
            await asyncio.wait(both, timeout=OPENING_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            notifier.turned()
            if hosted.waits_for and not said:
                said = f"engine: locked: {hosted.waits_for}"
                await server.open({})
                notifier.ready(said)
                on_ready(said)
        if not opening.done():
            return False
        await opening
        settle_memory()
        return True
    finally:
        stopping.cancel()
        opening.cancel()


def _story(profile: str, order_id: str) -> list[tuple[int, str]]:
    """As a face beside the ledger reads it."""
    from app.bookshelf import FileShelf

    return [(one.ts_ns, one.text) for one in FileShelf(profile).story(order_id)]


def _report(hosted: Hosted, by: str) -> StopReport:
    snapshot = hosted.snapshot()
    return StopReport(
        orders_working=len(snapshot.orders),
        positions_open=sum(1 for position in snapshot.positions if position.lots),
        events=hosted.last_seq,
        ledger=hosted.ledger_name,
        by=by,
        venue=hosted.stop_words,
    )
