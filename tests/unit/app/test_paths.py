from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from app import paths
from engine.domain.errors import BadInput, ConfigError


def test_one_variable_moves_everything(tmp_path: Path) -> None:
    places = paths.locate({paths.HOME_VARIABLE: str(tmp_path)})
    assert {places.config, places.state, places.data, places.cache} == {
        tmp_path / name for name in ("config", "state", "data", "cache")
    }


def test_without_it_the_system_decides() -> None:
    places = paths.locate({})
    assert len({places.config, places.state, places.data, places.cache}) >= 3
    assert all(paths.NAME in str(folder) for folder in (places.config, places.state))


def test_move_home_reaches_children_and_expands_the_tilde() -> None:
    paths.move_home("~/somewhere")
    assert os.environ[paths.HOME_VARIABLE] == os.path.expanduser("~/somewhere")


def test_home_must_be_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for wrong in (str(file), ""):
        with pytest.raises(BadInput, match="--home"):
            paths.move_home(wrong)


def test_folders_are_private(tmp_path: Path) -> None:
    made = paths.make_private(tmp_path / "state")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert paths.make_private(made) == made


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"Not a directory: choose another place with --home"):
        paths.make_private(tmp_path / "file" / "state")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_closed_profile_is_not_one_without_ledgers(tmp_path: Path) -> None:
    places = paths.locate({paths.HOME_VARIABLE: str(tmp_path)})
    folder = places.profile("paper")
    folder.mkdir(parents=True)
    folder.chmod(0)
    with pytest.raises(PermissionError):
        places.ledgers("paper")
    folder.chmod(0o700)


def test_only_ledgers_are_ledgers(tmp_path: Path) -> None:
    places = paths.locate({paths.HOME_VARIABLE: str(tmp_path)})
    assert places.ledgers("paper") == []
    folder = places.profile("paper")
    folder.mkdir(parents=True)
    for name in ("ledger-1.db", "live-binance.db", "ledger-1.db.lock", "xledger-1.db", "keys.json"):
        (folder / name).touch()
    assert {path.name for path in places.ledgers("paper")} == {"ledger-1.db", "live-binance.db"}
