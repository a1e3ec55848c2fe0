"""An engine that is killed at the drill exchange comes back with books that are equal.

A handful in every test run; `-m long` sweeps through three hundred.
"""

from __future__ import annotations

import pytest

from engine.drill.faults.catalogue import FaultKind as K
from engine.drill.faults.plan import FaultRule
from tests.drill.ordeal import one_run

_ORDER = "POST *order"

HANDFUL = [
    (
        "POST after",
        (
            FaultRule(kind=K.DROP_AFTER, on=_ORDER, rate=0.3),
            FaultRule(kind=K.FILL_MISSING, rate=0.5),
            FaultRule(kind=K.REPORTS_SWAPPED, rate=0.4),
            FaultRule(kind=K.STREAM_CLOSED, on="user/*", every=9),
        ),
    ),
    (
        "commit",
        (
            FaultRule(kind=K.TIMEOUT_1007_AFTER, on=_ORDER, rate=0.3),
            FaultRule(kind=K.QUERY_LAG, amount=2),
            FaultRule(kind=K.REPORT_TWICE, rate=0.5),
            FaultRule(kind=K.FILL_BEFORE_CANCEL, rate=0.5),
        ),
    ),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("moment", "rules"), HANDFUL, ids=[moment for moment, _ in HANDFUL])
async def test_killed_and_back_with_equal_books(moment: str, rules: tuple[FaultRule, ...]) -> None:
    run = await one_run(7, rules=rules, moment=moment)
    assert run.problems == []
    assert run.orders > 0


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(300))
async def test_the_sweep(seed: int) -> None:
    """A failing one: `python -m tests.drill.soak --runs 1 --seed N`."""
    run = await one_run(seed)
    assert run.problems == []
