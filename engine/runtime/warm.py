"""Compiles everything that can be compiled, by using it once."""

from __future__ import annotations

from engine.kernels.warm import warm_all as warm_kernels
from engine.sim.generator import compile_kernels


def warm_all() -> None:
    """Fill numba's disk cache, so that no first tick waits for a compiler."""
    warm_kernels()
    compile_kernels()
