"""The market feed of first-class venues: a link of its own per instrument, and the listing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import aiohttp

from engine.core.clock import NS_PER_SECOND, Clock
from engine.core.tasks import Failure, TaskOwner
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.kernels.warm import warm_feeds
from engine.ports.live import (
    FeedLinkChanged,
    InstrumentChanged,
    InstrumentHalted,
    LinkState,
    MarketSink,
    VenueFault,
)
from engine.venues.asker import PublicAsker
from engine.venues.binance.feed import BinanceFeed
from engine.venues.budget import RateBudget
from engine.venues.feed_dialect import FeedDialect
from engine.venues.keeper import Counts, Keeper
from engine.venues.link import FeedPace, FrameTap, InstrumentLink
from engine.venues.quality import GuardLimits
from engine.venues.quirks import quirks_of
from engine.venues.rest import SessionFactory

log = logging.getLogger(__name__)

LISTING_NS = 60 * NS_PER_SECOND
"""How often halts and changed rules are asked for."""


class StreamFeed:
    """`engine.ports.live.MarketFeed` over sockets of our own."""

    def __init__(
        self,
        dialect: FeedDialect,
        make_session: SessionFactory,
        clock: Clock,
        *,
        budget: RateBudget | None = None,
        limits: GuardLimits | None = None,
        pace: FeedPace | None = None,
        tap: FrameTap | None = None,
    ) -> None:
        self._dialect = dialect
        self._make_session = make_session
        self._clock = clock
        self._budget = budget
        self._limits = limits or GuardLimits()
        self._pace = pace or FeedPace()
        self._tap = tap
        self._session: aiohttp.ClientSession | None = None
        self._owner: TaskOwner | None = None
        self._links: dict[str, InstrumentLink] = {}
        self._sink: MarketSink | None = None
        self._halts: dict[str, str] = {}

    @property
    def counts(self) -> Mapping[str, Counts]:
        """By instrument id: what has been met since the feed was opened."""
        return {name: link.keeper.counts for name, link in self._links.items()}

    def keeper(self, instrument_id: str) -> Keeper:
        """What the feed knows of one instrument's book."""
        return self._links[instrument_id].keeper

    async def open(self, instruments: Sequence[Instrument], sink: MarketSink) -> None:
        assert self._session is None, "opened twice"
        self._sink = sink
        self._session = self._make_session()
        asker = PublicAsker(
            self._session, quirks_of(self._dialect.venue), self._clock, self._budget
        )
        self._owner = TaskOwner(f"{self._dialect.venue} feed", self._on_failure)
        for instrument in instruments:
            link = InstrumentLink(
                instrument,
                self._dialect,
                self._session,
                asker,
                self._clock,
                sink,
                self._limits,
                self._pace,
                self._tap,
            )
            name = instrument.instrument_id
            self._links[name] = link
            self._owner.start(f"{name} stream", link.run_stream())
            self._owner.start(f"{name} books", link.run_books())
            self._owner.start(f"{name} watch", link.run_watch())
        self._owner.start("listing", self._run_listing(list(instruments), asker))

    async def close(self) -> None:
        if self._owner is not None:
            await self._owner.cancel_all()
            self._owner = None
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._budget is not None:
            self._budget.close()

    async def _run_listing(self, instruments: list[Instrument], asker: PublicAsker) -> None:
        while True:
            try:
                question = self._dialect.listing(instruments)
                answer = await asker.get(question.url, question.weight)
                states = self._dialect.read_listing(answer, instruments)
            except (VenueFault, BadInput) as error:
                log.info("%s: no listing: %s", self._dialect.venue, error)
            else:
                for index, (listed, halt) in enumerate(states):
                    self._tell_halt(listed.instrument_id, halt)
                    if listed != instruments[index]:
                        instruments[index] = listed
                        self._tell(InstrumentChanged(instrument=listed))
            await self._clock.sleep(LISTING_NS)

    def _tell_halt(self, instrument_id: str, halt: str) -> None:
        if self._halts.get(instrument_id, "") != halt:
            self._halts[instrument_id] = halt
            self._tell(InstrumentHalted(instrument_id=instrument_id, reason=halt))

    def _tell(self, news: InstrumentChanged | InstrumentHalted | FeedLinkChanged) -> None:
        assert self._sink is not None
        self._sink.on_feed(news)

    def _on_failure(self, failure: Failure) -> None:
        """A loop of ours has died, which none may: nothing of this feed can be relied on."""
        self._tell(
            FeedLinkChanged(state=LinkState.DOWN, reason=f"{failure.name} failed: {failure.error}")
        )
        for link in self._links.values():
            link.keeper.on_lost(f"{failure.name} failed")


def binance_feed(
    venue: str,
    make_session: SessionFactory,
    clock: Clock,
    *,
    budget: RateBudget | None = None,
    limits: GuardLimits | None = None,
    pace: FeedPace | None = None,
    tap: FrameTap | None = None,
) -> StreamFeed:
    """The feed of `binance_spot` or `binance_usdm`. Compiles its kernels where they are not yet."""
    warm_feeds()
    return StreamFeed(
        BinanceFeed(venue),
        make_session,
        clock,
        budget=budget,
        limits=limits,
        pace=pace,
        tap=tap,
    )
