"""Chance by counter: the n-th draw of a stream is a pure function of (seed, stream, n).

So a draw does not depend on how the time was cut into steps, nor on what else was drawn before it.
"""

from __future__ import annotations

from engine.kernels.compile import kernel

ENTRY, RESPONSE, SPIKE, SPIKE_SIZE, REJECT, OUTAGE = range(1, 7)
"""Streams."""

BITS = 24
ONE = 1 << BITS
"""Draws are whole numbers from 0 to ONE - 1."""
_MASK = 0xFFFFFFFF


@kernel
def mix(value: int) -> int:
    """32 bits in, 32 bits out, one to one: multiply and shift, twice. (Products may run over 64
    bits; only their low 32 are kept, and those are right all the same.)"""
    value &= _MASK
    value ^= value >> 16
    value = (value * 0x7FEB352D) & _MASK
    value ^= value >> 15
    value = (value * 0x846CA68B) & _MASK
    return value ^ (value >> 16)


@kernel
def draw(seed: int, stream: int, number: int) -> int:
    """A whole number below `ONE`, all equally likely."""
    start = mix(seed + stream * 0x9E3779B9)
    return mix(mix(start + (number & _MASK)) + (number >> 32)) >> (32 - BITS)
