"""Days and months of a run that starts and ends where it likes."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.research import curve
from engine.research.curve import Curve
from engine.runtime.recorder import Sample
from tests.support.builders import linear

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
JANUARY_NS = 1_704_067_200_000_000_000
"""2024-01-01 00:00 UTC."""
CAPITAL = Decimal(1000)


def days_of(start_h: float, end_h: float, profits: list[int]) -> Curve:
    """A run from `start_h` to `end_h` hours after new year, worth 1000 + profits at each midnight
    inside it and at its end."""
    start_ns, end_ns = (JANUARY_NS + int(hours * HOUR_NS) for hours in (start_h, end_h))
    midnights = range(start_ns // DAY_NS * DAY_NS + DAY_NS, end_ns, DAY_NS)
    marks = [
        Sample(ts_ns, Decimal(profit), 2000, 0)
        for ts_ns, profit in zip([*midnights, end_ns], profits, strict=True)
    ]
    result: Any = SimpleNamespace(
        start_ns=start_ns,
        end_ns=end_ns,
        first_mid=linear().price(1000),
        days=marks[:-1],
        samples=marks[-1:],
    )
    return curve.daily(result, linear(), CAPITAL)


def test_whole_days() -> None:
    days = days_of(0, 72, [10, 20, 50])
    assert days.equity.tolist() == [1000, 1010, 1020, 1050]
    assert np.diff(days.ts_ns).tolist() == [DAY_NS] * 3
    assert days.returns.tolist() == pytest.approx([0.01, 10 / 1010, 30 / 1020])


def test_parts_of_days_at_the_ends() -> None:
    """More than half a day is a day; less is part of its neighbour."""
    assert days_of(6, 72, [10, 20, 50]).equity.tolist() == [1000, 1010, 1020, 1050]
    assert days_of(18, 72, [10, 20, 50]).equity.tolist() == [1000, 1020, 1050]
    assert days_of(0, 66, [10, 20, 50]).equity.tolist() == [1000, 1010, 1020, 1050]
    assert days_of(0, 54, [10, 20, 50]).equity.tolist() == [1000, 1010, 1050]
    assert days_of(18, 54, [10, 20, 50]).equity.tolist() == [1000, 1050]


def test_hours_around_midnight_are_one_return() -> None:
    assert days_of(22, 26, [10, 50]).equity.tolist() == [1000, 1050]
    assert days_of(3, 5, [50]).equity.tolist() == [1000, 1050]


def test_months_end_at_midnight() -> None:
    """What is marked at a midnight belongs to the day before."""
    days = days_of(0, 24 * 60, list(range(1, 61)))
    months = curve.monthly(days)
    assert months.equity.tolist() == [1000, 1031, 1060]


def test_after_everything_is_lost_nothing_more_is() -> None:
    found = curve.returns_of(np.array([100.0, 50.0, 0.0, -10.0, 20.0]))
    assert found.tolist() == [-0.5, -1.0, 0.0, 0.0]
