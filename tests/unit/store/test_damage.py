"""A ledger that was changed, torn, swapped or comes from the future is refused, and kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.domain.errors import LedgerError
from engine.store.journal import LedgerJournal
from tests.support.events import a_note

Open = Callable[[], LedgerJournal]


def tamper(path: Path, *statements: str) -> None:
    """Change the file as somebody would who knows SQLite and takes the triggers away first."""
    with closing(sqlite3.connect(path)) as connection:
        kept = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in kept:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in kept:
            connection.execute(sql)
        connection.commit()


@pytest.fixture
def written(reopen: Open, path: Path) -> Path:
    """A cleanly closed ledger of two hundred notes, which fill several pages."""
    journal = reopen()
    journal.append([a_note(number) for number in range(1, 201)]).result()
    journal.close()
    return path


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            "UPDATE event SET body = CAST(replace(body, 'note 7', 'note 8') AS BLOB) WHERE seq = 7",
            "event 7 ",
        ),
        ("UPDATE event SET hash = zeroblob(32) WHERE seq = 12", "event 12 "),
        ("UPDATE event SET prev_hash = zeroblob(32) WHERE seq = 3", "event 3 "),
        ("DELETE FROM event WHERE seq = 5", "event 5 is missing"),
        ("DELETE FROM event WHERE seq = 1", "event 1 is missing"),
        ("DELETE FROM event WHERE seq > 150", "ends at event 150 but was closed at event 200"),
    ],
)
def test_a_changed_event_is_found_and_named(
    written: Path, reopen: Open, change: str, found: str
) -> None:
    tamper(written, change)
    with pytest.raises(LedgerError, match=found) as caught:
        reopen()
    assert "restore the latest backup" in str(caught.value)


def test_one_flipped_byte_of_a_body_is_found(written: Path, reopen: Open) -> None:
    content = bytearray(written.read_bytes())
    place = content.index(b"note 13")
    content[place] ^= 1
    written.write_bytes(content)
    with pytest.raises(LedgerError, match="event 13 "):
        reopen()


def test_columns_that_contradict_the_body_are_found_by_the_replay(
    written: Path, reopen: Open
) -> None:
    tamper(written, "UPDATE event SET kind = 'OrderFilled' WHERE seq = 4")
    with pytest.raises(LedgerError, match="columns of event 4"):
        list(reopen().replay())


def test_a_torn_page_is_found(written: Path, reopen: Open) -> None:
    content = bytearray(written.read_bytes())
    content[4096 : 2 * 4096] = bytes(4096)
    written.write_bytes(content)
    with pytest.raises(LedgerError, match=r"ledger .*ledger\.db"):
        reopen()


def test_a_damaged_ledger_and_its_wal_stay_as_they_were(written: Path, reopen: Open) -> None:
    journal = reopen()
    journal.append([a_note(201)]).result()
    # As after a kill: the newest events are in the -wal only.
    kept = {file: file.read_bytes() for file in sorted(written.parent.glob("ledger.db*"))}
    journal.close()
    for file, content in kept.items():
        file.write_bytes(content)
    wal = written.with_name("ledger.db-wal")
    newest = wal.read_bytes()
    assert newest.count(b"note 201") == 1
    damaged = written.read_bytes().replace(b"note 13", b"note 99")
    written.write_bytes(damaged)

    with pytest.raises(LedgerError, match="event 13 "):
        reopen()
    assert written.read_bytes() == damaged
    assert wal.read_bytes() == newest


def test_a_ledger_of_a_newer_program_is_refused_and_untouched(written: Path, reopen: Open) -> None:
    with closing(sqlite3.connect(written)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = written.read_bytes()
    with pytest.raises(LedgerError, match=r"newer Pilothouse \(schema 99, .*update the program"):
        reopen()
    assert written.read_bytes() == before


def test_somebody_elses_database_is_refused_and_untouched(path: Path, reopen: Open) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="is not a Pilothouse ledger"):
        reopen()
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database at all" * 500, b"x", b""])
def test_a_file_that_is_no_database_is_refused(path: Path, reopen: Open, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        reopen()
    assert path.read_bytes() == content


def test_a_folder_in_the_ledgers_place_is_refused(path: Path, reopen: Open) -> None:
    path.mkdir(parents=True)
    with pytest.raises(LedgerError):
        reopen()


def test_a_wal_without_its_ledger_is_not_taken_for_a_beginning(path: Path, reopen: Open) -> None:
    path.parent.mkdir()
    path.with_name("ledger.db-wal").write_bytes(b"all that is left")
    with pytest.raises(LedgerError, match=r"ledger\.db is missing but its ledger\.db-wal"):
        reopen()


def test_a_ledger_that_was_never_finished_is_made_anew(path: Path, reopen: Open) -> None:
    path.parent.mkdir()
    path.with_name("ledger.db.new").write_bytes(b"killed half-way")
    assert reopen().append([a_note()]).result() == 1
    assert not path.with_name("ledger.db.new").exists()
