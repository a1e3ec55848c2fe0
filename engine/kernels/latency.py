"""How long a message is under way: drawn by counter, or looked up in recorded round trips.

drawn      low + (high - low) x u^2, u even between 0 and 1: mostly near the low end, a third of the
           way on average. In a share of all seconds there is a spike: everything sent in such a
           second takes spike_low + (spike_high - spike_low) x v longer, one v for the second.
recorded   between two rows of a table (time, delay) on the straight line; outside of the table's
           span the table repeats.

All whole nanoseconds, so that every machine draws the same. Delays are below 2^36 ns (68 s),
`L_SPIKE_CHANCE` counts of `chance.ONE`.
"""

from __future__ import annotations

from engine.kernels import chance
from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import Int64s

L_LOW_NS, L_HIGH_NS, L_SEED = k.L_LOW_NS, k.L_HIGH_NS, k.L_SEED
L_SPIKE_CHANCE, L_SPIKE_LOW_NS, L_SPIKE_HIGH_NS = (
    k.L_SPIKE_CHANCE,
    k.L_SPIKE_LOW_NS,
    k.L_SPIKE_HIGH_NS,
)

_SECOND_NS = 1_000_000_000
_SHARE_MAX = 1 << 26
_BITS, _SPIKE, _SPIKE_SIZE = chance.BITS, chance.SPIKE, chance.SPIKE_SIZE


@kernel
def drawn_ns(shape: Int64s, stream: int, number: int, at_ns: int) -> int:
    """Delay of message `number` of `stream`, sent at `at_ns`; `shape` as the L_ codes say."""
    seed = shape[L_SEED]
    even = chance.draw(seed, stream, number)
    square = (even * even) >> _BITS
    delay_ns = shape[L_LOW_NS] + (((shape[L_HIGH_NS] - shape[L_LOW_NS]) * square) >> _BITS)
    if shape[L_SPIKE_CHANCE] > 0:
        second = at_ns // _SECOND_NS
        if chance.draw(seed, _SPIKE, second) < shape[L_SPIKE_CHANCE]:
            size = chance.draw(seed, _SPIKE_SIZE, second)
            span_ns = shape[L_SPIKE_HIGH_NS] - shape[L_SPIKE_LOW_NS]
            delay_ns += shape[L_SPIKE_LOW_NS] + ((span_ns * size) >> _BITS)
    return delay_ns


@kernel
def recorded_ns(times: Int64s, delays: Int64s, at_ns: int) -> int:
    """Delay at `at_ns` from a table of ascending `times`; it has one row at least."""
    last = len(times) - 1
    first_ns, last_ns = times[0], times[last]
    if last == 0:
        return delays[0]
    if at_ns < first_ns or at_ns > last_ns:
        at_ns = first_ns + (at_ns - first_ns) % (last_ns - first_ns)
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) >> 1
        if times[middle] <= at_ns:
            low = middle
        else:
            high = middle
    passed, gap = at_ns - times[low], times[high] - times[low]
    # The product has to fit into 63 bits; the share needs no more than this.
    while gap >= _SHARE_MAX:
        passed, gap = passed >> 1, gap >> 1
    return delays[low] + (delays[high] - delays[low]) * passed // gap
