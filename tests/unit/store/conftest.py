from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.core.clock import SimClock
from engine.core.tasks import Failure
from engine.store.journal import LedgerJournal, open_ledger
from tests.support.plain_events import T0_NS

Open = Callable[[], LedgerJournal]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
def clock() -> SimClock:
    return SimClock(T0_NS)


@pytest.fixture
def failures() -> list[Failure]:
    return []


@pytest.fixture
def reopen(path: Path, clock: SimClock, failures: list[Failure]) -> Iterator[Open]:
    """Opens the test's ledger, closing the one opened before."""
    opened: list[LedgerJournal] = []

    def open_again() -> LedgerJournal:
        for journal in opened:
            journal.close()
        opened.append(open_ledger(path, clock=clock, on_failure=failures.append))
        return opened[-1]

    yield open_again
    for journal in opened:
        journal.close()
