"""Where market rows come from when they are made or read bit by bit."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from engine.kernels.layout import Rows


class RowSource(Protocol):
    """Hands out rows in the order of receipt, block by block. No block begins, on either clock,
    before the previous one has ended."""

    def next_block(self) -> Rows | None:
        """The next rows, perhaps none at all; None when there will be no more."""


@runtime_checkable
class RereadableRows(RowSource, Protocol):
    """A source that can hand out again what it has handed out: a copy of a world that reads from it
    need not hold the rows."""

    def reread(self, first: int) -> Rows:
        """Its rows from number `first` up to the last one handed out; reads on from there. The
        array is the caller's."""
