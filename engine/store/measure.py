"""What a durable commit costs on this disk: for `bench commit` and `doctor`."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from engine.core.clock import LiveClock
from engine.core.tasks import Failure
from engine.domain.events import Noted
from engine.store.journal import LedgerJournal, open_ledger


class CommitFigures(msgspec.Struct, frozen=True, kw_only=True):
    """`p50` and `p99` are what one writer waits for its row to be durable."""

    writers: int
    rows: int
    rows_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float


def measure_commits(folder: Path, *, writers: int = 1, rows: int = 500) -> CommitFigures:
    """Write `rows` rows of about 100 bytes into a fresh ledger in `folder`, each of the `writers`
    waiting for its row before it sends the next. The file is left for the caller to remove."""
    each = max(1, rows // writers)
    with (
        open_ledger(folder / "commit.db", clock=LiveClock(), on_failure=_is_raised_too) as journal,
        ThreadPoolExecutor(writers) as pool,
    ):
        started_ns = time.perf_counter_ns()
        running = [pool.submit(_write, journal, each) for _ in range(writers)]
        waits_ns = [wait_ns for writer in running for wait_ns in writer.result()]
        spent_ns = time.perf_counter_ns() - started_ns
    waits_ns.sort()
    count = len(waits_ns)
    return CommitFigures(
        writers=writers,
        rows=count,
        rows_per_s=count / (spent_ns / 1e9),
        p50_ms=waits_ns[count // 2] / 1e6,
        p99_ms=waits_ns[min(count - 1, count * 99 // 100)] / 1e6,
        max_ms=waits_ns[-1] / 1e6,
    )


def _write(journal: LedgerJournal, rows: int) -> list[int]:
    """Write `rows` rows one after the other; how long each took, in nanoseconds."""
    event = Noted(ts_ns=1_700_000_000_000_000_000, bot_id="bench", text="x" * 40)
    waits_ns = []
    for _ in range(rows):
        began_ns = time.perf_counter_ns()
        journal.append([event]).result()
        waits_ns.append(time.perf_counter_ns() - began_ns)
    return waits_ns


def _is_raised_too(failure: Failure) -> None:
    """The waiting writers get the same error from their futures."""
