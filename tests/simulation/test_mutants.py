"""The simulation is worth what it catches: every deliberately broken build, within 200 seeds."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.world import run_seed

SEEDS = 200


@pytest.mark.parametrize("mutant", MUTANTS, ids=[one.name for one in MUTANTS])
def test_a_broken_build_is_caught(mutant: Mutant) -> None:
    with mutant.break_it():
        outcomes = (run_seed(seed) for seed in range(SEEDS))
        caught = next((outcome for outcome in outcomes if outcome.broken), None)
    assert caught is not None, f"{mutant.name}: {SEEDS} seeds found nothing wrong"
    assert caught.broken in mutant.breaks, (mutant.name, caught.broken, caught.words)
