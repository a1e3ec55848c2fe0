from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.core.clock import SimClock
from engine.core.tasks import Failure
from engine.domain.errors import LedgerError
from engine.store import backup
from engine.store.database import LEDGER
from engine.store.journal import LedgerJournal, open_ledger
from tests.support.events import a_note

Open = Callable[[], LedgerJournal]

NEXT = LEDGER._replace(
    steps=(*LEDGER.steps, ("CREATE TABLE label (seq INTEGER PRIMARY KEY, text TEXT) STRICT",))
)
BROKEN = LEDGER._replace(
    steps=(*LEDGER.steps, ("CREATE TABLE label (seq INTEGER) STRICT", "CREATE TABLE label (x)"))
)


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture
def older(reopen: Open, path: Path) -> Path:
    journal = reopen()
    journal.append([a_note(1), a_note(2)]).result()
    journal.close()
    return path


def test_an_older_ledger_is_backed_up_and_brought_up_to_date(
    older: Path, clock: SimClock, failures: list[Failure]
) -> None:
    with open_ledger(older, clock=clock, on_failure=failures.append, schema=NEXT) as journal:
        assert list(journal.replay()) == [a_note(1), a_note(2)]
        assert journal.append([a_note(3)]).result() == 3
    assert version_of(older) == 2
    saved = older.with_name("ledger.db.v1.bak")
    assert version_of(saved) == 1
    assert backup.verify(saved).seq == 2


def test_a_step_that_fails_leaves_the_ledger_as_it_was(
    older: Path, clock: SimClock, failures: list[Failure], reopen: Open
) -> None:
    with pytest.raises(LedgerError, match="label already exists"):
        open_ledger(older, clock=clock, on_failure=failures.append, schema=BROKEN)
    assert version_of(older) == 1
    assert reopen().last_seq == 2


def test_a_new_ledger_goes_through_every_step(
    path: Path, clock: SimClock, failures: list[Failure]
) -> None:
    open_ledger(path, clock=clock, on_failure=failures.append, schema=NEXT).close()
    assert version_of(path) == 2
    assert not path.with_name("ledger.db.v1.bak").exists()
