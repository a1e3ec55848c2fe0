"""What a sweep reports: one result a set, their ranking, and how much to believe the best."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from engine.domain.errors import BadInput
from engine.domain.money import MONEY, ZERO, tidy

METRICS = {
    "equity": True,
    "profit_pct": True,
    "fills": True,
    "fees": False,
    "max_drawdown": False,
}
"""What sets can be sorted by, and whether more of it is better."""
_PERCENT = Decimal("0.000001")


class SetResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one parameter set. Money in the settle asset; `equity` is profit or loss."""

    params: dict[str, str]
    fills: int = 0
    equity: Decimal = ZERO
    fees: Decimal = ZERO
    max_drawdown: Decimal = ZERO
    profit_pct: Decimal = ZERO
    """Of the capital."""
    reaches_limits: bool = False
    """An account limit (stop-loss, take-profit, order size) would have stepped in, or did."""
    error: str = ""
    """Why there is no result; the figures are zero then."""


def profit_pct(equity: Decimal, capital: Decimal) -> Decimal:
    """`equity` in percent of `capital`, to six places."""
    share = MONEY.divide(MONEY.multiply(equity, Decimal(100)), capital)
    return tidy(share.quantize(_PERCENT, context=MONEY))


def check_metric(name: str) -> str:
    if name not in METRICS:
        raise BadInput("--sort", name, f"known are: {', '.join(METRICS)}")
    return name


def ranked(results: Iterable[SetResult], metric: str) -> list[SetResult]:
    """Those with a result, best first; equals stay in the order of their parameters."""
    done = [result for result in results if not result.error]
    return sorted(done, key=lambda result: getattr(result, metric), reverse=METRICS[metric])


def selection(results: Sequence[SetResult], metric: str) -> dict[str, Any]:
    """The best set and what it was chosen from, so that nobody mistakes luck for skill."""
    order = ranked(results, metric)
    if not order:
        return {"tried": 0, "best": None, "note": "no set has a result"}
    equities = [result.equity for result in order]
    gains = sum(equity > 0 for equity in equities)
    return {
        "tried": len(order),
        "profitable_pct": profit_pct(Decimal(gains), Decimal(len(order))),
        "median_equity": tidy(Decimal(statistics.median(equities))),
        "best": order[0],
        "note": (
            f"the best of {len(order)} sets tried on the same data, chosen by {metric} after the "
            "fact: selection alone makes the best of many look good; judge it by the median and "
            "on data that it was not chosen on"
        ),
    }
