"""Where things are kept: settings, state (ledger, logs), data (recordings) and caches.

Each system's own places (platformdirs), unless `--home DIR` or `PILOTHOUSE_HOME` names one folder
for all four. The option only sets the variable, so child processes follow.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from engine.domain.errors import BadInput, ConfigError

HOME_VARIABLE = "PILOTHOUSE_HOME"
NAME = "pilothouse"
DEFAULT_PROFILE = "paper"
"""The engine that is meant where none is named."""
LIVE_PROFILE = "live"
DRILL_PROFILE = "drill"


@dataclass(frozen=True, slots=True)
class Paths:
    """Folders that may not exist yet; `make_private` makes one."""

    config: Path
    state: Path
    data: Path
    cache: Path

    @property
    def settings_file(self) -> Path:
        return self.config / "settings.toml"

    def profile(self, name: str) -> Path:
        """The folder of one engine: its ledger, its socket."""
        return self.state / "profiles" / name

    def ledgers(self, name: str) -> list[Path]:
        """The ledgers of a profile, newest first: of paper, and of each venue and key."""
        folder, kind = self.profile(name), re.compile(r"(ledger|live|drill)-.*\.db")
        try:  # Not `glob`, to which a folder that nobody may read is an empty one.
            found = [folder / one for one in os.listdir(folder) if kind.fullmatch(one)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)

    @property
    def logs(self) -> Path:
        return self.state / "logs"


def check_profile(name: str) -> str:
    """A profile is a folder name: letters, digits, dash and underscore."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
        raise BadInput("--profile", name, "use letters, digits, - and _ only")
    return name


def locate(environ: Mapping[str, str] = os.environ) -> Paths:
    """The folders in force."""
    home = environ.get(HOME_VARIABLE)
    if home:
        base = Path(os.path.abspath(os.path.expanduser(home)))
        return Paths(base / "config", base / "state", base / "data", base / "cache")
    dirs = platformdirs.PlatformDirs(NAME, appauthor=False)
    return Paths(
        dirs.user_config_path, dirs.user_state_path, dirs.user_data_path, dirs.user_cache_path
    )


def move_home(directory: str) -> None:
    """Keep everything below `directory` from now on, in this process and its children."""
    if not directory:
        raise BadInput("--home", directory, "name a folder")
    home = os.path.abspath(os.path.expanduser(directory))
    if os.path.lexists(home) and not os.path.isdir(home):
        raise BadInput("--home", home, "is not a folder; name one that is, or a new one")
    os.environ[HOME_VARIABLE] = home


def make_private(directory: Path, remedy: str = "choose another place with --home DIR") -> Path:
    """`directory`, made if missing, with its parents, for the owner alone."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or "cannot be made"
        raise ConfigError(f"{directory}: {reason}: {remedy}") from error
    return directory
