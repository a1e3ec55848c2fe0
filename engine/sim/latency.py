"""How long requests and answers are under way: the assumption, and where it comes from."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from engine.domain.errors import BadInput
from engine.domain.money import MONEY, parse_decimal, plain
from engine.kernels import chance
from engine.kernels import latency as kernels
from engine.kernels import layout as k
from engine.kernels.layout import Int64s

NS_PER_MS = 1_000_000
LATENCY_MS_MAX = 60_000


class Spread(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A distribution, see `engine.kernels.latency`: from low to high, with spikes on top."""

    low_ns: int
    high_ns: int
    spike_chance: Decimal = Decimal(0)
    """Share of all seconds in which everything takes from `spike_low_ns` to `spike_high_ns`
    longer."""
    spike_low_ns: int = 0
    spike_high_ns: int = 0

    def words(self) -> str:
        text = f"{_ms(self.low_ns)} to {_ms(self.high_ns)} ms"
        if not self.spike_chance:
            return text
        return (
            f"{text}, in {plain(self.spike_chance)} of all seconds "
            f"{_ms(self.spike_low_ns)} to {_ms(self.spike_high_ns)} ms more"
        )


class RoundTrips(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Recorded latencies: at `ts_ns[i]` a request took `req_ns[i]` and its answer `resp_ns[i]`."""

    ts_ns: tuple[int, ...]
    req_ns: tuple[int, ...]
    resp_ns: tuple[int, ...]

    def words(self) -> str:
        numbers = np.array([self.ts_ns, self.req_ns, self.resp_ns], np.int64)
        digest = hashlib.sha256(numbers.tobytes()).hexdigest()[:12]
        return f"{len(self.ts_ns)} recorded round trips {digest}"


class OfVenue(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`VENUE_LATENCY` of the instrument's venue; of Binance where nothing is known of it."""

    def words(self) -> str:
        return "of the venue"


Latency = Spread | RoundTrips | OfVenue
"""Each way: what is said of requests holds for answers."""

VENUE_LATENCY = {
    "binance": Spread(
        low_ns=50 * NS_PER_MS,
        high_ns=100 * NS_PER_MS,
        spike_chance=Decimal("0.005"),
        spike_low_ns=100 * NS_PER_MS,
        spike_high_ns=500 * NS_PER_MS,
    ),
    "coinbase": Spread(
        low_ns=100 * NS_PER_MS,
        high_ns=200 * NS_PER_MS,
        spike_chance=Decimal("0.01"),
        spike_low_ns=200 * NS_PER_MS,
        spike_high_ns=1000 * NS_PER_MS,
    ),
}
"""What a home or a distant server may expect: an assumption, until round trips are recorded."""


def _ms(ns: int) -> str:
    return plain(MONEY.divide(Decimal(ns), Decimal(NS_PER_MS)))


# -- for the kernels -----------------------------------------------------------------------------


class Shape(NamedTuple):
    """A latency as the kernels take it."""

    code: int
    """LATENCY_ codes."""
    least_ns: int
    """No request and no answer is faster than that."""
    drawn: Int64s
    requests: Int64s
    """int64[2, n]: times, delays."""
    answers: Int64s


def shape_of(latency: Latency, venue: str, seed: int) -> Shape:
    if isinstance(latency, OfVenue):
        latency = VENUE_LATENCY.get(venue.partition("_")[0], VENUE_LATENCY["binance"])
    none = np.zeros((2, 1), np.int64)
    if isinstance(latency, RoundTrips):
        requests = np.array([latency.ts_ns, latency.req_ns], np.int64)
        answers = np.array([latency.ts_ns, latency.resp_ns], np.int64)
        least_ns = int(min(requests[1].min(), answers[1].min()))
        empty = np.zeros(k.LATENCY_COLUMNS, np.int64)
        return Shape(k.LATENCY_RECORDED, least_ns, empty, requests, answers)
    drawn = np.zeros(k.LATENCY_COLUMNS, np.int64)
    drawn[k.L_LOW_NS], drawn[k.L_HIGH_NS] = latency.low_ns, latency.high_ns
    drawn[k.L_SPIKE_CHANCE] = int(latency.spike_chance * chance.ONE)
    drawn[k.L_SPIKE_LOW_NS] = latency.spike_low_ns
    drawn[k.L_SPIKE_HIGH_NS] = latency.spike_high_ns
    drawn[k.L_SEED] = seed
    return Shape(k.LATENCY_DRAWN, latency.low_ns, drawn, none, none)


def request_ns(shape: Shape, number: int, sent_ns: int) -> int:
    """How long request `number`, sent at `sent_ns`, takes to the venue."""
    if shape.code == k.LATENCY_RECORDED:
        return int(kernels.recorded_ns(shape.requests[0], shape.requests[1], sent_ns))
    return int(kernels.drawn_ns(shape.drawn, chance.ENTRY, number, sent_ns))


# -- from people ---------------------------------------------------------------------------------


def parse_spread(word: str, field: str) -> Spread:
    """`50-100`: milliseconds from low to high, without spikes."""
    low_text, _, high_text = word.partition("-")
    low, high = parse_decimal(field, low_text), parse_decimal(field, high_text)
    if not 0 <= low <= high <= LATENCY_MS_MAX:
        raise BadInput(field, word, f"expected LOW-HIGH in ms, from 0 to {LATENCY_MS_MAX}")
    return Spread(low_ns=int(low * NS_PER_MS), high_ns=int(high * NS_PER_MS))


def check_round_trips(trips: RoundTrips, field: str, value: str) -> RoundTrips:
    """The same, or BadInput when times do not ascend or a delay is no delay."""
    if any(a >= b for a, b in pairwise(trips.ts_ns)):
        raise BadInput(field, value, "ts_ns must ascend from row to row")
    longest_ns = LATENCY_MS_MAX * NS_PER_MS
    for name, delays in (("req_ns", trips.req_ns), ("resp_ns", trips.resp_ns)):
        if min(delays) < 0 or max(delays) > longest_ns:
            raise BadInput(field, value, f"{name} must lie between 0 and {longest_ns}")
    return trips
