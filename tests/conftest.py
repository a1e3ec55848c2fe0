"""What holds for every test: no test sees the home of whoever runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from app.paths import HOME_VARIABLE

# Kernels compile inside the first example, which no deadline should punish.
settings.register_profile("pilothouse", deadline=None, print_blob=True)
settings.load_profile("pilothouse")


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings, state and data of the test alone, for it and the processes it starts."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    return home
