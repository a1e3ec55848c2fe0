"""Raw capture to Parquet catalogue, in this process, after one warm-up."""

from __future__ import annotations

import tempfile
from pathlib import Path

from engine.archive.catalogue import import_capture
from engine.core.clock import LiveClock
from tests.bench.figures import Context, Figure, figure, need_capture


def run(context: Context) -> list[Figure]:
    capture = need_capture(context.capture)
    taken: list[float] = []
    lines = 0
    clock = LiveClock()
    for number in range(context.runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "catalogue"
            start_ns = clock.monotonic_ns()
            imported = import_capture([capture], out)
            if number:
                taken.append((clock.monotonic_ns() - start_ns) / 1e9)
            lines = sum(source.lines for source in imported.meta.sources)
    return [figure("import", "s", taken, lines)]
