"""A flash of the drill market: everything at other prices for a while, and then as if nothing."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from app.drill import SPOT_RULES, generated
from engine.core.clock import NS_PER_SECOND, SimClock
from engine.drill.clock import VenueClock
from engine.drill.exchange import Exchange
from engine.drill.listing import Listing

START_NS = 1_767_225_600_000_000_000
RULES = next(rules for rules in SPOT_RULES if rules.symbol == "BTCUSDT")


class Venue:
    def __init__(self, seed: int) -> None:
        self.clock = SimClock(START_NS)
        markets = {"BTCUSDT": generated("BTCUSDT", seed)}
        self.exchange = Exchange("binance_spot", [RULES], [], VenueClock(self.clock), markets)

    def run(self, seconds: int) -> None:
        for _ in range(seconds * 10):
            self.clock.advance_to(self.clock.now_ns() + NS_PER_SECOND // 10)
            self.exchange.step()

    @property
    def listing(self) -> Listing:
        return self.exchange.listings["BTCUSDT"]

    def book(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        return self.listing.bids.levels(10_000), self.listing.asks.levels(10_000)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["0.85", "0.5", "1.12", "3"]), st.integers(1, 4))
def test_when_it_is_over_the_book_is_that_of_a_market_without_it(
    seed: int, factor: str, seconds: int
) -> None:
    calm, shaken = Venue(seed), Venue(seed)
    for venue in (calm, shaken):
        venue.run(1)
    before = shaken.listing.reference
    shaken.exchange.scale_market("BTCUSDT", Decimal(factor))
    for venue in (calm, shaken):
        venue.run(seconds)
    bid, ask = shaken.listing.bids.best, shaken.listing.asks.best
    assert bid is not None
    assert ask is not None
    assert bid <= ask
    # The market itself moves a little meanwhile.
    assert abs(bid / before - float(factor)) < 0.05 * float(factor)
    assert calm.book() != shaken.book()
    shaken.exchange.scale_market("BTCUSDT", Decimal(1))
    assert calm.book() == shaken.book()
