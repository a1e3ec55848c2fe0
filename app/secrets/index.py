"""Which venues of a profile have keys, and where: names and dates, no secrets.

Keyrings cannot be asked what they hold for us, so this file is how `keys list` knows. That it
exists is also what makes a profile a live one, even when its last key has been removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from app.paths import Paths
from app.secrets import files
from engine.domain.errors import BadInput, ConfigError

PAPER_PROFILES = ("paper", "demo")
"""What the paper engine and the demo are called unless they are named."""
FILE_NAME = "keys.json"


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True):
    venue: str
    store: str
    """A `StoreKind`."""
    fingerprint: str
    """Of the API key, see `credentials.fingerprint_of`."""
    added_ns: int
    withdrawals_accepted_ns: int = 0
    """When a person typed that this key may trade although it can withdraw; 0: never."""


class _File(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    keys: list[KeyEntry] = []


def path_of(paths: Paths, profile: str) -> Path:
    return paths.profile(profile) / FILE_NAME


def read(path: Path) -> list[KeyEntry]:
    raw = files.read_private(path)
    if raw is None:
        return []
    try:
        return msgspec.json.decode(raw, type=_File).keys
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: {error}: remove the file and add the keys again (it holds none)"
        ) from error


def write(path: Path, entries: Sequence[KeyEntry]) -> None:
    ordered = sorted(entries, key=lambda entry: entry.venue)
    files.write_whole(path, msgspec.json.format(msgspec.json.encode(_File(keys=ordered))) + b"\n")


def is_live(paths: Paths, profile: str) -> bool:
    return path_of(paths, profile).exists()


def refuse_paper(paths: Paths, profile: str) -> None:
    """BadInput for a profile that trades, or has traded, on paper: it may hold no keys."""
    folder = paths.profile(profile)
    if profile in PAPER_PROFILES:
        raise BadInput("--profile", profile, "is for paper, which takes no keys: name a live one")
    if not is_live(paths, profile) and any(folder.glob("ledger-*.db")):
        raise BadInput(
            "--profile", profile, "has a paper ledger, which live money never shares: name another"
        )


def refuse_live(paths: Paths, profile: str) -> None:
    """BadInput for a profile that holds (or has held) keys: paper never shares its ledger."""
    if is_live(paths, profile):
        raise BadInput("--profile", profile, "is a live one (it has keys): paper takes another")
