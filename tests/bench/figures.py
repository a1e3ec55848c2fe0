"""What every benchmark reports, and how it repeats its work."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.core.clock import LiveClock
from engine.domain.errors import BadInput

SHARED = Path(__file__).resolve().parents[3] / "shared"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    unit: str
    median: float
    min: float
    max: float
    runs: int
    n: int
    """Size of the work: rows, events, commits."""


class Context(NamedTuple):
    runs: int
    capture: Path
    """The recording to work on."""


def figure(name: str, unit: str, values: list[float], n: int) -> Figure:
    return Figure(
        name=name,
        unit=unit,
        median=statistics.median(values),
        min=min(values),
        max=max(values),
        runs=len(values),
        n=n,
    )


def seconds_of(work: Callable[[], object]) -> float:
    clock = LiveClock()
    start_ns = clock.monotonic_ns()
    work()
    return (clock.monotonic_ns() - start_ns) / 1e9


def need_capture(path: Path) -> Path:
    if not path.exists():
        raise BadInput("--capture", str(path), "no such recording: name a Binance capture")
    return path
