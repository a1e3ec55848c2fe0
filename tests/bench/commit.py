"""Durable commits: what one writer waits for its row, and how many rows 64 waiting writers get."""

from __future__ import annotations

import tempfile
from pathlib import Path

from engine.store.measure import CommitFigures, measure_commits
from tests.bench.figures import Context, Figure, figure

ROWS = 400


def run(context: Context) -> list[Figure]:
    alone = [_measure(1) for _ in range(context.runs + 1)][1:]
    crowd = [_measure(64) for _ in range(context.runs + 1)][1:]
    return [
        figure("commit_p50", "ms", [run.p50_ms for run in alone], ROWS),
        figure("commit_p99", "ms", [run.p99_ms for run in alone], ROWS),
        figure("commit_64_writers", "rows/s", [run.rows_per_s for run in crowd], ROWS),
    ]


def _measure(writers: int) -> CommitFigures:
    with tempfile.TemporaryDirectory() as folder:
        return measure_commits(Path(folder), writers=writers, rows=ROWS * (1 + writers // 8))
