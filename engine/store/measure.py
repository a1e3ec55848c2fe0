"""What a durable commit costs on this disk: for `bench commit` and `doctor`."""

from __future__ import annotations

import threading
import time
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
    waits_ns: list[int] = []
    with open_ledger(
        folder / "commit.db", clock=LiveClock(), on_failure=_ignore_reported_twice
    ) as journal:
        threads = [
            threading.Thread(target=_write, args=(journal, each, waits_ns)) for _ in range(writers)
        ]
        started_ns = time.perf_counter_ns()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
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


def _write(journal: LedgerJournal, rows: int, waits_ns: list[int]) -> None:
    event = Noted(ts_ns=1_700_000_000_000_000_000, bot_id="bench", text="x" * 40)
    for _ in range(rows):
        began_ns = time.perf_counter_ns()
        journal.append([event]).result()
        waits_ns.append(time.perf_counter_ns() - began_ns)


def _ignore_reported_twice(failure: Failure) -> None:
    """The waiting writers get the same error from their futures."""
