"""Keys in a desktop's keyring: the real client library, over a real bus, to a scripted desktop."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import doctor
from app.paths import locate
from app.secrets import Credentials, KeyStore, Locked, StoreKind, keyrings
from engine.domain.errors import ConfigError
from tests.support.canary import Canary
from tests.support.secret_service import HAS_DBUS, SecretService
from tests.support.service import shell

pytestmark = pytest.mark.skipif(not HAS_DBUS, reason="needs dbus-daemon")


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretService]:
    with SecretService(tmp_path) as service:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", service.address)
        yield service
    with warnings.catch_warnings():
        # The client library leaves its connection to the collector when something goes wrong.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def credentials(canary: Canary) -> Credentials:
    return Credentials("binance", key=canary.key, secret=canary.secret)


def test_it_is_found_used_read_back_and_emptied(desktop: SecretService, own_home: Path) -> None:
    canary = Canary()
    store = KeyStore(locate(), "live")
    store.add(credentials(canary), StoreKind.KEYRING)
    ((attributes, secret),) = desktop.kept.values()
    assert (attributes["service"], attributes["username"]) == ("pilothouse/live", "binance")
    assert canary.is_in(secret)
    assert store.load("binance_spot").reveal() == (canary.key, canary.secret, "")
    canary.assert_silent(own_home)
    store.remove("binance")
    assert desktop.kept == {}
    (finding,) = [one for one in doctor.examine() if one.name == "system keyring"]
    assert finding.value == "keyring.backends.SecretService.Keyring"


def test_a_shell_takes_the_keyring_where_there_is_one(
    desktop: SecretService, own_home: Path
) -> None:
    canary = Canary()
    added = shell(own_home, "keys", "add", "binance", "--password-stdin", said=canary.lines)
    assert added.returncode == 0, added.stderr
    assert "in the system's keyring" in added.stdout
    assert len(desktop.kept) == 1
    canary.assert_silent(own_home)


def test_a_keyring_that_keeps_nothing_is_found_out(desktop: SecretService) -> None:
    desktop.forgets = True
    store = KeyStore(locate(), "live")
    with pytest.raises(ConfigError, match="did not keep what was written"):
        store.add(credentials(Canary()), StoreKind.KEYRING)
    assert store.entries() == []


def test_a_key_that_somebody_changed_is_not_used(desktop: SecretService) -> None:
    store = KeyStore(locate(), "live")
    store.add(credentials(Canary()), StoreKind.KEYRING)
    ((item, (attributes, _)),) = desktop.kept.items()
    desktop.kept[item] = (attributes, credentials(Canary()).to_bytes())
    with pytest.raises(ConfigError, match="holds another key of binance than was added"):
        store.load("binance")
    desktop.kept.clear()
    with pytest.raises(ConfigError, match="the key of binance is gone"):
        store.load("binance")


def test_a_locked_keyring_is_waited_for_and_nothing_is_half_done(desktop: SecretService) -> None:
    store = KeyStore(locate(), "live")
    store.add(credentials(Canary()), StoreKind.KEYRING)
    desktop.is_locked = True
    with pytest.raises(Locked, match="keyring: is locked: unlock it on the desktop"):
        store.load("binance")
    with pytest.raises(keyrings.KeyringLocked):
        store.remove("binance")
    assert [one.venue for one in store.entries()] == ["binance"]
    desktop.is_locked = False
    assert store.load("binance").reveal()


def test_a_desktop_that_has_gone_is_one_line(desktop: SecretService, own_home: Path) -> None:
    canary = Canary()
    store = KeyStore(locate(), "live")
    store.add(credentials(canary), StoreKind.KEYRING)
    desktop._daemon.terminate()
    desktop._daemon.wait()
    gone = shell(own_home, "keys", "check", "binance")
    assert (gone.returncode, gone.stdout) == (4, "")
    assert gone.stderr.count("\n") == 1
    canary.assert_not_in(gone.stderr)
