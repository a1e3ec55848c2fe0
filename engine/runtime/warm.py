"""Compiles everything that can be compiled, by using it once."""

from __future__ import annotations

from engine.kernels.warm import warm_all as warm_kernels
from engine.sim.generator import MarketGenerator


def warm_all() -> None:
    """Fill numba's disk cache, so that no first tick waits for a compiler."""
    warm_kernels()
    generator = MarketGenerator(1)
    generator.crash(generator.start_ns)
    for _ in range(4):
        generator.next_block()
