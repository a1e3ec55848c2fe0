from __future__ import annotations

import os
from pathlib import Path

import pytest

from app import doctor


def _named(name: str) -> doctor.Finding:
    (finding,) = [finding for finding in doctor.examine() if finding.name == name]
    return finding


def test_looks_at_everything_and_this_machine_is_fit() -> None:
    findings = {finding.name: finding for finding in doctor.examine()}
    for name in ("python", "numba", "kernels", "settings", "disk space", "fsync", "clock",
                 "sqlite", "keyring backend", "terminal", "state folder", "umask"):  # fmt: skip
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


def test_an_untrusted_keyring_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    import keyring.core

    keyring.core.init_backend()
    assert "keyring.backends.null.Keyring (not trusted)" in _named("keyring backend").value
