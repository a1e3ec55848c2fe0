"""Where a drill exchange listens, for clients in other processes."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.domain.errors import ConfigError
from engine.drill.certificates import write_private

PLACE_FILE = "drill.json"


class DrillKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of an account, made on the spot: worth nothing anywhere else."""

    name: str
    api_key: str
    secret: str


class DrillPlace(msgspec.Struct, frozen=True, kw_only=True):
    port: int
    ca_path: str
    hosts: tuple[str, ...]
    """Names that lead there; no other name resolves in drill mode."""
    keys: tuple[DrillKey, ...] = ()
    """Of the accounts with an HMAC key, in the order in which they were given."""


def write_place(folder: Path, place: DrillPlace) -> None:
    write_private(folder / PLACE_FILE, msgspec.json.encode(place))


def read_place(folder: Path) -> DrillPlace:
    path = folder / PLACE_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=DrillPlace)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no drill exchange: start one with `pilothouse drill`") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}: start `pilothouse drill` anew") from None
