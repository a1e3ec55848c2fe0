from __future__ import annotations

import os
from pathlib import Path

import pytest

from app import doctor, paths
from app.secrets import Credentials, KeyStore, StoreKind


def _named(name: str) -> doctor.Finding:
    (finding,) = [finding for finding in doctor.examine() if finding.name == name]
    return finding


def test_looks_at_everything_and_this_machine_is_fit() -> None:
    findings = {finding.name: finding for finding in doctor.examine()}
    names = "python, numba, kernels, settings, disk space, fsync, clock, sqlite, system keyring, "
    names += "systemd credentials, terminal, state folder, umask"
    for name in names.split(", "):
        assert findings[name].status != "bad", findings[name]


def test_a_remedy_comes_with_every_warning() -> None:
    for finding in doctor.examine():
        assert finding.remedy or finding.status in ("ok", "note")


def test_open_folders_are_told(own_home: Path) -> None:
    folder = own_home / "state"
    folder.mkdir()
    os.chmod(folder, 0o755)
    finding = _named("state folder")
    assert (finding.status, finding.remedy) == ("warn", f"chmod 700 {folder}")


def test_wrong_settings_are_told(own_home: Path) -> None:
    file = own_home / "config" / "settings.toml"
    file.parent.mkdir()
    file.write_text("[risk]\ncolar_pct = 5\n")
    finding = _named("settings")
    assert finding.status == "bad"
    assert "did you mean collar_pct?" in finding.value


def test_a_keyring_that_is_not_on_the_list_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    assert _named("system keyring").value.startswith("none that may hold keys: ")


def test_profiles_with_keys_are_named() -> None:
    store = KeyStore(paths.locate(), "live")
    held = Credentials("binance", key="k" * 64, secret="s" * 64)
    store.add(held, StoreKind.SEALED, lambda: "correct horse battery")
    assert _named("keys of live").value == "binance (sealed)"
    (paths.locate().profile("live") / "keys.json").write_text("{")
    assert _named("keys of live").status == "bad"
