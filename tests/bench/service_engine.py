"""The engine of `bench service`, in a process of its own, with a stopwatch in its loop.

    python -m tests.bench.service_engine SAMPLES engine --speed 8 ...

Writes, in nanoseconds of the monotonic clock, one line

    order AT SPENT CPU     for each batch of the market (not of a person's command) that had
                           requests for the venue: when they left, how long that took from the
                           wake-up, durable commit included, and how much processor time the loop
                           spent meanwhile, on whatever it was
    turn AT CPU ROWS SENT  ten times a second: the loop's processor time, the market's messages and
                           the bytes of pictures handed to faces, all of them since the start
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from app.cli.main import main
from app.service.peer import Topics
from app.service.server import EngineServer
from engine.core.clock import LiveClock
from engine.domain.commands import AnyCommand
from engine.domain.snapshots import EngineSnapshot
from engine.ports.world import Wake
from engine.runtime.paper import PaperRuntime
from engine.runtime.trader import Outbox

TURN_NS = 100_000_000

_clock = LiveClock()
_orders: list[tuple[int, int, int]] = []
_turns: list[tuple[int, int, int, int]] = []
_began_ns = _began_cpu_ns = 0
"""When the batch at hand began; 0 while it is none of the market's."""
_sent_bytes = 0


class Timed(PaperRuntime):
    async def _take_turn(self, until_ns: int) -> None:
        await super()._take_turn(until_ns)
        now_ns = _clock.monotonic_ns()
        if not _turns or now_ns - _turns[-1][0] >= TURN_NS:
            _turns.append((now_ns, time.thread_time_ns(), self._world.rows, _sent_bytes))

    async def _batch(self, wake: Wake, commands: Sequence[AnyCommand] = ()) -> None:
        global _began_ns, _began_cpu_ns
        _began_ns = 0 if commands else _clock.monotonic_ns()
        _began_cpu_ns = time.thread_time_ns()
        await super()._batch(wake, commands)

    async def _commit(self, outbox: Outbox) -> None:
        await super()._commit(outbox)
        if outbox.requests and _began_ns:
            now_ns, cpu_ns = _clock.monotonic_ns(), time.thread_time_ns()
            _orders.append((now_ns, now_ns - _began_ns, cpu_ns - _began_cpu_ns))


class Counted(EngineServer):
    def picture(
        self, topics: Topics, shown: EngineSnapshot | None, newest: EngineSnapshot
    ) -> bytes:
        global _sent_bytes
        frame = super().picture(topics, shown, newest)
        _sent_bytes += len(frame)
        return frame


if __name__ == "__main__":
    import app.bootstrap
    import app.service.host

    app.bootstrap.PaperRuntime = Timed  # type: ignore[misc]
    app.service.host.EngineServer = Counted  # type: ignore[misc]
    try:
        code = main(sys.argv[2:])
    finally:
        rows = [("order", *one) for one in _orders] + [("turn", *one) for one in _turns]
        Path(sys.argv[1]).write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    sys.exit(code)
