"""Timeframe words: `1s`, `5m`, `4h`, `1d`, `1w`."""

from __future__ import annotations

import re

from engine.domain.errors import BadInput

_UNIT_NS = {
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_PATTERN = re.compile(r"([1-9][0-9]{0,3})([smhdw])")


def parse_timeframe(word: str, field: str = "timeframe") -> int:
    """`word` in nanoseconds; BadInput when it is not one."""
    match = _PATTERN.fullmatch(word)
    if match is None:
        raise BadInput(field, word, "expected a number and one of s m h d w, for instance 5m")
    return int(match[1]) * _UNIT_NS[match[2]]
