"""Where market rows come from when they are made or read bit by bit."""

from __future__ import annotations

from typing import Protocol

from engine.kernels.layout import Rows


class RowSource(Protocol):
    """Hands out rows in the order of receipt, block by block. No block begins, on either clock,
    before the previous one has ended."""

    def next_block(self) -> Rows | None:
        """The next rows, perhaps none at all; None when there will be no more."""
