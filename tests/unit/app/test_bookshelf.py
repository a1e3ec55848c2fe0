"""What a face reads from files: the ledgers and keys of a profile."""

from __future__ import annotations

import os
from pathlib import Path

from app.bookshelf import FileShelf
from app.paths import locate
from app.secrets import index
from app.secrets.index import KeyEntry


def test_the_settings_name_each_venue_with_a_key_and_never_the_key(own_home: Path) -> None:
    path = index.path_of(locate(), "live")
    path.parent.mkdir(mode=0o700, parents=True)
    entry = KeyEntry(venue="binance_usdm", store="keyring", fingerprint="ab12...9f", added_ns=1)
    index.write(path, [entry])
    rows = {row.name: row for row in FileShelf("live").settings()}
    assert (rows["key.binance_usdm"].value, rows["key.binance_usdm"].source) == (
        "ab12...9f",
        "in the keyring store",
    )
    assert not [row for row in FileShelf("paper").settings() if row.name.startswith("key")]
    afar = FileShelf("live", lambda order_id: []).settings()
    assert [row.value for row in afar if row.name == "key"] == ["on the other machine"]


def test_a_damaged_list_of_keys_does_not_hide_the_settings(own_home: Path) -> None:
    path = index.path_of(locate(), "live")
    path.parent.mkdir(mode=0o700, parents=True)
    path.write_text("{")
    path.chmod(0o600)
    rows = {row.name: row for row in FileShelf("live").settings()}
    assert "remove the file" in rows["key"].source
    assert "risk.collar_pct" in rows


def test_stories_come_from_every_kind_of_ledger(own_home: Path) -> None:
    folder = locate().profile("night")
    folder.mkdir(parents=True)
    for age, name in enumerate(("live-a.db", "ledger-b.db", "drill-c.db", "other.db")):
        (folder / name).touch()
        os.utime(folder / name, (100 - age, 100 - age))
    found = [path.name for path in locate().ledgers("night")]
    assert found == ["live-a.db", "ledger-b.db", "drill-c.db"]
