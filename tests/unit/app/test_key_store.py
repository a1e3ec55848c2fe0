"""Keys on a real disk and in real systemd credentials: kept, read back, replaced, gone."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from app.paths import Paths, locate
from app.secrets import Credentials, KeyStore, Locked, StoreKind, index, keyrings, sealed, systemd
from app.secrets.systemd import SystemdVault
from engine.core.clock import SimClock
from engine.domain.errors import BadInput, ConfigError
from tests.support.canary import Canary

PHRASE = "correct horse battery"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are sealed with the least that is accepted: tests open them often."""
    monkeypatch.setattr(sealed, "SCRYPT_N", 1 << 14)


def ask() -> str:
    return PHRASE


@pytest.fixture
def paths(own_home: Path) -> Paths:
    return locate()


@pytest.fixture
def store(paths: Paths) -> KeyStore:
    return KeyStore(paths, "live", SimClock(1_000))


def credentials(canary: Canary, venue: str = "binance") -> Credentials:
    return Credentials(venue, key=canary.key, secret=canary.secret)


def test_sealed_keys_come_back_and_leave_nothing_to_read(store: KeyStore, paths: Paths) -> None:
    canary, other = Canary(), Canary()
    entry = store.add(credentials(canary), StoreKind.SEALED, ask)
    store.add(credentials(other, "kraken"), StoreKind.SEALED, ask)
    assert store.load("binance", ask).reveal() == (canary.key, canary.secret, "")
    assert store.load("binance_usdm", ask).venue == "binance_usdm"  # The family's key serves.
    assert store.load("kraken", ask).reveal()[0] == other.key
    assert [one.venue for one in store.entries()] == ["binance", "kraken"]
    assert entry.added_ns == 1_000
    for one in (canary, other):
        one.assert_silent(paths.state)
    folder = paths.profile("live")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_a_venue_of_its_own_wins_over_the_family(store: KeyStore) -> None:
    family, spot = Canary(), Canary()
    store.add(credentials(family), StoreKind.SEALED, ask)
    store.add(credentials(spot, "binance_spot"), StoreKind.SEALED, ask)
    assert store.load("binance_spot", ask).reveal()[0] == spot.key
    assert store.load("binance_usdm", ask).reveal()[0] == family.key


def test_without_a_passphrase_it_is_locked_and_with_a_wrong_one_it_says_so(store: KeyStore) -> None:
    store.add(credentials(Canary()), StoreKind.SEALED, ask)
    with pytest.raises(Locked, match="keys unlock --profile live"):
        store.load("binance")
    with pytest.raises(sealed.WrongPassphrase):
        store.load("binance", lambda: "another one entirely")
    with pytest.raises(sealed.WrongPassphrase):
        store.add(credentials(Canary(), "okx"), StoreKind.SEALED, lambda: "another one entirely")
    assert [one.venue for one in store.entries()] == ["binance"]


def test_a_short_passphrase_is_refused(store: KeyStore, paths: Paths) -> None:
    with pytest.raises(BadInput, match="passphrase: 7 characters: take 12 or more"):
        store.add(credentials(Canary()), StoreKind.SEALED, lambda: "letmein")
    assert not store.entries()
    assert not store.has_sealed_file


def test_replaced_and_removed(store: KeyStore, paths: Paths) -> None:
    old, new = Canary(), Canary()
    store.add(credentials(old), StoreKind.SEALED, ask)
    store.add(credentials(new), StoreKind.SEALED, ask)
    assert store.load("binance", ask).reveal()[0] == new.key
    store.remove("binance", ask)
    assert not store.has_sealed_file
    assert store.entries() == []
    with pytest.raises(ConfigError, match="pilothouse keys add binance --profile live"):
        store.load("binance_spot", ask)
    with pytest.raises(BadInput, match="VENUE: binance"):
        store.remove("binance", ask)


def test_a_damaged_or_open_file_is_told(store: KeyStore, paths: Paths) -> None:
    store.add(credentials(Canary()), StoreKind.SEALED, ask)
    file = paths.profile("live") / "keys.sealed"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(sealed.Damaged, match="damaged"):
        store.load("binance", ask)
    file.write_bytes(whole)
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        store.load("binance", ask)
    file.unlink()
    with pytest.raises(ConfigError, match="is gone"):
        store.load("binance", ask)


def test_a_crash_between_writing_and_renaming_leaves_the_old_file(
    store: KeyStore, paths: Paths
) -> None:
    canary = Canary()
    store.add(credentials(canary), StoreKind.SEALED, ask)
    (paths.profile("live") / "keys.sealed.new").write_bytes(b"half a fi")
    assert store.load("binance", ask).reveal()[0] == canary.key
    store.add(credentials(Canary(), "okx"), StoreKind.SEALED, ask)
    assert not (paths.profile("live") / "keys.sealed.new").exists()


def test_a_full_disk_stores_nothing_and_says_so(store: KeyStore, paths: Paths) -> None:
    canary = Canary()
    store.add(credentials(canary), StoreKind.SEALED, ask)
    (
        paths.profile("live") / "keys.sealed.new"
    ).mkdir()  # What cannot be replaced cannot be written.
    with pytest.raises(ConfigError, match="nothing was stored"):
        store.add(credentials(Canary()), StoreKind.SEALED, ask)
    assert store.load("binance", ask).reveal()[0] == canary.key


@pytest.mark.parametrize("content", ["{", "[]", '{"keys": [{"venue": 1}]}', "\x00" * 50])
def test_a_broken_list_is_told(store: KeyStore, paths: Paths, content: str) -> None:
    path = index.path_of(paths, "live")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"keys\.json: .*add the keys again"):
        store.entries()


def test_paper_and_live_share_no_profile(paths: Paths) -> None:
    for name in ("paper", "demo"):
        with pytest.raises(BadInput, match="--profile"):
            KeyStore(paths, name)
    old = paths.profile("old")
    old.mkdir(parents=True)
    (old / "ledger-1.db").touch()
    with pytest.raises(BadInput, match="paper ledger"):
        KeyStore(paths, "old")
    index.refuse_live(paths, "old")
    KeyStore(paths, "mine").add(credentials(Canary()), StoreKind.SEALED, ask)
    (paths.profile("mine") / "ledger-1.db").touch()  # A live one now.
    store = KeyStore(paths, "mine")
    store.remove("binance", ask)
    with pytest.raises(BadInput, match="is a live one"):  # Also without its keys.
        index.refuse_live(paths, "mine")


def test_no_keyring_is_picked_that_is_not_on_the_list(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the library's choice, nor what its variable names, is ever asked."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    backend, why = keyrings.look()
    assert backend is None
    assert "\n" not in why
    with pytest.raises(ConfigError, match="none that may hold keys"):
        store.add(credentials(Canary()), StoreKind.KEYRING)
    import keyring.backends.fail
    import keyring.backends.null

    for kind in (keyring.backends.null.Keyring, keyring.backends.fail.Keyring):
        with pytest.raises(AssertionError):
            keyrings.KeyringVault("live", kind())


# -- systemd -----------------------------------------------------------------------------------


def test_what_systemd_hands_to_the_unit_is_used(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = Canary()
    given = tmp_path / "pilothouse.live.binance"
    given.write_bytes(credentials(canary).to_bytes())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    store = KeyStore(paths, "live")
    assert store.load("binance_spot").reveal()[0] == canary.key
    other = Canary()
    given.write_bytes(credentials(other).to_bytes())
    assert store.load("binance").reveal()[0] == other.key
    accepted = store.accept_withdrawals("binance")
    assert store.entry("binance").withdrawals_accepted_ns == accepted.withdrawals_accepted_ns > 0
    given.write_bytes(credentials(canary).to_bytes())
    assert store.entry("binance").withdrawals_accepted_ns == 0  # Another key.
    given.write_bytes(b"not json")
    with pytest.raises(ConfigError, match="no key of ours"):
        store.load("binance")
    given.unlink()
    with pytest.raises(ConfigError, match="the key of binance is gone"):
        store.load("binance")
    with pytest.raises(ConfigError, match="has none for kraken"):
        store.load("kraken")


def can_encrypt() -> bool:
    if systemd.look():
        return False
    probe = subprocess.run(
        [systemd.TOOL, "encrypt", "--name=probe", "-", "-"], input=b"x", capture_output=True,
        check=False,
    )  # fmt: skip
    return probe.returncode == 0


@pytest.mark.skipif(not can_encrypt(), reason="systemd-creds cannot encrypt for this user here")
def test_systemd_credentials_for_real(store: KeyStore, paths: Paths) -> None:
    canary = Canary()
    store.add(credentials(canary), StoreKind.SYSTEMD)
    canary.assert_silent(paths.state)
    assert store.load("binance").reveal()[0] == canary.key
    (line,) = store.unit_lines()
    assert line.startswith("LoadCredentialEncrypted=pilothouse.live.binance:/")
    moved = paths.profile("live") / "credentials"
    shutil.copy(moved / "binance.cred", moved / "okx.cred")
    with pytest.raises(ConfigError, match="systemd-creds decrypt"):  # Tied to its name.
        SystemdVault("live", moved).get("okx")
    store.remove("binance")
    assert not (moved / "binance.cred").exists()


def test_without_systemd_it_says_what_is_missing(
    store: KeyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="systemd credentials: systemd-creds is not installed"):
        store.add(credentials(Canary()), StoreKind.SYSTEMD)
    assert os.environ["PATH"] == str(tmp_path)


def test_changing_the_place_removes_the_old_copy(store: KeyStore, paths: Paths) -> None:
    if not can_encrypt():
        pytest.skip("systemd-creds cannot encrypt for this user here")
    store.add(credentials(Canary()), StoreKind.SYSTEMD)
    store.add(credentials(Canary()), StoreKind.SEALED, ask)
    assert not (paths.profile("live") / "credentials" / "binance.cred").exists()
    assert [one.store for one in store.entries()] == [StoreKind.SEALED]
