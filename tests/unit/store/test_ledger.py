"""The ledger in use: order, durability, exclusivity, modes, errors."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.core.clock import SimClock
from engine.core.tasks import Failure
from engine.domain.errors import LedgerError
from engine.domain.events import AnyEvent, Noted
from engine.domain.order import OrderStatus
from engine.store import database
from engine.store.journal import FULL_CHECK_INTERVAL_NS, LedgerJournal, open_ledger
from engine.store.memory import MemoryJournal
from tests.support.events import a_filled, a_note, a_session, an_accept, an_intent

Open = Callable[[], LedgerJournal]


def test_what_was_appended_comes_back_in_order_after_a_restart(reopen: Open) -> None:
    journal = reopen()
    first: list[AnyEvent] = [a_session(), an_intent()]
    second: list[AnyEvent] = [an_accept(), a_filled()]
    assert journal.append(first).result() == 2
    assert journal.append(second).result() == 4
    assert list(journal.replay()) == first + second

    again = reopen()
    assert again.last_seq == 4
    assert list(again.replay()) == first + second
    assert again.append([a_note(5)]).result() == 5


def test_futures_are_answered_in_the_order_of_the_appends(reopen: Open) -> None:
    journal = reopen()
    futures = [journal.append([a_note(number)] * (number % 3)) for number in range(300)]
    ends = [future.result() for future in futures]
    assert ends == sorted(ends)
    assert ends[-1] == journal.last_seq == sum(number % 3 for number in range(300))


def test_close_writes_what_is_queued(reopen: Open) -> None:
    journal = reopen()
    future = journal.append([a_note(1)])
    journal.close()
    assert future.result(timeout=0) == 1
    with pytest.raises(LedgerError, match="is closed"):
        journal.append([a_note(2)])
    assert reopen().last_seq == 1


def test_an_append_cannot_be_taken_back(reopen: Open) -> None:
    future = reopen().append([a_note(1)])
    assert not future.cancel()
    assert future.result() == 1


async def test_an_append_can_be_awaited(reopen: Open) -> None:
    assert await asyncio.wrap_future(reopen().append([a_note(1)])) == 1


def test_the_salt_is_drawn_once_per_ledger(
    reopen: Open, tmp_path: Path, clock: SimClock, failures: list[Failure]
) -> None:
    salt = reopen().salt
    assert salt > 0
    assert reopen().salt == salt
    with open_ledger(tmp_path / "other.db", clock=clock, on_failure=failures.append) as other:
        assert other.salt != salt


def test_file_and_memory_have_the_same_digest(reopen: Open) -> None:
    events: list[AnyEvent] = [a_session(), an_intent(), an_accept(), a_filled()]
    memory, journal = MemoryJournal(), reopen()
    empty = memory.digest()
    assert journal.digest() == empty
    memory.append(events[:1])
    assert memory.digest() != empty
    memory.append(events[1:])
    journal.append(events).result()
    assert memory.digest() == journal.digest()


def test_a_second_engine_is_refused_at_once_and_told_who_holds_it(
    reopen: Open, path: Path, clock: SimClock, failures: list[Failure]
) -> None:
    reopen()
    with pytest.raises(LedgerError, match=rf"ledger\.db is in use .*process {os.getpid()}\)"):
        open_ledger(path, clock=clock, on_failure=failures.append)


def test_after_closing_the_next_engine_may_come(reopen: Open) -> None:
    reopen().close()
    reopen()


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_nobody_else_may_read_the_files(reopen: Open, path: Path) -> None:
    umask = os.umask(0o022)
    try:
        reopen().append([a_note()]).result()
    finally:
        os.umask(umask)
    names = {file.name for file in path.parent.iterdir()}
    assert names == {"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock"}
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_clean_close_leaves_one_file_that_stands_alone(reopen: Open, path: Path) -> None:
    journal = reopen()
    journal.append([a_note()]).result()
    journal.close()
    assert {file.name for file in path.parent.iterdir()} == {"ledger.db", "ledger.db.lock"}


def test_the_settings_are_those_of_a_ledger(reopen: Open) -> None:
    connection = reopen()._connection
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "temp_store": 2,
        "busy_timeout": 5000,
        "journal_size_limit": 16 * 1024 * 1024,
    }
    found = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    assert found == wanted


def test_the_file_itself_refuses_to_change_or_lose_an_event(reopen: Open, path: Path) -> None:
    journal = reopen()
    journal.append([a_note(1), a_note(2)]).result()
    journal.close()
    forbidden = (
        "UPDATE event SET bot_id = 'other' WHERE seq = 1",
        "DELETE FROM event WHERE seq = 2",
        "INSERT OR REPLACE INTO event SELECT 1, 0, '', '', '', body, prev_hash, hash"
        " FROM event WHERE seq = 2",
        "INSERT INTO event SELECT 9, 0, '', '', '', body, hash, hash FROM event WHERE seq = 2",
        "INSERT INTO event SELECT 3, 0, '', '', '', body, prev_hash, hash FROM event WHERE seq = 2",
    )
    with closing(sqlite3.connect(path)) as connection:
        for statement in forbidden:
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
    assert reopen().last_seq == 2


def test_one_id_intended_twice_stops_the_journal(reopen: Open, failures: list[Failure]) -> None:
    journal = reopen()
    journal.append([an_intent()]).result()
    future = journal.append([a_note(), an_intent(status=OrderStatus.OPEN)])
    with pytest.raises(LedgerError, match=r"could not be written.*UNIQUE"):
        future.result()
    with pytest.raises(LedgerError, match="nothing after event 1 was saved"):
        journal.append([a_note()])
    assert len(failures) == 1
    assert isinstance(failures[0].error, LedgerError)
    again = reopen()
    assert again.last_seq == 1


def test_a_number_too_large_for_the_file_is_refused_to_the_caller(reopen: Open) -> None:
    journal = reopen()
    with pytest.raises(OverflowError):
        journal.append([Noted(ts_ns=1 << 70, bot_id="", text="")])
    assert journal.append([a_note()]).result() == 1


def test_the_full_check_runs_after_a_week_or_an_unclean_stop(
    reopen: Open, clock: SimClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks: list[bool] = []
    genuine = database.check_pages

    def check_pages(connection: sqlite3.Connection, *, is_full: bool) -> str:
        checks.append(is_full)
        return genuine(connection, is_full=is_full)

    monkeypatch.setattr(database, "check_pages", check_pages)
    reopen().append([a_note()]).result()
    reopen()
    clock.advance_to(clock.now_ns() + FULL_CHECK_INTERVAL_NS + 1)
    reopen()
    journal = reopen()
    assert checks == [False, False, True, False]

    # An unclean stop: everything is let go of without the note that `close` leaves.
    journal._writer.close()
    journal._connection.close()
    journal._lock.release()
    journal._is_closed = True
    reopen()
    assert checks == [False, False, True, False, True]


def test_a_folder_that_cannot_be_written_is_one_clear_line(
    tmp_path: Path, clock: SimClock, failures: list[Failure]
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    with pytest.raises(LedgerError, match=r"ledger .*file/ledger\.db"):
        open_ledger(blocker / "ledger.db", clock=clock, on_failure=failures.append)
