"""Schemas as numbered steps. A file's `user_version` is the number of the last step applied.

A step is a tuple of statements, run in one transaction together with the new `user_version`. A
step that has been released is never edited; what has to change becomes the next one.
"""

from __future__ import annotations

from engine.store.migrations import ledger_0001, market_0001, results_0001, results_0002

Step = tuple[str, ...]

LEDGER: tuple[Step, ...] = (ledger_0001.STATEMENTS,)
MARKET: tuple[Step, ...] = (market_0001.STATEMENTS,)
RESULTS: tuple[Step, ...] = (results_0001.STATEMENTS, results_0002.STATEMENTS)
