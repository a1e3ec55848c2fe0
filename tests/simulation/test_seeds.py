"""Stories by the hundred: whatever goes wrong, every invariant holds after every step.

A seed that breaks says so in one line that tells it again:

    I2 q02..c1s is open, the venue says filled   [python3 -m tests.simulation.run --seed 17 --trace]
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.simulation.run import reproduction, unseen
from tests.simulation.world import run_seed

CHUNK = 50
ROOT = Path(__file__).resolve().parents[2]


def _tell(seeds: Iterable[int]) -> Counter[str]:
    seen: Counter[str] = Counter()
    broken = []
    for seed in seeds:
        outcome = run_seed(seed)
        seen += outcome.seen
        if outcome.broken:
            broken.append(reproduction(outcome))
    assert not broken, "\n".join(broken)
    return seen


@pytest.mark.parametrize("first", range(0, 500, CHUNK))
def test_500_seeds(first: int) -> None:
    seen = _tell(range(first, first + CHUNK))
    # A chunk of fifty stories meets most kinds; the long run below asks for every one.
    assert len(unseen(seen)) <= 12


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(0, 20_000, 1000))
def test_20000_seeds(first: int) -> None:
    assert unseen(_tell(range(first, first + 1000))) == []


@pytest.mark.parametrize("seed", [3, 8, 21])
def test_a_seed_tells_the_same_story_again(seed: int) -> None:
    first, again = run_seed(seed), run_seed(seed)
    assert (first.digest, first.steps, first.seen) == (again.digest, again.steps, again.seen)
    assert first.digest != run_seed(seed + 1).digest


def test_another_process_tells_the_same_story() -> None:
    """Texts hash differently in every process: no set of them may decide who goes first."""
    program = "from tests.simulation.world import run_seed; print(run_seed(17).digest)"
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(told) == 1
