"""Live trading: the same trader, a real venue, one loop.

Everything that happens (news of the account, answers, rows, commands, timers) becomes messages of
one batch, in the order in which paper has them. A batch's events are durable before its requests
leave and before any face sees them. Nothing but this loop touches the trader; tasks that talk to
the venue hand their findings in as work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

import msgspec

from engine.core.clock import NS_PER_SECOND
from engine.core.inbox import Inbox, InboxFull, Lane, Overflow, Policy
from engine.core.memory import sweep_memory
from engine.core.messages import Hold, MarketAdvanced, Message, TimersDue
from engine.core.tasks import Failure, TaskOwner
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain import reports as r
from engine.domain import snapshots as s
from engine.domain.claims import AccountNews, CashClaim, OrderClaim, TradeClaim
from engine.domain.errors import ConfigError, WorkFailed
from engine.kernels import layout as k
from engine.ports.live import (
    Account,
    DeadMan,
    InstrumentChanged,
    MarketFeed,
    UserLinkChanged,
    VenueFault,
)
from engine.ports.venue import Submit, VenueRequest
from engine.runtime.live_claims import ClaimFolder
from engine.runtime.live_courier import Courier, Work
from engine.runtime.live_guard import WriteGuard
from engine.runtime.live_holds import HoldPace
from engine.runtime.live_keeper import Keeper, KeyJudge, may_trade
from engine.runtime.live_market import LiveMarkets
from engine.runtime.live_receipts import Receipts
from engine.runtime.live_reconcile import LastOn, Reconciler
from engine.runtime.live_time import Bell, SteadyClock
from engine.runtime.paper import PROMPT_NS, PUBLISH_NS, Bridge
from engine.runtime.publisher import Pacing, Publisher
from engine.runtime.trader import BotSpec, Outbox, Trader
from engine.trading.state import TradingState

log = logging.getLogger(__name__)

STARTING = "the engine is starting"
ANSWERS_NS_MAX = 12 * NS_PER_SECOND
"""A clean stop waits so long for answers to placements: longer than any request takes."""
WORK_PER_TURN = 512
_URGENT = (c.Kill, c.CancelAll, c.Flatten)
"""Nothing that these take off waits behind an attempt of before."""
_MARKET_REASONS = k.WAKE_TOP | k.WAKE_TRADE | k.WAKE_BAR

_POLICIES = {
    # The account's news and what tasks found out: never dropped. If there is no room, as where a
    # disk hangs, the engine ends loudly: a restart asks the venue for everything.
    "work": Policy(lane=Lane.ORDERS, overflow=Overflow.NEVER_DROP, capacity=65_536),
    # Market data lies in the books already: one note per instrument that there is something new.
    "market": Policy(lane=Lane.MARKET, overflow=Overflow.CONFLATE, capacity=1024),
}


class LiveJournal(Protocol):
    """The journal as a live engine uses it; awaiting must not need a thread of the engine's."""

    async def commit(self, events: Sequence[e.AnyEvent]) -> None:
        """Return once `events` are durable. Raises LedgerError when they cannot be."""

    def replay(self) -> Iterator[e.AnyEvent]: ...


class LivePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a live engine behaves; the composition's business."""

    mode: s.Mode
    profile: str
    world_words: str
    cancels_on_stop: bool = False
    """A clean stop cancels every order that is not protective; otherwise all stay at the venue."""
    idle_ns: int = 20_000_000
    """How long the loop waits at most before it looks for commands."""
    publish_ns: int = PUBLISH_NS
    """At most this often a snapshot is made."""
    maker_rate: Decimal | None = None
    taker_rate: Decimal | None = None


class StopReceipt(NamedTuple):
    """What a clean stop leaves at the venue, as the venue tells it."""

    words: str
    left: list[str]


class LiveRuntime:
    """Owns the loop; see the module. Implements `engine.ports.live.AccountSink`."""

    def __init__(
        self,
        *,
        trader: Trader,
        account: Account,
        feed: MarketFeed,
        markets: LiveMarkets,
        journal: LiveJournal,
        clock: SteadyClock,
        bridge: Bridge,
        policy: LivePolicy,
        judge_key: KeyJudge = may_trade,
    ) -> None:
        """`clock` must be the one that `account`, `feed` and `markets` were given."""
        self._trader = trader
        self._account = account
        self._feed = feed
        self._markets = markets
        self._journal = journal
        self._clock = clock
        self._bridge = bridge
        self._policy = policy
        self._guard = WriteGuard()
        self._hold_pace = HoldPace()
        self._inbox: Inbox[Work] = Inbox(_POLICIES)
        self._poked = Bell()
        self._failed: list[Failure] = []
        self._turned_ns = clock.monotonic_ns()
        self._shown_ns = -PUBLISH_NS
        self._performed: list[asyncio.Future[None]] = []
        """Who waits for work of this turn to be durable."""
        self._is_leaving = False
        self.stop_receipt: StopReceipt | None = None
        self.folder = ClaimFolder(trader.state, clock)
        self._tasks = TaskOwner("live", self._note_failure)
        self._courier = Courier(
            account,
            trader.state,
            self.folder,
            clock,
            self.post,
            self._note_fault,
            lambda: self.keeper.note_answer(),
            self._tasks,
            markets.unbookable,
        )
        self._reconciler = Reconciler(
            account, trader.state, self.folder, clock, self.perform, self._courier.placing
        )
        self.keeper = Keeper(
            account,
            clock,
            self,
            self._reconciler,
            self.poke,
            lambda: self._turned_ns,
            [view.instrument for view in markets.views.values()],
            lambda instrument: markets.on_feed(InstrumentChanged(instrument=instrument)),
            judge_key,
        )
        self._receipts = Receipts(
            account,
            trader.state,
            self.folder,
            clock,
            self.perform,
            lambda: self.keeper.ties.stage is not s.LinkStage.HALTED,
        )
        self.publisher = Publisher(trader, lambda _: -1, self._fee_rates)
        markets.on_change = self._note_market

    @property
    def state(self) -> TradingState:
        return self._trader.state

    # -- life ----------------------------------------------------------------------------------

    async def open(self, session: e.SessionStarted, bots: Sequence[BotSpec]) -> bool:
        """Start a new ledger or resume the one found; True when it was resumed. No bot acts yet.

        ConfigError when the ledger belongs to another world (venue or key).
        """
        self._trader.restore(self._journal.replay())
        if self.state.events == 0:
            self._trader.begin(session, bots, STARTING)
            await self._commit(self._trader.drain())
            return False
        if self.state.world != session.world:
            raise ConfigError(
                f"ledger: it belongs to {self.state.world}, not to {session.world}: "
                "use another --profile, or the same venue and key"
            )
        self._clock.raise_to(self.state.last_ns)
        self._trader.resume(self._clock.now_ns(), STARTING)
        last_on = LastOn()
        for event in self._journal.replay():
            self._guard.follow(event)
            self.publisher.remember([event])
            last_on.follow(event)
        self._reconciler.cash_asked_ns = last_on.until_ns
        await self._commit(self._trader.drain())
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Trade until `stop` is set, then take leave as the policy says.

        WorkFailed when a part of the engine has died; the ledger's error when it cannot be
        written: then nothing more leaves for the venue.
        """
        self.folder.recall()
        self._courier.resume()
        try:
            async with self._tasks:
                await self._feed.open(
                    [view.instrument for view in self._markets.views.values()], self._markets
                )
                self._tasks.start("keeper", self.keeper.run())
                if self._account.traits.dead_man is DeadMan.VENUE_TIMER:
                    self._tasks.start("dead man", self.keeper.keep_alive())
                while not stop.is_set():
                    await self._take_turn()
                    self._raise_failures()
                await self._take_leave()
        finally:
            await self._feed.close()
            await self._account.close()
        self._publish(0)

    async def _take_leave(self) -> None:
        """Go on turning until the venue has confirmed what is left, and has answered what was
        placed meanwhile: positions are closed to the last turn."""
        self._is_leaving = True
        leaving = self._tasks.start("leave", self._leave(), may_return=True)
        while not leaving.done():
            await self._take_turn()
            self._raise_failures()
        until_ns = self._clock.monotonic_ns() + ANSWERS_NS_MAX
        while self._courier.placing and self._clock.monotonic_ns() < until_ns:
            await self._take_turn()
            self._raise_failures()

    async def _leave(self) -> None:
        until_ns = self._clock.monotonic_ns() + ANSWERS_NS_MAX
        while self._courier.placing and self._clock.monotonic_ns() < until_ns:
            await self._clock.sleep(self._policy.idle_ns)
        words, left = await self._receipts.take_leave(
            cancels=self._policy.cancels_on_stop, command=self._command_of_stop
        )
        has_timer = self._account.traits.dead_man is DeadMan.VENUE_TIMER
        if has_timer and (left or self.keeper.ties.timer_ns):
            # It would take off what stays on purpose, and what others have placed.
            await self.keeper.end_renewals()
            words += await self._receipts.take_off_timer()
        self.stop_receipt = StopReceipt(words, left)

    async def _command_of_stop(self, command: c.AnyCommand) -> None:
        await self.perform(lambda: [command])
        self._courier.hurry()

    # -- what comes in -------------------------------------------------------------------------

    def poke(self) -> None:
        """Let the loop turn now."""
        self._poked.set()

    def post(self, work: Work) -> None:
        """Put work before the loop. What it does not take, somebody waits for in vain: the engine
        ends then, and the next one asks the venue for everything."""
        try:
            self._inbox.put("work", work)
        except InboxFull as error:
            if not self._failed:
                log.critical("the engine ends: %s", error)
                self._note_failure(Failure("inbox", error))
        self.poke()

    async def perform(self, work: Work) -> None:
        """Put work before the loop and return once what it led to is durable."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def watched() -> Iterator[Message]:
            yield from work()
            self._performed.append(done)

        self.post(watched)
        await done

    def on_account(self, news: AccountNews, received_ns: int) -> None:
        self._reconciler.news += 1
        match news:
            case TradeClaim():
                self.post(lambda: self.folder.fold_trade(news))
            case OrderClaim():
                self.post(lambda: self._take_order(news))
            case CashClaim():
                self.post(lambda: self.folder.fold_cash(news))
            case _:
                pass  # Balances and positions lag behind trades: they are asked for, see reconcile.

    def _take_order(self, claim: OrderClaim) -> Iterator[Message]:
        if self.folder.owner_of(claim) is None:
            # Somebody else's, or one of ours whose intent this ledger has lost.
            self.keeper.hasten()
        yield from self.folder.fold_order(claim)

    def on_user_link(self, news: UserLinkChanged) -> None:
        self.keeper.note_user_link(news)

    def _note_fault(self, fault: VenueFault) -> None:
        self.keeper.note_fault(fault)

    def _note_market(self, instrument_id: str) -> None:
        self._inbox.put("market", _nothing, key=instrument_id)
        self.poke()

    def _note_failure(self, failure: Failure) -> None:
        self._failed.append(failure)
        self.poke()

    def _raise_failures(self) -> None:
        if self._failed:
            name, error = self._failed[0]
            raise WorkFailed(f"{name} failed: {type(error).__name__}: {error}") from error

    # -- the loop --------------------------------------------------------------------------------

    async def _take_turn(self) -> None:
        """Wait for something to do, make one batch of it, let its requests out."""
        now_ns = self._clock.now_ns()
        idle_ns = min(self._trader.next_timer_ns - now_ns, self._policy.idle_ns)
        if not self._poked.is_set() and idle_ns > 0:
            sweep_memory()
            await self._poked.wait(self._clock, idle_ns)
        else:
            await asyncio.sleep(0)
        self._poked.clear()
        self._turned_ns = self._clock.monotonic_ns()
        commands = self._bridge.take_commands()
        self._bridge.take_crash()  # A real market has no such button.
        await self._commit(self._batch(commands))
        for waiting in self._performed:
            if not waiting.done():
                waiting.set_result(None)
        self._performed.clear()
        if any(isinstance(command, _URGENT) for command in commands):
            self._courier.hurry()
        # Cancels first: whoever asks what is left may find nothing.
        self._courier.tend()
        self._receipts.watch(commands, self._tasks)
        self._publish(min(PROMPT_NS, self._policy.publish_ns) if commands else -1)

    def _batch(self, commands: Sequence[c.AnyCommand]) -> Outbox:
        """One instant: what stops or frees trading, for a bot may act on any news; news and
        answers, the market, commands, timers."""
        trader = self._trader
        now_ns = max(self._clock.now_ns(), trader.state.last_ns)
        for hold in self._holds():
            trader.process(hold, now_ns)
        for work in self._inbox.drain(WORK_PER_TURN):
            for message in work():
                trader.process(message, now_ns)
        if len(self._inbox):
            self.poke()
        for instrument in self._markets.changed.values():
            rules = r.RulesReport(**self.folder.stamp(), instrument=instrument)
            trader.process(rules, now_ns)
        self._markets.changed.clear()
        mask = trader.wake_mask & _MARKET_REASONS
        for instrument_id, reasons in self._markets.reasons.items():
            self._markets.reasons[instrument_id] = 0
            if reasons & mask:
                moved = MarketAdvanced(instrument_id=instrument_id, reasons=reasons & mask)
                trader.process(moved, now_ns)
        for command in commands:
            trader.process(command, now_ns)
        trader.process(TimersDue(), now_ns)
        return trader.drain()

    def _holds(self) -> Iterator[Hold]:
        """What has changed about where trading is on, and is worth an event."""
        held, ties = self.state.holds, self.keeper.ties
        words = "" if ties.stage is s.LinkStage.TRADING else ties.words
        if self._is_leaving:
            words = "the engine is stopping"
        now_ns = self._turned_ns
        if self._hold_pace.lets("", held.get("", ""), words, now_ns):
            yield Hold(instrument_id="", reason=words)
        for instrument_id, trouble in self._markets.troubles.items():
            words = trouble.words
            if self._hold_pace.lets(instrument_id, held.get(instrument_id, ""), words, now_ns):
                yield Hold(instrument_id=instrument_id, reason=words)

    async def _commit(self, outbox: Outbox) -> None:
        """Durable first, then visible, then on the wire."""
        if not outbox.events:
            assert not outbox.requests, "a request without an event behind it"
            return
        self._guard.check(outbox.events)
        await self._journal.commit(outbox.events)
        self.publisher.remember(outbox.events)
        self._courier.send([self._for_wire(request) for request in outbox.requests])

    def _for_wire(self, request: VenueRequest) -> VenueRequest:
        """A futures venue knows one position, the sum of all books: it would refuse to reduce what
        another book has evened out. Such an order goes out plain, if it and the book's other
        reducing orders together are no more than the book holds."""
        if not isinstance(request, Submit) or not request.spec.reduce_only:
            return request
        spec, state = request.spec, self.state
        towards = -spec.side.sign
        held = towards * state.position(request.bot_id, spec.instrument_id).lots
        net = towards * state.net_lots.get(spec.instrument_id, 0)
        promised = sum(
            order.leaves_lots
            for order in state.bot_orders(request.bot_id).values()
            if order.spec.reduce_only
            and (order.spec.instrument_id, order.spec.side) == (spec.instrument_id, spec.side)
        )
        if net >= spec.qty_lots or promised > held:
            return request
        plain = msgspec.structs.replace(spec, reduce_only=False)
        return msgspec.structs.replace(request, spec=plain)

    # -- faces -----------------------------------------------------------------------------------

    def _fee_rates(self, instrument_id: str) -> tuple[Decimal | None, Decimal | None]:
        return self._policy.maker_rate, self._policy.taker_rate

    def _publish(self, after_ns: int = -1) -> None:
        """Show a snapshot, unless the last one was shown less than `after_ns` ago; -1: as often
        as the policy allows."""
        now_ns = self._clock.monotonic_ns()
        if after_ns < 0:
            after_ns = self._policy.publish_ns
        if now_ns - self._shown_ns >= after_ns:
            self._shown_ns = now_ns
            self._bridge.show(self.snapshot())

    def snapshot(self) -> s.EngineSnapshot:
        policy = self._policy
        return self.publisher.render(
            Pacing(
                mode=policy.mode,
                profile=policy.profile,
                world=policy.world_words,
                speed=Decimal(1),
                feed_age_ms=(self._clock.monotonic_ns() - self._markets.moved_ns) // 1_000_000,
                has_ended=False,
                halted=self._halted_words(),
                wall_ns=self._clock.now_ns(),
                link=self.link(),
            )
        )

    def _halted_words(self) -> str:
        ties = self.keeper.ties
        return ties.words if ties.stage is s.LinkStage.HALTED else ""

    def link(self) -> s.LinkSnapshot:
        ties = self.keeper.ties
        offset_ns = ties.offset_ns
        return s.LinkSnapshot(
            stage=ties.stage,
            words=ties.words,
            since_ns=ties.since_ns,
            venue=self._account.venue,
            user_stream=str(ties.user),
            feeds=[
                s.FeedLinkSnapshot(
                    instrument_id=key, state=str(state), trouble=self._markets.troubles[key].words
                )
                for key, state in self._markets.links.items()
            ],
            clock_offset_ms=None if offset_ns is None else offset_ns // 1_000_000,
            reconciled_ns=ties.reconciled_ns,
            unanswered=len(self.state.unanswered),
            foreign=len(self.state.foreign),
            dead_man=str(self._account.traits.dead_man),
            dead_man_words=self.keeper.dead_man_words(),
            key_words=ties.key_words,
        )


def _nothing() -> Sequence[Message]:
    """A note that there are new rows; they lie in the books already."""
    return ()
