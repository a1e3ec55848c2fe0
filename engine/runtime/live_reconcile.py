"""Asks the venue for its side, feeds what is news through the fold, and compares the rest.

A difference is believed only when it has been the same three times, a second apart, with nothing
under way: balances lag behind fills, and answers cross on the wire.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from engine.core.clock import NS_PER_SECOND, Clock
from engine.core.ids import parse_client_order_id
from engine.core.messages import Message
from engine.domain import reports as r
from engine.domain.claims import BalanceClaim, CashClaim, OrderClaim, PositionClaim, TradeClaim
from engine.domain.errors import BadInput
from engine.domain.events import AnyEvent, HoldChanged
from engine.domain.money import ZERO
from engine.domain.order import Order
from engine.ports.live import Account, VenueFault
from engine.runtime.live_claims import ClaimFolder
from engine.runtime.live_courier import Work
from engine.runtime.live_time import by_venue
from engine.trading import reconcile
from engine.trading.state import MANUAL, TradingState

log = logging.getLogger(__name__)

SAME_TIMES = 3
ROUNDS_MAX = 12
SPOILED_MAX = 4
"""While trading is on, so many rounds that news or orders spoil, and the comparison is put off."""
ROUND_NS = NS_PER_SECOND
HOLE_NS = 60 * NS_PER_SECOND
"""A hole that is older is waited for no more: the comparison tells of what its trades have moved,
and a person can decide."""
OVERLAP_NS = 60 * NS_PER_SECOND
"""Trades are asked for from this long before the newest one that we know."""
FULL_OVERLAP_NS = 25 * 3600 * NS_PER_SECOND
GHOSTS_ASKED = 8
LOST_MISSES = 3
LOST_NS = 30 * NS_PER_SECOND
ORPHAN_NS = 30 * NS_PER_SECOND
"""An order that we have held for gone this long may not be open at the venue: no list of open
orders lags so far behind."""
ORPHAN_LOOKS = 2
"""In so many comparisons in a row it must have been open there."""


class Findings(NamedTuple):
    """The venue's side, as of somewhen between the first question and the last answer."""

    open_orders: Sequence[OrderClaim]
    looked_up: Sequence[OrderClaim]
    trades: Sequence[TradeClaim]
    balances: Sequence[BalanceClaim]
    positions: Sequence[PositionClaim] | None
    cash: Sequence[CashClaim]


class LastOn:
    """When trading was last on, by a ledger. It compares in full every hour: what came later, while
    nobody was there or nothing could be asked, must be asked for at the next start."""

    def __init__(self) -> None:
        self._is_on = False
        self._newest_ns = 0
        self._until_ns = 0

    def follow(self, event: AnyEvent) -> None:
        if isinstance(event, HoldChanged) and not event.instrument_id:
            if self._is_on and event.reason:
                self._until_ns = self._newest_ns
            self._is_on = not event.reason
        self._newest_ns = event.ts_ns

    @property
    def until_ns(self) -> int:
        """0 where it was never on."""
        return self._newest_ns if self._is_on else self._until_ns


class Reconciler:
    def __init__(
        self,
        account: Account,
        state: TradingState,
        folder: ClaimFolder,
        clock: Clock,
        perform: Callable[[Work], Awaitable[None]],
        placing: set[str],
    ) -> None:
        """`perform` puts work before the engine's loop and returns once it is durable."""
        self._account = account
        self._state = state
        self._folder = folder
        self._clock = clock
        self._perform = perform
        self._placing = placing
        self._misses: dict[str, tuple[int, int]] = {}
        """Acknowledged orders that the venue does not know: how often in a row, since when."""
        self._orphans: dict[str, int] = {}
        """Orders that we hold for gone and the venue shows open: how often in a row."""
        self.news = 0
        """Counts what the user stream brings; a comparison across news proves nothing."""
        self.is_owed = False
        """Whether the last run took the orders in and could not compare the money: the answer to a
        placement was outstanding, or orders and news came without a pause."""
        self.cash_asked_ns = 0
        """Until then all movements of cash have been asked for, as far as this ledger knows."""

    def can_compare(self) -> bool:
        """Whether nothing is outstanding that could move money. Asks nobody."""
        return reconcile.is_quiet(self._state) and not self._has_fresh_hole()

    async def run(self, *, full: bool, may_owe: bool) -> str:
        """Compare until both sides agree or differ in the same way for long enough. Returns why
        it could not be finished, or "". VenueFault when the venue cannot be asked.

        `may_owe`: trading is on, and goes on where its orders and news leave no calm."""
        last: reconcile.Differences | None = None
        times = spoiled = 0
        self.is_owed = False
        for _ in range(ROUNDS_MAX):
            news, intents = self.news, self._state.intents
            findings = await self._ask_and_take_in(full=full or last is not None)
            if self._has_fresh_hole():
                spoiled += 1  # Worth waiting for.
            elif not reconcile.is_quiet(self._state):
                # Half a minute, until it is decided; it keeps its own symbol shut meanwhile.
                self.is_owed = True
                return ""
            elif (news, intents) == (self.news, self._state.intents):
                found = reconcile.compare(self._state, findings.positions, findings.balances)
                times = times + 1 if found == last else 1
                last = found
                if not found or times >= SAME_TIMES:
                    await self._perform(partial(self._conclude, findings))
                    return ""
            else:
                spoiled += 1
            if may_owe and spoiled >= SPOILED_MAX:
                self.is_owed = True
                return ""
            await self._clock.sleep(ROUND_NS)
        if may_owe:
            self.is_owed = True
            return ""
        return "the venue's side kept changing while it was compared"

    async def _ask_and_take_in(self, *, full: bool) -> Findings:
        asked_ns = by_venue(self._clock.now_ns(), self._account)
        findings = await self._gather(full=full)
        await self._perform(partial(self._take_in, findings))
        if full:
            self.cash_asked_ns = asked_ns
        await self._take_off_orphans(findings.open_orders)
        return findings

    def _has_fresh_hole(self) -> bool:
        after_ns = self._clock.monotonic_ns() - HOLE_NS
        return any(hole.since_ns > after_ns for hole in self._folder.holes.values())

    # -- asking --------------------------------------------------------------------------------

    async def _gather(self, *, full: bool) -> Findings:
        account, state = self._account, self._state
        started_ns = self._clock.now_ns()
        balances = await account.fetch_balances()
        positions = await account.fetch_positions() if account.traits.has_positions else None
        open_orders = await account.fetch_open_orders()
        trades: list[TradeClaim] = []
        for instrument_id in state.instruments:
            since_ns = self._trades_since_ns(instrument_id, full=full)
            trades += await account.fetch_trades(instrument_id, since_ns=since_ns)
        cash = await account.fetch_cash(self._cash_since_ns()) if full else ()
        open_ids = {claim.client_order_id for claim in open_orders}
        for shown in open_orders:
            owner = self._folder.owner_of(shown)
            if owner is not None:  # It is there: misses of before were the venue's slips.
                self._misses.pop(owner.client_order_id, None)
        wanted = reconcile.vanished(state, open_ids, started_ns)
        wanted += reconcile.ghosts(state, started_ns)[: None if full else GHOSTS_ASKED]
        looked_up = []
        for order in wanted:
            claim = await self._look_up(order)
            if claim is not None:
                looked_up.append(claim)
        return Findings(open_orders, looked_up, trades, balances, positions, cash)

    async def _look_up(self, order: Order) -> OrderClaim | None:
        key = order.client_order_id
        if key in self._placing:
            return None
        claim = await self._account.find_order(order.spec.instrument_id, key)
        if claim is not None or order.status.is_final:
            self._misses.pop(key, None)
            return claim
        now_ns = self._clock.now_ns()
        times, since_ns = self._misses.get(key, (0, now_ns))
        self._misses[key] = times + 1, since_ns
        return None

    def _trades_since_ns(self, instrument_id: str, *, full: bool) -> int:
        books = self._state.accounting
        if books is None:
            return by_venue(self._clock.now_ns() - OVERLAP_NS, self._account)
        opened_ns = by_venue(books.opened_ns, self._account)
        newest_ns = books.newest_trade_ns.get(instrument_id, opened_ns)
        return max(opened_ns, newest_ns - (FULL_OVERLAP_NS if full else OVERLAP_NS))

    def _cash_since_ns(self) -> int:
        books = self._state.accounting
        now_ns = by_venue(self._clock.now_ns(), self._account)
        opened_ns = now_ns if books is None else books.opened_ns
        if opened_ns > now_ns:  # Only then: what moved before the opening is in its balances.
            opened_ns = by_venue(opened_ns, self._account)
        return max(opened_ns, min(now_ns, self.cash_asked_ns) - FULL_OVERLAP_NS)

    # -- taking in -----------------------------------------------------------------------------

    def _take_in(self, found: Findings) -> Iterator[Message]:
        folder, state = self._folder, self._state
        if state.accounting is None:
            yield r.OpeningReport(**folder.stamp(), balances=reconcile.totals_of(found.balances))
        for cash in found.cash:
            yield from folder.fold_cash(cash)
        claims = (*found.open_orders, *found.looked_up)
        for claim in claims:
            folder.introduce(claim)
        for trade in sorted(found.trades, key=lambda one: one.fill.venue_ns):
            yield from folder.fold_trade(trade)
        for claim in claims:
            yield from folder.fold_order(claim)
        yield from self._lost()
        strangers = [claim for claim in found.open_orders if folder.owner_of(claim) is None]
        foreign = reconcile.foreign_of(strangers)
        if foreign or state.foreign:
            yield r.ForeignReport(**folder.stamp(), orders=foreign)

    def _lost(self) -> Iterator[r.AbsentReport]:
        """Orders that the venue had confirmed and now denies, often and long enough."""
        now_ns = self._clock.now_ns()
        for key, (times, since_ns) in list(self._misses.items()):
            order = self._state.orders.get(key)
            if order is None:
                del self._misses[key]
            elif times >= LOST_MISSES and now_ns - since_ns >= LOST_NS and not order.suspect:
                yield r.AbsentReport(**self._folder.stamp(), client_order_id=key)

    # -- what we hold for gone -----------------------------------------------------------------

    async def _take_off_orphans(self, open_orders: Sequence[OrderClaim]) -> None:
        """Cancel orders of ours that the books have ended and the venue still works: no reservation
        is kept for them, and no desk tends them. The next comparison tells whether it worked."""
        now_ns = self._clock.now_ns()
        found = [claim for claim in open_orders if self._is_orphan(claim, now_ns)]
        self._orphans = {
            claim.client_order_id: self._orphans.get(claim.client_order_id, 0) + 1
            for claim in found
        }
        for claim in found:
            key = claim.client_order_id
            if self._orphans[key] >= ORPHAN_LOOKS:
                await self._take_off(claim)
                self._orphans[key] = 0

    def _is_orphan(self, claim: OrderClaim, now_ns: int) -> bool:
        """Whether it is an order of this very ledger, by both ids, that has long ended here. A
        stranger's may bear an id of ours again."""
        order = self._folder.owner_of(claim)
        if order is None or not order.status.is_final:
            return False
        ids = order.client_order_id, order.venue_order_id
        is_it = ids == (claim.client_order_id, claim.venue_order_id)
        is_old = now_ns - order.updated_ns > ORPHAN_NS
        return is_it and is_old and _is_of(self._state.salt, order.client_order_id)

    async def _take_off(self, claim: OrderClaim) -> None:
        key = claim.client_order_id
        order = self._state.find_order(key)
        if order is None:
            return
        words = f"it had ended here ({order.status}) and is open at the venue: it is cancelled"
        log.error("order %s: %s", key, words)

        def tell() -> Iterator[Message]:
            yield r.DoubtReport(**self._folder.stamp(), client_order_id=key, words=words)

        await self._perform(tell)
        try:
            outcome = await self._account.cancel(order.spec.instrument_id, key)
        except VenueFault as fault:
            log.warning("order %s: its cancel failed: %s", key, fault.words)
            return
        if isinstance(outcome, OrderClaim):  # It may tell of trades that nobody has brought.
            await self._perform(partial(self._folder.fold_order, outcome))

    # -- telling -------------------------------------------------------------------------------

    def _conclude(self, found: Findings) -> Iterator[Message]:
        """Tell the desks what the venue holds, where it agrees as well: that ends incidents."""
        state, folder = self._state, self._folder
        folder.forget_ended()
        totals = reconcile.totals_of(found.balances)
        assets = reconcile.compared_assets(state)
        if state.accounting is not None:
            yield r.BalanceReport(
                **folder.stamp(),
                totals={asset: totals.get(asset, ZERO) for asset in assets},
            )
        if found.positions is None:
            return
        held = {claim.instrument_id: claim.lots for claim in found.positions}
        for instrument_id in state.instruments:
            missing = held.get(instrument_id, 0) - state.net_lots.get(instrument_id, 0)
            ours = state.position(MANUAL, instrument_id).lots
            yield r.PositionReport(
                **folder.stamp(), bot_id=MANUAL, instrument_id=instrument_id, lots=ours + missing
            )


def _is_of(salt: int, client_order_id: str) -> bool:
    """Whether an id was made by the ledger with this salt."""
    try:
        return parse_client_order_id(client_order_id).salt == salt
    except BadInput:
        return False
