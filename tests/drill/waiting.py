"""Waiting for what another task or process does, without guessing how long it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PAUSE_S = 0.01


async def eventually(is_so: Callable[[], object], within_s: float = 20.0) -> None:
    """Returns as soon as it is so; fails when the time is over."""
    for _ in range(int(within_s / PAUSE_S)):
        if is_so():
            return
        await asyncio.sleep(PAUSE_S)
    raise AssertionError(f"not within {within_s} s")
