"""Which step works which spec, and what it has to be woken for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from engine.domain import algo as a
from engine.kernels import layout as k
from engine.trading.algos import (
    bracket,
    good_till,
    iceberg,
    ladder,
    oco,
    pegged,
    sliced,
    touch,
    trail,
)
from engine.trading.algos.core import Decision, Facts
from engine.trading.algos.state import AlgoState


class Kind(NamedTuple):
    step: Callable[[AlgoState, Facts], list[Decision]]
    wake_mask: int = 0
    """`WAKE_` codes of the market changes that it must see at once. Its own orders' reports and
    its timers it always sees."""


KINDS: dict[type[a.AnyAlgo], Kind] = {
    a.GoodTill: Kind(good_till.step),
    a.IfTouched: Kind(touch.step, k.WAKE_TRADE),
    a.TakeProfit: Kind(touch.step, k.WAKE_TRADE),
    a.TrailingStop: Kind(trail.step, k.WAKE_TRADE),
    a.Oco: Kind(oco.step, k.WAKE_TRADE),
    a.Bracket: Kind(bracket.step, k.WAKE_TRADE),
    a.Iceberg: Kind(iceberg.step),
    a.Twap: Kind(sliced.step_scheduled),
    a.Vwap: Kind(sliced.step_scheduled),
    a.Pov: Kind(sliced.step_pov),
    a.Pegged: Kind(pegged.step, k.WAKE_TOP),
    a.ScaledLadder: Kind(ladder.step),
}


def decide(algo: AlgoState, facts: Facts) -> list[Decision]:
    return KINDS[type(algo.spec)].step(algo, facts)


def wake_mask(spec: a.AnyAlgo) -> int:
    return KINDS[type(spec)].wake_mask
