"""The assumptions of a simulation, in words and exact numbers."""

from __future__ import annotations

import enum
import re
from decimal import Decimal

import msgspec

from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, plain
from engine.kernels import layout as k


class FillMode(enum.StrEnum):
    PARTIAL = "partial"
    """A resting order fills up to what reaches it through the queue."""
    WHOLE = "whole"
    """A resting order fills in one piece as soon as anything reaches it."""


class QueueModel(msgspec.Struct, frozen=True, kw_only=True):
    """See `engine.kernels.queue` for the definitions."""

    code: int = k.QUEUE_RISK_AVERSE
    power: int = 0

    def words(self) -> str:
        return f"power-prob-{self.power}" if self.power else "risk-averse"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies in ns; fee rates as shares of the traded value, negative for a rebate."""

    entry_latency_ns: int = 10_000_000
    response_latency_ns: int = 10_000_000
    feed_latency_ns: int = 0
    """On top of what the recording says."""
    queue: QueueModel = QueueModel()
    fills: FillMode = FillMode.PARTIAL
    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.0005")

    def fee(self, instrument: Instrument, lots: int, ticks: int, *, is_maker: bool) -> Decimal:
        """Exact: the rate times the value of the fill, in the settle asset."""
        return MONEY.multiply(
            instrument.notional(lots, ticks), self.maker if is_maker else self.taker
        )

    def digest(self) -> str:
        """One line that names every assumption; part of a ledger's world."""
        return (
            f"entry {self.entry_latency_ns} ns, response {self.response_latency_ns} ns, "
            f"feed +{self.feed_latency_ns} ns, queue {self.queue.words()}, fills {self.fills}, "
            f"maker {plain(self.maker)}, taker {plain(self.taker)}"
        )


def parse_queue(word: str, field: str = "--queue") -> QueueModel:
    """`risk-averse` or `power-prob-N`, N from 1 to 9."""
    if word == "risk-averse":
        return QueueModel()
    match = re.fullmatch(r"power-prob-([1-9])", word)
    if match is None:
        raise BadInput(field, word, "expected risk-averse or power-prob-1 to power-prob-9")
    return QueueModel(code=k.QUEUE_POWER_PROB, power=int(match[1]))


def parse_fills(word: str, field: str = "--fills") -> FillMode:
    try:
        return FillMode(word)
    except ValueError:
        raise BadInput(field, word, "expected whole or partial") from None
