"""The general road: a market over ccxt's objects, asked for, at the drill exchange."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import aiohttp

from app.drill import new_account, open_drill
from engine.core.clock import LiveClock
from engine.domain.instrument import Instrument, InstrumentKind
from engine.drill.faults.catalogue import FaultKind
from engine.drill.faults.plan import NO_FAULTS, FaultPlan, FaultRule
from engine.drill.faults.saboteur import Saboteur
from engine.drill.resolver import drill_session
from engine.ports.live import LinkState
from engine.venues.budget import RateBudget
from engine.venues.ccxt_feed import PolledFeed, PollPace
from engine.venues.quirks import Quirks
from tests.drill.test_feed import MS, SPOT_TICK, Watcher
from tests.drill.waiting import eventually

ANY_EXCHANGE = Quirks(
    venue="some_exchange",
    ccxt_id="binance",
    ccxt_options={"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False},
)
"""Binance, taken for an exchange that nobody has studied."""


async def test_a_book_and_trades_by_asking(tmp_path: Path) -> None:
    instrument = Instrument(
        instrument_id="some_exchange.BTC/USDT",
        venue="some_exchange",
        symbol="BTC/USDT",
        kind=InstrumentKind.SPOT,
        base="BTC",
        quote="USDT",
        tick=SPOT_TICK,
        lot=Decimal("0.00001"),
    )
    saboteur, watcher, clock = Saboteur(NO_FAULTS), Watcher(instrument), LiveClock()
    drill = open_drill(
        tmp_path,
        accounts=[new_account("ann")],
        symbols=("BTCUSDT",),
        usdm_symbols=(),
        interceptor=saboteur,
    )
    async with drill as server:
        place = server.place

        def session() -> aiohttp.ClientSession:
            return drill_session(Path(place.ca_path), place.port, place.hosts)

        feed = PolledFeed(
            ANY_EXCHANGE,
            session,
            clock,
            budget=RateBudget(None, "some_exchange", clock),
            pace=PollPace(poll_ns=100 * MS, retry_longest_ns=200 * MS),
        )
        await feed.open([instrument], watcher)
        try:
            await eventually(lambda: watcher.is_trusted and watcher.link is LinkState.POLLING)
            await eventually(lambda: watcher.trades >= 3)
            listing = server.venues["binance_spot"].core.listing("BTCUSDT")
            listing.is_running = False

            def is_theirs() -> bool:
                bids, asks = watcher.top()
                their_bid, their_ask = listing.bids.best, listing.asks.best
                assert their_bid is not None
                assert their_ask is not None
                return (bids[0][0], asks[0][0]) == (
                    Decimal(their_bid).scaleb(-8),
                    Decimal(their_ask).scaleb(-8),
                )

            await eventually(is_theirs)
            rule = FaultRule(kind=FaultKind.CAPTIVE_PORTAL, on="GET *depth*")
            saboteur.begin(FaultPlan(name="test", rules=(rule,)))
            await eventually(lambda: not watcher.is_trusted and watcher.link is LinkState.DOWN)
            saboteur.begin(NO_FAULTS)
            await eventually(lambda: watcher.is_trusted and watcher.link is LinkState.POLLING)
            await eventually(is_theirs)
            assert watcher.untrustworthy == 0
        finally:
            await feed.close()
    assert not server.failures
