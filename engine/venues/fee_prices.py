"""What a fee in a third asset (Binance: BNB) is worth, by that asset's latest known price."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, tidy
from engine.ports.live import VenueFault
from engine.venues.fields import Unreadable

log = logging.getLogger(__name__)

USABLE_NS = 3600 * NS_PER_SECOND
"""An older price is none: the fee counts as one whose worth nobody knows."""

FetchPrice = Callable[[str], Awaitable[Decimal]]
"""The last price of a symbol. Raises as a dialect does."""


class _Price(NamedTuple):
    price: Decimal
    asked_ns: int


class FeePrices:
    """Asked now and then by the account, looked up for each fill. A price that cannot be had is
    logged and missed: money does not depend on it, only the picture of it."""

    def __init__(self, fee_assets: Iterable[str], fetch: FetchPrice, clock: Clock) -> None:
        self._fee_assets = tuple(fee_assets)
        self._fetch = fetch
        self._clock = clock
        self._prices: dict[tuple[str, str], _Price] = {}

    async def refresh(self, instruments: Iterable[Instrument]) -> None:
        """Ask for each fee asset in each asset that the instruments settle in."""
        for settle in sorted({instrument.settle for instrument in instruments}):
            for asset in self._fee_assets:
                if asset != settle:
                    await self._ask(asset, settle)

    async def _ask(self, asset: str, settle: str) -> None:
        asked_ns = self._clock.monotonic_ns()
        try:
            price = await self._fetch(asset + settle)
        except (VenueFault, Unreadable) as fault:
            log.info("price of %s in %s, for fees: %s", asset, settle, fault.words)
        else:
            self._prices[asset, settle] = _Price(price, asked_ns)

    def worth(self, asset: str, settle: str, amount: Decimal) -> Decimal | None:
        """`amount` of `asset` in `settle`; None while its price is not known."""
        known = self._prices.get((asset, settle))
        if known is None or self._clock.monotonic_ns() - known.asked_ns > USABLE_NS:
            return None
        return tidy(MONEY.multiply(amount, known.price))
