"""A checkout of Pilothouse in small, and the real program started in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.app.small_checkout import ROOT, Checkout, a_lock, tiny_wheel


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root = tmp_path / "a checkout"  # With a space: a path may have one.
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "app", root / "app", ignore=ignored)
    shutil.copytree(ROOT / "engine" / "domain", root / "engine" / "domain", ignore=ignored)
    shutil.copy(ROOT / "engine" / "__init__.py", root / "engine")
    made = Checkout(root, tmp_path / "wheels")
    made.lock.parent.mkdir(parents=True)
    made.lock.write_text(a_lock(tiny_wheel(made.wheels)))
    return made
