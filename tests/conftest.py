"""What holds for every test: no test sees the home of whoever runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import settings

from app.paths import HOME_VARIABLE

# Kernels compile inside the first example, which no deadline should punish.
settings.register_profile("pilothouse", deadline=None, print_blob=True)
settings.load_profile("pilothouse")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Kernels compile before the first test: in a fresh checkout on a busy machine that takes
    minutes, which no test's time-out should count."""
    is_run = session.items and not session.config.option.collectonly
    if is_run and "engine.kernels.replay" in sys.modules:
        from engine.kernels.warm import warm_all

        warm_all()


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings, state and data of the test alone, for it and the processes it starts."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    return home
