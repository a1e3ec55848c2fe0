"""The words of the command line and the settings as a simulation scenario."""

from __future__ import annotations

from decimal import Decimal

from app.settings import PaperSettings
from engine.domain.errors import BadInput
from engine.domain.money import parse_decimal
from engine.sim.scenario import Scenario, parse_fills, parse_queue

LATENCY_MS_MAX = 60_000
FEE_RATE_MAX = Decimal("0.05")


def scenario_of(latency_ms: str, queue: str, fills: str, maker: str, taker: str) -> Scenario:
    """A checked scenario; BadInput names the option."""
    latency = parse_decimal("--latency-ms", latency_ms)
    if not 0 <= latency <= LATENCY_MS_MAX:
        raise BadInput("--latency-ms", latency_ms, f"must be between 0 and {LATENCY_MS_MAX}")
    latency_ns = int(latency * 1_000_000)
    return Scenario(
        entry_latency_ns=latency_ns,
        response_latency_ns=latency_ns,
        queue=parse_queue(queue),
        fills=parse_fills(fills),
        maker=_fee_rate("--maker", maker),
        taker=_fee_rate("--taker", taker),
    )


def paper_scenario(settings: PaperSettings) -> Scenario:
    """What the settings say of the simulated venue; they were checked when they were read."""
    latency_ns = int(settings.latency_ms * 1_000_000)
    return Scenario(
        entry_latency_ns=latency_ns,
        response_latency_ns=latency_ns,
        queue=parse_queue(settings.queue, "paper.queue"),
        fills=parse_fills(settings.fills, "paper.fills"),
        maker=settings.maker,
        taker=settings.taker,
    )


def _fee_rate(field: str, text: str) -> Decimal:
    rate = parse_decimal(field, text)
    if abs(rate) > FEE_RATE_MAX:
        raise BadInput(field, text, f"a rate such as 0.0002, at most {FEE_RATE_MAX} either way")
    return rate
