from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.domain.errors import LedgerError
from engine.store import backup
from engine.store.journal import LedgerJournal
from tests.support.events import a_note
from tests.support.plain_events import T0_NS

Open = Callable[[], LedgerJournal]


def test_a_backup_of_a_running_ledger_is_complete_and_stands_alone(
    reopen: Open, path: Path, tmp_path: Path
) -> None:
    journal = reopen()
    journal.append([a_note(1), a_note(2)]).result()
    folder = tmp_path / "backups"
    made = backup.backup(path, folder, now_ns=T0_NS)
    assert made.name == "ledger-20240808T080000.000Z.db"
    assert [file.name for file in folder.iterdir()] == [made.name]
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert backup.verify(made).hash.hex() == journal.digest()


def test_only_the_newest_are_kept(reopen: Open, path: Path, tmp_path: Path) -> None:
    reopen()
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "notes.txt").touch()
    for second in range(4):
        backup.backup(path, folder, now_ns=T0_NS + second * 10**9, keep=2)
    assert sorted(file.name for file in folder.iterdir()) == [
        "ledger-20240808T080002.000Z.db",
        "ledger-20240808T080003.000Z.db",
        "notes.txt",
    ]


def test_a_damaged_backup_is_told_from_a_good_one(reopen: Open, path: Path, tmp_path: Path) -> None:
    reopen().append([a_note(1), a_note(2)]).result()
    made = backup.backup(path, tmp_path, now_ns=T0_NS)
    made.write_bytes(made.read_bytes().replace(b"note 2", b"note 3"))
    with pytest.raises(LedgerError, match="event 2 "):
        backup.verify(made)
    made.write_bytes(b"")
    with pytest.raises(LedgerError, match="has lost its content"):
        backup.verify(made)


def test_restoring_sets_the_present_files_aside(reopen: Open, path: Path, tmp_path: Path) -> None:
    journal = reopen()
    journal.append([a_note(1)]).result()
    made = backup.backup(path, tmp_path, now_ns=T0_NS)
    journal.append([a_note(2)]).result()
    with pytest.raises(LedgerError, match="in use"):
        backup.restore(made, path, now_ns=T0_NS)
    journal.close()

    assert backup.restore(made, path, now_ns=T0_NS).seq == 1
    aside = path.with_name(f"ledger.db.aside-{T0_NS}")
    assert backup.verify(aside).seq == 2
    again = reopen()
    assert list(again.replay()) == [a_note(1)]
    assert again.salt == journal.salt


def test_there_is_no_backup_of_nothing(path: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        backup.backup(path, tmp_path / "backups", now_ns=T0_NS)
