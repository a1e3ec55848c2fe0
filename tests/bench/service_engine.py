"""The engine of `bench service`, in a process of its own, with a stopwatch in its loop.

    python -m tests.bench.service_engine SAMPLES engine --speed 8 ...

Writes one line for each batch of the market (not of a person's command) that had requests for the
venue: when (monotonic ns), and how long it took from the wake-up to the requests' leaving, durable
commit included.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from app.cli.main import main
from engine.core.clock import LiveClock
from engine.domain.commands import AnyCommand
from engine.ports.world import Wake
from engine.runtime.paper import PaperRuntime
from engine.runtime.trader import Outbox

_clock = LiveClock()
_samples: list[tuple[int, int]] = []
_began_ns = 0
"""When the batch at hand began; 0 while it is none of the market's."""


class Timed(PaperRuntime):
    async def _batch(self, wake: Wake, commands: Sequence[AnyCommand] = ()) -> None:
        global _began_ns
        _began_ns = 0 if commands else _clock.monotonic_ns()
        await super()._batch(wake, commands)

    async def _commit(self, outbox: Outbox) -> None:
        await super()._commit(outbox)
        if outbox.requests and _began_ns:
            now_ns = _clock.monotonic_ns()
            _samples.append((now_ns, now_ns - _began_ns))


if __name__ == "__main__":
    import app.bootstrap

    app.bootstrap.PaperRuntime = Timed  # type: ignore[misc]
    try:
        code = main(sys.argv[2:])
    finally:
        lines = (f"{at_ns} {spent_ns}\n" for at_ns, spent_ns in _samples)
        Path(sys.argv[1]).write_text("".join(lines))
    sys.exit(code)
