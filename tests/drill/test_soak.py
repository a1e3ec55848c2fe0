"""An engine that is killed at the drill exchange comes back with books that are equal.

One in every test run; `-m long` sweeps through three hundred, one after the other:
`python -m tests.drill.soak --runs 300 --parallel 4 --venue both` does the same in less time.
"""

from __future__ import annotations

import pytest

from engine.drill.faults.catalogue import FaultKind as K
from engine.drill.faults.plan import FaultRule
from tests.drill.ordeal import one_run, venue_of

_ORDER = "POST *order"

HANDFUL = (
    FaultRule(kind=K.DROP_AFTER, on=_ORDER, rate=0.2),
    FaultRule(kind=K.TIMEOUT_1007_AFTER, on=_ORDER, rate=0.2),
    FaultRule(kind=K.QUERY_LAG, amount=2),
    FaultRule(kind=K.FILL_MISSING, rate=0.5),
    FaultRule(kind=K.REPORT_TWICE, rate=0.5),
    FaultRule(kind=K.REPORTS_SWAPPED, rate=0.4),
    FaultRule(kind=K.FILL_BEFORE_CANCEL, rate=0.5),
    FaultRule(kind=K.STREAM_CLOSED, on="user/*", every=9),
)


@pytest.mark.timeout(300)
async def test_killed_twice_and_back_with_equal_books() -> None:
    run = await one_run(7, rules=HANDFUL, moment="commit, POST after")
    assert run.problems == []
    assert run.orders > 0


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(300))
async def test_the_sweep(seed: int) -> None:
    run = await one_run(seed, venue_of(seed))
    assert run.problems == [], run.again
