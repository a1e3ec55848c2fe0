"""The engine as a service: the demo's market, ledger and bots behind a socket."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

from app.demo import Demo, DemoRequest
from app.paths import Paths
from app.service.endpoint import Claim, endpoint_of
from app.service.notify import Notifier
from app.service.protocol import Bye, StopReport
from app.service.server import EngineServer
from engine.core.clock import LiveClock
from engine.domain.errors import PilothouseError
from engine.domain.snapshots import EngineSnapshot

log = logging.getLogger(__name__)


def serve(
    request: DemoRequest,
    paths: Paths,
    arrange_stop: Callable[[asyncio.Event], None],
    on_ready: Callable[[str], None],
) -> StopReport:
    """Trade and serve faces until stopped. `arrange_stop` is given the event that ends it;
    `on_ready` is told, in a line, when faces can come."""

    async def program() -> StopReport:
        stop = asyncio.Event()
        arrange_stop(stop)
        claim = Claim(endpoint_of(paths, request.profile))
        try:
            return await _serve(request, paths, claim, stop, on_ready)
        finally:
            claim.release()

    return asyncio.run(program())


async def _serve(
    request: DemoRequest,
    paths: Paths,
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

    server = EngineServer(claim, clock, on_turn=notifier.turned, on_stop=stop_for)
    demo = Demo(request, paths, server)
    farewell = Bye(words="the engine was stopped")
    try:
        await demo.open()
        await server.open(demo.runtime.state.commands)
        ready = f"engine: serving profile {request.profile} (process {os.getpid()})"
        notifier.ready(ready)
        on_ready(ready)
        await demo.run(stop)
        await demo.runtime.linger(stop)
        notifier.stopping()
        report = _report(demo, next(iter(stopped_by), ""))
        farewell = Bye(words=str(report), report=report)
        return report
    except Exception as error:
        words = error if isinstance(error, PilothouseError) else type(error).__name__
        farewell = Bye(words=f"the engine failed: {words}")
        log.exception("the engine failed")
        raise
    finally:
        # The ledger first: nothing that a face does may keep it from being closed.
        demo.close()
        notifier.close()
        await server.close(farewell)


def _report(demo: Demo, by: str) -> StopReport:
    snapshot: EngineSnapshot = demo.runtime.snapshot()
    return StopReport(
        orders_working=len(snapshot.orders),
        positions_open=sum(1 for position in snapshot.positions if position.lots),
        events=demo.journal.last_seq,
        ledger=demo.ledger_name,
        by=by,
    )
