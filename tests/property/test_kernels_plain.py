"""The compiled exchange and the same code as plain Python say the same, word for word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import random_market

ROOT = Path(__file__).resolve().parents[2]
SEEDS = [str(seed) for seed in range(40)]


def test_compiled_equals_plain_python() -> None:
    plain = subprocess.run(
        [sys.executable, "-m", "tests.support.random_market", *SEEDS],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=110,
    )
    compiled = [line for seed in SEEDS for line in random_market.run(int(seed))]
    assert len(compiled) > 1000, "the random markets must cause answers to compare"
    assert plain.stdout.splitlines() == compiled


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1_000_000),
    steps_ms=st.lists(st.integers(1, 40), min_size=1, max_size=5).map(tuple),
)
def test_how_the_time_is_cut_does_not_matter(seed: int, steps_ms: tuple[int, ...]) -> None:
    assert random_market.run(seed, steps_ms=steps_ms) == random_market.run(seed, steps_ms=(1000,))


@pytest.mark.parametrize("seed", range(20))
def test_every_order_ends_once_and_never_fills_beyond_its_size(seed: int) -> None:
    filled: dict[str, int] = {}
    for line in random_market.run(seed):
        if line.startswith("FillReport"):
            order = line.split("client_order_id='")[1].split("'")[0]
            lots = int(line.split("lots=")[1].split(",")[0])
            filled[order] = filled.get(order, 0) + lots
    assert all(lots <= 30 for lots in filled.values())
