"""Opening a face by name. The one place where `app` reaches a UI package, by name and at run
time: `app` itself imports no toolkit, so that the engine can run where none is installed."""

from __future__ import annotations

import importlib
from typing import Any

from app.service.session import Session
from engine.domain.errors import ConfigError

FACES = {"tui": "ui_tui.app", "gui": "ui_qt.main_window"}


def open_face(name: str, session: Session, **options: Any) -> None:
    """Show `session` in the face `name` and return when the person leaves it."""
    try:
        face = importlib.import_module(FACES[name])
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{name}: {error.name} is not installed: install the extra that brings it"
        ) from error
    face.run(session, **options)
