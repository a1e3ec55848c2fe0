"""Opening a face by name. The one place where `app` reaches a UI package, by name and at run
time: `app` itself imports no toolkit, so that the engine can run where none is installed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from app.paths import Paths
from app.service.session import Session
from app.settings import UiSettings
from app.tomlfile import is_there
from engine.domain.errors import ConfigError

FACES = {"tui": "ui_tui.app", "gui": "ui_qt.main_window"}


def look_of(ui: UiSettings, paths: Paths) -> dict[str, Any]:
    """How a person wants it to look and which keys: the options that every face takes."""
    return {
        "keymap_path": _own_keymap(ui.keymap, paths) if ui.keymap else None,
        "preset": ui.keys,
        "palette": ui.palette,
        "ascii_only": ui.ascii,
    }


def _own_keymap(name: str, paths: Paths) -> Path:
    """Where the settings say that a person's keys are; a name that leads nowhere is a mistake, and
    must not mean the shipped keys."""
    file = paths.config / Path(name).expanduser()
    try:
        if is_there(file):
            return file
        why = "does not exist"
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error)
    raise ConfigError(f"ui.keymap: {file}: {why}: name a key map, or leave ui.keymap out")


def load_face(name: str) -> Any:
    """The face's module. Its toolkit takes a while to load; ConfigError when it is missing."""
    try:
        return importlib.import_module(FACES[name])
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{name}: {error.name} is not installed: install the extra that brings it"
        ) from error


def open_face(name: str, session: Session, **options: Any) -> None:
    """Show `session` in the face `name` and return when the person leaves it."""
    load_face(name).run(session, **options)
