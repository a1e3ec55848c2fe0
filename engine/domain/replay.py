"""What a person may ask of a recording that is played back. Not commands: a replay is nobody's
money, and time itself cannot be steered anywhere else."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class ReplayWish(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    pass


class TogglePlay(ReplayWish, frozen=True, kw_only=True):
    """Play, or stand still."""


class SetSpeed(ReplayWish, frozen=True, kw_only=True):
    speed: Decimal
    """Market seconds per second, above 0."""


class StepEvent(ReplayWish, frozen=True, kw_only=True):
    """Stand still at the next instant (`forward`) at which best price, trade or an order of ours
    moves, or at the one before."""

    forward: bool = True


class Seek(ReplayWish, frozen=True, kw_only=True):
    """Go to the first instant not before `ts_ns`, backwards too."""

    ts_ns: int


class SeekFill(ReplayWish, frozen=True, kw_only=True):
    """Go to the next own fill, or back to the one before."""

    forward: bool = True


class Fork(ReplayWish, frozen=True, kw_only=True):
    """Go on from here as paper trading, with a ledger of its own."""


AnyReplayWish = TogglePlay | SetSpeed | StepEvent | Seek | SeekFill | Fork
