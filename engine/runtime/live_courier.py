"""Carries requests to the venue and finds out what became of them. It decides nothing.

What is to be done is read from the state alone (cancels asked for, placements without an answer,
quantities that our fills do not explain), so a restart goes on where the last engine stopped. Only
placements are different: each is sent once, by the engine that intended it, and never again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from engine.core.clock import NS_PER_SECOND, Clock
from engine.core.messages import Message
from engine.core.tasks import TaskOwner
from engine.domain import reports as r
from engine.domain.claims import OrderClaim, TradeClaim
from engine.domain.order import Order, OrderStatus, Pending
from engine.ports.live import (
    Account,
    CancelOutcome,
    FaultKind,
    NotWorking,
    Placed,
    PlaceOutcome,
    Refused,
    Unanswered,
    VenueFault,
)
from engine.ports.venue import Submit, VenueRequest
from engine.runtime.live_claims import ClaimFolder, lacking
from engine.runtime.live_time import by_venue
from engine.trading.state import TradingState

T = TypeVar("T")

log = logging.getLogger(__name__)

Work = Callable[[], Iterable[Message]]
"""Messages in the making: each is asked for once the one before has been processed."""

QUIET_NS = 30 * NS_PER_SECOND
"""How long a placement without an answer must have been asked about before it counts as absent."""
MISSES_MIN = 3
ASK_NS = tuple(int(seconds * NS_PER_SECOND) for seconds in (0.5, 1, 2, 4))
"""Pauses between questions about one order; the last one stays."""
CANCEL_NS = tuple(int(seconds * NS_PER_SECOND) for seconds in (0.25, 0.5, 1, 2, 4))
CANCEL_PATIENCE_NS = 2 * NS_PER_SECOND
"""A cancel without an answer for so long is sent once more beside it, then after twice as long, and
so on: on a connection that is dead and does not know it, the first would be heard of never."""
MEND_GRACE_NS = 300_000_000
"""Trades come with the claim, or just behind it: this long nobody fetches them."""
MEND_TRIES = 12
KEY_PAUSE_NS = 20 * NS_PER_SECOND
"""A refused key is not worth asking with."""
LIMIT_PAUSE_NS = 2 * NS_PER_SECOND
TRADE_MARGIN_NS = 10 * NS_PER_SECOND
"""Clocks differ: trades of an order are looked for from this long before its intent."""


class Errand:
    """One task that asks for one order's cancel, until the order is gone or it is overtaken."""

    def __init__(self, patience_ns: int) -> None:
        """An answer that takes longer than `patience_ns` is not waited for alone."""
        self.patience_ns = patience_ns
        self.asked_ns = 0
        """When it last asked (monotonic)."""
        self.is_asking = False

    def is_overdue(self, now_ns: int) -> bool:
        return self.is_asking and now_ns - self.asked_ns > self.patience_ns


class Courier:
    def __init__(
        self,
        account: Account,
        state: TradingState,
        folder: ClaimFolder,
        clock: Clock,
        post: Callable[[Work], None],
        note_fault: Callable[[VenueFault], None],
        note_answer: Callable[[], None],
        tasks: TaskOwner,
        unbookable: Callable[[str], str],
    ) -> None:
        """`post` puts work before the engine's loop; `note_fault` hears of every question and
        request that failed, `note_answer` of every one that was answered; `unbookable` says why the
        fills of an instrument could not be counted ("": they can), and nothing is placed there."""
        self._account = account
        self._state = state
        self._folder = folder
        self._clock = clock
        self._post = post
        self._note_fault = note_fault
        self._note_answer = note_answer
        self._tasks = tasks
        self._unbookable = unbookable
        self.placing: set[str] = set()
        """Placements whose answer this engine is waiting for."""
        self._tended: set[tuple[str, str]] = set()
        """(what is done, about which order): at most one task each."""
        self._cancelling: dict[str, Errand] = {}
        """Whose task it is to get an order cancelled."""
        self._decided_ns: dict[str, int] = {}
        self.refusals_in_a_row = 0

    # -- from the trader -----------------------------------------------------------------------

    def send(self, requests: Sequence[VenueRequest]) -> None:
        """Let placements leave. Cancels need no sending: `tend` finds them in the state."""
        for request in requests:
            if isinstance(request, Submit):
                self.placing.add(request.client_order_id)
                self._start("place", request.client_order_id, partial(self._place, request))

    def resume(self) -> None:
        """After a restart: what was on its way then may have arrived or not."""
        for order in list(self._state.orders.values()):
            if order.status is OrderStatus.INTENT and order.pending is not Pending.UNKNOWN:
                words = "the engine stopped before it heard the answer"
                self._post(self._unknown(order.client_order_id, words))

    def tend(self) -> None:
        """Start what the state asks for and nobody is doing yet. Cheap while there is nothing."""
        now_ns = self._clock.monotonic_ns()
        # Sorted: sets of texts have another order in every process, and this one is seen outside.
        for key in sorted(self._state.cancels_asked):
            errand = self._cancelling.get(key)
            if errand is None:
                self._begin_cancel(key, CANCEL_PATIENCE_NS)
            elif errand.is_overdue(now_ns):
                self._begin_cancel(key, 2 * errand.patience_ns)
        for key in sorted(self._state.unanswered):
            self._start("resolve", key, partial(self._resolve, key))
        if self._folder.holes:
            before_ns = now_ns - MEND_GRACE_NS
            for hole in lacking(self._folder.holes, before_ns):
                owner = self._folder.owner_of(hole.claim)
                if owner is not None:
                    key = owner.client_order_id
                    self._start("mend", key, partial(self._mend, key))
        for key in self._folder.strange:
            self._start("understand", key, partial(self._understand, key))

    def _start(self, what: str, key: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if (what, key) not in self._tended:
            self._tended.add((what, key))
            self._tasks.start(f"{what} {key}", self._run(what, key, work()), may_return=True)

    async def _run(self, what: str, key: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self._tended.discard((what, key))

    # -- placements ----------------------------------------------------------------------------

    async def _place(self, submit: Submit) -> None:
        key = submit.client_order_id
        sent_ns = self._clock.now_ns()
        window_ns = self._account.traits.receive_window_ns
        words = self._unbookable(submit.spec.instrument_id)
        try:
            outcome: PlaceOutcome = (
                Refused(kind=FaultKind.REFUSED, reason=words, was_sent=False)
                if words
                else await self._account.place(submit)
            )
        except VenueFault as fault:
            self._note_fault(fault)
            outcome = Unanswered(
                kind=fault.kind, reason=fault.words, decided_ns=sent_ns + window_ns
            )
        except Exception as error:
            # Whatever it was, bytes may have left: only asking will tell.
            log.exception("placing %s failed", key)
            outcome = Unanswered(
                kind=FaultKind.MALFORMED,
                reason=type(error).__name__,
                decided_ns=sent_ns + window_ns,
            )
        if isinstance(outcome, Placed):
            self._note_answer()
        elif not _is_own_throttle(outcome):
            self._note_fault(VenueFault(outcome.kind, outcome.reason))
        self._post(lambda: self._take_placed(key, outcome))

    def _take_placed(self, key: str, outcome: PlaceOutcome) -> Iterator[Message]:
        self.placing.discard(key)
        match outcome:
            case Placed(order=order, trades=trades):
                self.refusals_in_a_row = 0
                for trade in trades:
                    yield from self._folder.fold_trade(trade)
                yield from self._folder.fold_order(order)
            case Refused(reason=reason):
                self.refusals_in_a_row += 1
                known = self._state.orders.get(key)
                if known is not None and known.status is OrderStatus.INTENT:
                    yield r.RejectReport(**self._folder.stamp(), client_order_id=key, reason=reason)
            case Unanswered(reason=reason, decided_ns=decided_ns):
                known = self._state.orders.get(key)
                if known is not None and known.status is OrderStatus.INTENT:
                    self._decided_ns[key] = decided_ns
                    yield from self._unknown(key, reason)()

    def _unknown(self, key: str, reason: str) -> Work:
        def work() -> Iterator[Message]:
            order = self._state.orders.get(key)
            if order is not None and order.status is OrderStatus.INTENT:
                yield r.UnknownReport(**self._folder.stamp(), client_order_id=key, reason=reason)

        return work

    async def _resolve(self, key: str) -> None:
        """Ask until it is known what became of a placement."""
        since_ns = self._clock.now_ns()
        decided_ns = self._decided_ns.pop(
            key, since_ns + self._account.traits.receive_window_ns + NS_PER_SECOND
        )
        misses = 0
        for pause_ns in _pauses(ASK_NS):
            await self._clock.sleep(pause_ns)
            order = self._state.orders.get(key)
            if order is None or order.pending is not Pending.UNKNOWN:
                return
            now_ns = self._clock.now_ns()
            claim = await self._ask(self._account.find_order(order.spec.instrument_id, key))
            if isinstance(claim, VenueFault):
                await self._clock.sleep(_pause_after(claim, self._clock))
                continue
            if claim is not None:
                self._post_claims([], [claim])
                continue
            if now_ns < decided_ns or now_ns - order.created_ns < QUIET_NS:
                continue
            misses += 1
            if misses >= MISSES_MIN and await self._has_no_trades(order):
                self._post(lambda: self._absent(key))
                await self._clock.sleep(ASK_NS[-1])

    async def _has_no_trades(self, order: Order) -> bool:
        """Whether no trade since the intent can be this order's."""
        trades = await self._ask(
            self._account.fetch_trades(
                order.spec.instrument_id,
                since_ns=by_venue(order.created_ns - TRADE_MARGIN_NS, self._account),
            )
        )
        if isinstance(trades, VenueFault):
            return False
        owners = [self._folder.owner_of(trade) for trade in trades]
        if any(one is not None and one.client_order_id == order.client_order_id for one in owners):
            self._post_claims(trades, [])
            return False
        # A trade of somebody unknown, on our side, could be it: the venue gives no name.
        return not any(
            owner is None and not trade.client_order_id and trade.side is order.spec.side
            for trade, owner in zip(trades, owners, strict=True)
        )

    def _absent(self, key: str) -> Iterator[Message]:
        order = self._state.orders.get(key)
        if order is not None and order.pending is Pending.UNKNOWN:
            yield r.AbsentReport(**self._folder.stamp(), client_order_id=key)

    # -- cancels -------------------------------------------------------------------------------

    def hurry(self) -> None:
        """Somebody wants orders off now: no cancel goes on waiting for an answer that does not
        come, nor for the end of a pause. What was asked for a moment ago is under way already."""
        before_ns = self._clock.monotonic_ns() - CANCEL_NS[0]
        for key, errand in list(self._cancelling.items()):
            if errand.asked_ns < before_ns:
                del self._cancelling[key]  # `tend` sends another one; the old one goes home.

    def _begin_cancel(self, key: str, patience_ns: int) -> None:
        errand = self._cancelling[key] = Errand(patience_ns)
        self._tasks.start(f"cancel {key}", self._cancel(key, errand), may_return=True)

    async def _cancel(self, key: str, errand: Errand) -> None:
        try:
            await self._ask_until_gone(key, errand)
        finally:
            if self._cancelling.get(key) is errand:
                del self._cancelling[key]

    async def _ask_until_gone(self, key: str, errand: Errand) -> None:
        """Ask the venue until the order is known to be gone. Cancelling twice does no harm."""
        for pause_ns in _pauses(CANCEL_NS):
            order = self._state.orders.get(key)
            is_asked = key in self._state.cancels_asked
            if order is None or not is_asked or self._cancelling.get(key) is not errand:
                return
            errand.asked_ns, errand.is_asking = self._clock.monotonic_ns(), True
            fault = await self._ask_to_cancel(order)
            errand.is_asking = False
            wait_ns = pause_ns if fault is None else _pause_after(fault, self._clock)
            await self._clock.sleep(max(pause_ns, wait_ns))

    async def _ask_to_cancel(self, order: Order) -> VenueFault | None:
        """One request; what it met that calls for patience, or None."""
        try:
            outcome: CancelOutcome = await self._account.cancel(
                order.spec.instrument_id, order.client_order_id
            )
        except VenueFault as fault:
            outcome = Unanswered(kind=fault.kind, reason=fault.words, decided_ns=0)
        match outcome:
            case OrderClaim():
                self._note_answer()
                self._post_claims([], [outcome])
                return None
            case NotWorking():
                self._note_answer()
                await self._look_up(order)
                return None
            case Refused(until_ns=until_ns):
                met = VenueFault(outcome.kind, outcome.reason, until_ns=until_ns)
            case Unanswered():
                met = VenueFault(outcome.kind, outcome.reason)
        self._note_fault(met)
        return met

    async def _look_up(self, order: Order) -> None:
        claim = await self._ask(
            self._account.find_order(order.spec.instrument_id, order.client_order_id)
        )
        if isinstance(claim, OrderClaim):
            self._post_claims([], [claim])

    # -- what the venue says and we cannot explain yet -----------------------------------------

    async def _mend(self, key: str) -> None:
        """Fetch the trades that a claim tells of and nobody has brought."""
        for tried, pause_ns in enumerate(_pauses(ASK_NS)):
            hole, order = self._folder.holes.get(key), self._state.find_order(key)
            if hole is None or order is None:
                return
            trades = await self._ask(
                self._account.fetch_trades(
                    order.spec.instrument_id, venue_order_id=hole.claim.venue_order_id
                )
            )
            if isinstance(trades, VenueFault):
                await self._clock.sleep(_pause_after(trades, self._clock))
            else:
                self._post_claims(trades, [hole.claim])
            if tried == MEND_TRIES:
                filled, told = order.filled_lots, hole.claim.filled_lots
                self._post_doubt(key, f"{told} lots have traded, its trades tell of {filled}")
            await self._clock.sleep(pause_ns)

    async def _understand(self, key: str) -> None:
        """A status that we have no word for: ask again, and then tell a person."""
        for tried, pause_ns in enumerate(_pauses(ASK_NS)):
            claim, order = self._folder.strange.get(key), self._state.orders.get(key)
            if claim is None or order is None:
                self._folder.strange.pop(key, None)
                return
            if tried == MISSES_MIN:
                self._post_doubt(key, f"a status that is not understood: {claim.words}")
            await self._look_up(order)
            await self._clock.sleep(pause_ns if tried < MISSES_MIN else QUIET_NS)

    def _post_doubt(self, key: str, words: str) -> None:
        def work() -> Iterator[Message]:
            yield r.DoubtReport(**self._folder.stamp(), client_order_id=key, words=words)

        self._post(work)

    # -- tools ---------------------------------------------------------------------------------

    def _post_claims(self, trades: Sequence[TradeClaim], orders: Sequence[OrderClaim]) -> None:
        def work() -> Iterator[Message]:
            for trade in trades:
                yield from self._folder.fold_trade(trade)
            for order in orders:
                yield from self._folder.fold_order(order)

        self._post(work)

    async def _ask(self, question: Coroutine[Any, Any, T]) -> T | VenueFault:
        try:
            answer = await question
        except VenueFault as fault:
            self._note_fault(fault)
            return fault
        self._note_answer()
        return answer


def _pauses(pauses_ns: Sequence[int]) -> Iterator[int]:
    yield from pauses_ns
    while True:
        yield pauses_ns[-1]


def _is_own_throttle(outcome: Refused | Unanswered) -> bool:
    """Our own rate budget had no room: the order is refused, and the venue is as it was."""
    return (
        isinstance(outcome, Refused) and outcome.kind is FaultKind.LIMITED and not outcome.was_sent
    )


def _pause_after(fault: VenueFault, clock: Clock) -> int:
    """How long to leave the venue alone after `fault`; 0 for the usual pause."""
    if fault.kind is FaultKind.KEY:
        return KEY_PAUSE_NS
    if fault.kind in (FaultKind.LIMITED, FaultKind.BANNED):
        return max(fault.until_ns - clock.now_ns(), LIMIT_PAUSE_NS)
    return 0
