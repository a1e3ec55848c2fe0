"""What a person may ask of a recording that is played back. Not commands: a replay is nobody's
money, and time itself cannot be steered anywhere else."""

from __future__ import annotations

from decimal import Decimal

import msgspec

SPEEDS = tuple(
    Decimal(text)
    for text in ["0.1", "0.5", "1", "2", "5", "10", "20", "50", "100", "200", "500", "1000"]
)
"""Market seconds per second."""
BAR_NS = 60_000_000_000


class ReplayWish(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    pass


class TogglePlay(ReplayWish, frozen=True, kw_only=True):
    """Play, or stand still."""


class ChangeSpeed(ReplayWish, frozen=True, kw_only=True):
    """To the next of `SPEEDS`."""

    faster: bool = True


class StepEvent(ReplayWish, frozen=True, kw_only=True):
    """Stand still at the next instant (`forward`) at which best price, trade or an order of ours
    moves, or at the one before."""

    forward: bool = True


class Seek(ReplayWish, frozen=True, kw_only=True):
    """Go to the first instant not before `ts_ns`, backwards too."""

    ts_ns: int


class SeekBy(ReplayWish, frozen=True, kw_only=True):
    """Go so far from here, or from where one is on the way to; back where negative."""

    by_ns: int


class SeekBar(ReplayWish, frozen=True, kw_only=True):
    """Go to the start of the next minute (`forward`), or back to the one before."""

    forward: bool = True


class SeekFill(ReplayWish, frozen=True, kw_only=True):
    """Go to the next own fill, or back to the one before."""

    forward: bool = True


class Halt(ReplayWish, frozen=True, kw_only=True):
    """Stand still, wherever one is on the way."""


class Fork(ReplayWish, frozen=True, kw_only=True):
    """Go on from here as paper trading, with a ledger of its own."""


AnyReplayWish = (
    TogglePlay | ChangeSpeed | StepEvent | Seek | SeekBy | SeekBar | SeekFill | Halt | Fork
)
