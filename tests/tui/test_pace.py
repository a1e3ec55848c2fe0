"""How often a pane is drawn, and how late what it shows can be."""

from __future__ import annotations

import itertools
import random

import pytest

from ui_tui.look import Look
from ui_tui.pane import Lines

POLL_MS = 100


class Paced(Lines):
    pace_ms = 200
    phase_ms = 30


@pytest.mark.parametrize("offset_ms", range(0, 200, 5))
def test_what_is_new_waits_two_polls_at_most_and_nothing_is_drawn_more_often(
    offset_ms: int,
) -> None:
    """Wherever the polls lie in the pane's turns, and though no timer is exact."""
    chance = random.Random(offset_ms)
    pane = Paced(Look("western"))
    drawn = [
        at_ms
        for poll in range(2000)
        for at_ms in [10_000 + offset_ms + poll * POLL_MS + chance.randint(-8, 8)]
        if pane.is_due(at_ms * 1_000_000, at_once=False)
    ]
    gaps = [after - before for before, after in itertools.pairwise(drawn)]
    assert max(gaps) <= Paced.pace_ms + 16
    assert len(drawn) <= 1001, "once a turn"


def test_a_key_is_drawn_at_once_and_takes_the_turn() -> None:
    pane = Paced(Look("western"))
    at_ms = [(30, False), (60, True), (100, False), (205, False), (229, False), (231, False)]
    due = [pane.is_due(ms * 1_000_000, at_once) for ms, at_once in at_ms]
    assert due == [True, True, False, False, False, True]
