"""The systemd user unit of a profile's engine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from app.paths import HOME_VARIABLE
from engine.domain.errors import ConfigError


def unit_path(profile: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where systemd looks for a person's own units."""
    config = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(config) / "systemd" / "user" / f"pilothouse-{profile}.service"


def unit_text(
    profile: str,
    command: Sequence[str],
    environ: Mapping[str, str] = os.environ,
    *,
    credentials: Sequence[str] = (),
) -> str:
    """The unit that runs `command` for `profile`, in the home of `environ` if it names one;
    `credentials` are its lines that load them."""
    home = environ.get(HOME_VARIABLE)
    template = files("resources").joinpath("systemd/pilothouse.service").read_text("utf-8")
    return template.format(
        profile=profile,
        command=" ".join(_quoted(word, is_command=True) for word in command),
        credentials="\n".join(line.replace("%", "%%") for line in credentials),
        environment=f"Environment={_quoted(f'{HOME_VARIABLE}={home}')}" if home else "",
    )


def write_unit(path: Path, text: str) -> None:
    """ConfigError when it cannot be written; an older one is replaced."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: is the settings folder yours?") from error


def remove_unit(path: Path) -> None:
    try:
        path.unlink()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such unit: nothing is installed for this profile") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: remove it by hand") from error


def _quoted(word: str, *, is_command: bool = False) -> str:
    """`word` as systemd reads it back: see systemd.service(5), "Command lines"."""
    if "\n" in word or "\x00" in word:
        raise ConfigError(f"{word!r}: cannot stand in a systemd unit: choose another path")
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if is_command:
        escaped = escaped.replace("$", "$$")
    return f'"{escaped}"'
