"""The latency models once more, from their definitions: fractions and whole numbers, no arrays."""

from __future__ import annotations

from fractions import Fraction

from engine.sim.latency import Latency, RoundTrips, Spread
from tests.support.naive_exchange import Delay

ENTRY, RESPONSE, SPIKE, SPIKE_SIZE = 1, 2, 3, 4
SECOND_NS = 10**9


def mix(value: int) -> int:
    value %= 2**32
    value ^= value >> 16
    value = value * 0x7FEB352D % 2**32
    value ^= value >> 15
    value = value * 0x846CA68B % 2**32
    return value ^ (value >> 16)


def chance(seed: int, stream: int, number: int) -> int:
    """Of 2^24."""
    start = mix(seed + stream * 0x9E3779B9)
    return mix(mix(start + number % 2**32) + number // 2**32) >> 8


def drawn(spread: Spread, seed: int, stream: int) -> Delay:
    def delay(number: int, at_ns: int) -> int:
        even = chance(seed, stream, number)
        square = even * even // 2**24
        took = spread.low_ns + (spread.high_ns - spread.low_ns) * square // 2**24
        second = at_ns // SECOND_NS
        if chance(seed, SPIKE, second) < spread.spike_chance * 2**24:
            more = spread.spike_high_ns - spread.spike_low_ns
            took += spread.spike_low_ns + more * chance(seed, SPIKE_SIZE, second) // 2**24
        return took

    return delay


def recorded(times: tuple[int, ...], took: tuple[int, ...]) -> Delay:
    def delay(number: int, at_ns: int) -> int:
        first, last = times[0], times[-1]
        if first == last:
            return took[0]
        if not first <= at_ns <= last:
            at_ns = first + (at_ns - first) % (last - first)
        for left in range(len(times) - 1):
            if times[left] <= at_ns < times[left + 1]:
                break
        share = Fraction(at_ns - times[left], times[left + 1] - times[left])
        return took[left] + (took[left + 1] - took[left]) * share // 1

    return delay


def delays(latency: Latency, seed: int) -> tuple[Delay, Delay]:
    """Of requests and of answers."""
    if isinstance(latency, RoundTrips):
        return recorded(latency.ts_ns, latency.req_ns), recorded(latency.ts_ns, latency.resp_ns)
    return drawn(latency, seed, ENTRY), drawn(latency, seed, RESPONSE)
