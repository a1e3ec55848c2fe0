"""Where a drill exchange listens, for clients in other processes."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.domain.errors import ConfigError
from engine.drill.certificates import write_private

PLACE_FILE = "drill.json"


class DrillPlace(msgspec.Struct, frozen=True, kw_only=True):
    port: int
    ca_path: str
    hosts: tuple[str, ...]
    """Names that lead there; no other name resolves in drill mode."""


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
