"""The assumptions of a simulation, in words and exact numbers."""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from engine.domain.errors import BadInput
from engine.domain.money import plain
from engine.kernels import layout as k
from engine.sim.fees import FeePlan
from engine.sim.funding import FundingPlan
from engine.sim.impact import Impact
from engine.sim.latency import Latency
from engine.sim.margin import MarginPlan
from engine.sim.refusals import Refusals


class FillMode(enum.StrEnum):
    PARTIAL = "partial"
    """A resting order fills up to what reaches it through the queue."""
    WHOLE = "whole"
    """A resting order fills in one piece as soon as anything reaches it."""


class SelfTrade(enum.StrEnum):
    """What happens when two orders of the account would meet; see `engine.kernels.self_trade`."""

    NONE = "none"
    """They pass each other by."""
    TAKER = "expire-taker"
    MAKER = "expire-maker"
    BOTH = "expire-both"

    @property
    def code(self) -> int:
        return _SELF_TRADES[self.value]


_SELF_TRADES = {
    "none": k.SELF_TRADE_NONE,
    "expire-taker": k.SELF_TRADE_TAKER,
    "expire-maker": k.SELF_TRADE_MAKER,
    "expire-both": k.SELF_TRADE_BOTH,
}


class QueueModel(msgspec.Struct, frozen=True, kw_only=True):
    """See `engine.kernels.queue` for the definitions."""

    code: int = k.QUEUE_RISK_AVERSE
    power: int = 0

    def words(self) -> str:
        return f"power-prob-{self.power}" if self.power else _QUEUE_WORDS[self.code]


_QUEUE_WORDS = {
    k.QUEUE_RISK_AVERSE: "risk-averse",
    k.QUEUE_LOG_PROB_1: "log-prob-1",
    k.QUEUE_LOG_PROB_2: "log-prob-2",
    k.QUEUE_TRADES_ONLY: "trades-only",
}
QUEUE_MODELS = {
    **{word: QueueModel(code=code) for code, word in _QUEUE_WORDS.items()},
    **{
        f"power-prob-{power}": QueueModel(code=k.QUEUE_POWER_PROB, power=power)
        for power in range(1, 10)
    },
}
"""Every queue model by its name."""
QUEUE_NAMES = "risk-averse, trades-only, power-prob-N, log-prob-1, log-prob-2"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies in ns; fee rates as shares of the traded value, negative for a rebate."""

    entry_latency_ns: int = 10_000_000
    response_latency_ns: int = 10_000_000
    latency: Latency | None = None
    """Where entry and response vary: instead of the two constants above."""
    feed_latency_ns: int = 0
    """On top of what the recording says."""
    queue: QueueModel = QueueModel()
    fills: FillMode = FillMode.PARTIAL
    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.0005")
    fees: FeePlan | None = None
    """Instead of the two rates above, or where fees are paid in another asset."""
    refusals: Refusals = Refusals()
    self_trade: SelfTrade = SelfTrade.NONE
    impact: Impact = Impact()
    funding: FundingPlan | None = None
    """Of derivatives; spot has none."""
    margin: MarginPlan | None = None
    """Liquidation of positions in derivatives; None: never."""
    seed: int = 0
    """Of everything that is left to chance: latencies, refusals, outages."""

    @property
    def is_simple(self) -> bool:
        """Nothing but constant latencies, a queue and two fee rates."""
        plans = (self.latency, self.fees, self.funding, self.margin)
        return not any(plans) and self.refusals == Refusals() and self.impact == Impact()

    def digest(self) -> str:
        """One line that names every assumption; part of a ledger's world. What is not assumed
        is not named, so that a ledger stays readable when there is more to assume."""
        latency = (
            f"entry {self.entry_latency_ns} ns, response {self.response_latency_ns} ns"
            if self.latency is None
            else f"latency {self.latency.words()} each way"
        )
        words = [
            latency,
            f"feed +{self.feed_latency_ns} ns",
            f"queue {self.queue.words()}",
            f"fills {self.fills}",
            f"maker {plain(self.maker)}",
            f"taker {plain(self.taker)}",
        ]
        parts = [self.fees, self.refusals, self.impact, self.funding, self.margin]
        words += [text for part in parts if part is not None and (text := part.words())]
        if self.self_trade is not SelfTrade.NONE:
            words.append(f"self-trades {self.self_trade}")
        if self.seed:
            words.append(f"seed {self.seed}")
        return ", ".join(words)


def parse_queue(word: str, field: str = "--queue") -> QueueModel:
    """One of `QUEUE_MODELS` by its name."""
    if word not in QUEUE_MODELS:
        raise BadInput(field, word, f"expected one of {QUEUE_NAMES}, N from 1 to 9")
    return QUEUE_MODELS[word]


def parse_fills(word: str, field: str = "--fills") -> FillMode:
    try:
        return FillMode(word)
    except ValueError:
        raise BadInput(field, word, "expected whole or partial") from None


def parse_self_trade(word: str, field: str = "--model self_trade") -> SelfTrade:
    try:
        return SelfTrade(word)
    except ValueError:
        raise BadInput(field, word, f"expected {', '.join(SelfTrade)}") from None
