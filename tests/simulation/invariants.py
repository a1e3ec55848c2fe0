"""What must hold, whatever happens: I1 to I12 of the design, each checked where it could break.

The checker believes nobody: it reads the journal's events as they become durable, the requests as
they arrive at the venue, and the venue's own books, and keeps a picture of its own from those. None
of the engine's rules is used to judge the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import product

from engine.domain import events as e
from engine.domain.claims import CashClaim, ClaimStatus
from engine.domain.commands import KillLevel
from engine.domain.incident import Incident, IncidentKind
from engine.domain.instrument import InstrumentKind
from engine.domain.order import Fill, OrderSpec, OrderStatus, Side
from engine.ports.venue import Submit
from tests.simulation.disk import Disk
from tests.simulation.exchange import Exchange, VenueOrder
from tests.simulation.ledger import FILE
from tests.simulation.picture import AGREES, ENDS, NEVER_LIVED, Broken, Kill, Mine

ZERO = Decimal(0)
EXPOSURE_SLACK = Decimal("1.05")
"""The limit is a share of the equity, which moves a little with the price."""
TAIL_BYTES = 1 << 17
ANSWER_S = 1.0
KILL_SENT_S = 1.0
KILL_FLAT_S = 10.0
COMPARED_S = 60.0
"""Both sides are compared at least so often."""
EARLY_MAX = 4
"""So many of the last movements of cash before the opening may be in doubt."""


class Checker:
    """`position_max` is the largest worst case allowed, in the settle asset; `salt` is the
    ledger's, which its ids end with and no other ledger's do."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        disk: Callable[[], Disk],
        now_s: Callable[[], float],
        position_max: Decimal,
        canary: str,
        salt: int,
    ) -> None:
        self._id_tail = id_tail(salt)
        self._exchange = exchange
        self._disk = disk
        self._now_s = now_s
        self._position_max = position_max
        self._canary = canary
        self.first: Broken | None = None
        """Found in the midst of the engine's own calls, which would swallow it; the world looks
        after every step."""
        self.events = 0
        """Durable ones seen so far."""
        self.orders: dict[str, Mine] = {}
        self.kill = KillLevel.NONE
        self.holds: dict[str, str] = {}
        self.opening: dict[str, Decimal] | None = None
        self._early_cash: list[CashClaim] = []
        """What had moved at the venue when the account was opened. What the opening was read from
        may lag some seconds behind it."""
        self.cash: dict[str, Decimal] = {}
        self.traded_s: dict[str, float] = {}
        """When the last fill of an instrument became durable."""
        self.incidents: dict[str, Incident] = {}
        """Open ones."""
        self.told_kill = KillLevel.NONE
        """What the durable switch says may never be lower than what a person was promised."""
        self.kills: list[Kill] = []
        self.placed: dict[str, float] = {}
        """Ids whose placement has left this machine, and when."""
        self.cancels_sent: dict[str, float] = {}
        self.has_many_books = True
        self.is_reachable: Callable[[], bool] = lambda: True
        """Whether the venue takes requests now, and this machine knows of no reason to wait."""
        self.untrusted: Callable[[str], bool] = lambda instrument_id: False
        """Whether the feed has said, before this instant, that a book is not to be traded on."""

    def _fail(self, name: str, words: str) -> None:
        if self.first is None:
            self.first = Broken(name, words)

    # -- requests ------------------------------------------------------------------------------

    def on_sent(self, operation: str, client_order_id: str) -> None:
        """A request leaves the machine (or would, had it a route)."""
        if operation == "cancel":
            self.cancels_sent[client_order_id] = self._now_s()
            for kill in self.kills:
                kill.waiting.discard(client_order_id)
            return
        if operation != "place":
            return
        if client_order_id in self.placed:
            self._fail("I4", f"{client_order_id} was sent twice")
            return
        self.placed[client_order_id] = self._now_s()
        if not client_order_id.endswith(self._id_tail):
            self._fail("I12", f"{client_order_id} is not of this ledger's own ids")
        if not self._is_durable(client_order_id):
            self._fail("I1", f"{client_order_id} left before its intent was durable")

    def on_place(self, submit: Submit) -> None:
        """A placement arrives at the venue, which looks at what is durable on the disk by now."""
        key = submit.client_order_id
        if not self._is_durable(key):
            self._fail("I1", f"{key} reached the venue, its intent is not durable")
        if self._exchange.accepted.get(key, 0):
            self._fail("I4", f"{key} reached the venue a second time")
        mine = self.orders.get(key)
        if mine is not None and mine.status in NEVER_LIVED:
            self._fail("I2", f"{key} reached the venue after it was counted as {mine.status}")
        self._check_exposure(submit)

    def on_cancel(self, client_order_id: str) -> None:
        """Foreign orders are never touched."""
        if client_order_id not in self.orders:
            self._fail("I2", f"a cancel of {client_order_id}, which is not ours, was sent")

    def _is_durable(self, client_order_id: str) -> bool:
        disk, needle = self._disk(), client_order_id.encode()
        log = disk.durable(FILE + "-wal")
        # Mostly it is among what was written last.
        return needle in log[-TAIL_BYTES:] or needle in log or needle in disk.durable(FILE)

    def _check_exposure(self, submit: Submit) -> None:
        """I6 with the venue's truth: what of ours is held, works there, or has just come.

        A reduce-only order is never refused. It closes one book of several, or a position against
        which entries have been let in, and what is held in all may grow by it: then only the order
        of decisions can be judged (`_check_reserved`)."""
        spec = submit.spec
        if spec.reduce_only or self.has_many_books or self._has_closed(spec):
            return
        held = sum(
            trade.side.sign * trade.fill.lots
            for _, trade in self._exchange.trades
            if trade.instrument_id == spec.instrument_id and self._is_ours(trade.venue_order_id)
        )
        working = sum(
            order.leaves
            for order in self._exchange.working()
            if order.is_ours
            and order.spec.instrument_id == spec.instrument_id
            and order.spec.side is spec.side
            and not order.spec.reduce_only
        )
        self._check_worst(spec, held * spec.side.sign + working + spec.qty_lots)

    def _has_closed(self, spec: OrderSpec) -> bool:
        """Whether a reduce-only order on this side has ever been decided."""
        return any(
            mine.spec.reduce_only
            and (mine.spec.instrument_id, mine.spec.side) == (spec.instrument_id, spec.side)
            for mine in self.orders.values()
        )

    def _check_reserved(self, spec: OrderSpec) -> None:
        """I6 at the intent: everything decided before it may still fill, and it may, too."""
        sign = spec.side.sign
        books: dict[str, int] = {}
        adding, closing = 0, {}
        for mine in self.orders.values():
            if mine.spec.instrument_id != spec.instrument_id:
                continue
            filled = mine.spec.side.sign * mine.filled_lots
            books[mine.bot_id] = books.get(mine.bot_id, 0) + filled
            if mine.spec.side is spec.side and mine.leaves:
                if mine.spec.reduce_only:
                    closing[mine.bot_id] = closing.get(mine.bot_id, 0) + mine.leaves
                else:
                    adding += mine.leaves
        closed = sum(min(lots, max(0, -sign * books[key])) for key, lots in closing.items())
        self._check_worst(spec, sign * sum(books.values()) + adding + closed)

    def _check_worst(self, spec: OrderSpec, worst_lots: int) -> None:
        instrument = self._exchange.instruments[spec.instrument_id]
        price = self._exchange.books[spec.instrument_id].mid
        value = instrument.notional(max(0, worst_lots), price)
        if value > self._position_max * EXPOSURE_SLACK:
            self._fail("I6", f"worst case {value} with {spec.side} {spec.qty_lots} lots")

    def _is_ours(self, venue_order_id: str) -> bool:
        return self._exchange.orders[venue_order_id].is_ours

    # -- the journal -----------------------------------------------------------------------------

    def on_append(self, events: Sequence[e.AnyEvent]) -> None:
        """Decided, not yet durable: the instant to ask what was known."""
        for event in events:
            if not isinstance(event, e.OrderIntended):
                continue
            spec = event.order.spec
            if not spec.reduce_only and self.untrusted(spec.instrument_id):
                self._fail("I10", f"{event.order.client_order_id} on a book that is not trusted")

    def on_durable(self, events: Sequence[e.AnyEvent]) -> None:
        for event in events:
            self.events += 1
            self._fold(event)

    def _fold(self, event: e.AnyEvent) -> None:
        match event:
            case e.OrderIntended():
                self._fold_intent(event)
            case e.OrderFilled(client_order_id=key, fill=fill):
                self._fold_fill(key, fill)
            case e.OrderAccepted(client_order_id=key):
                self._fold_accepted(key)
            case e.KillChanged(level=level):
                self._fold_kill(level)
            case e.HoldChanged(instrument_id=key, reason=reason):
                self.holds[key] = reason
            case e.AccountOpened(balances=balances):
                self.opening = dict(balances)
                self._early_cash = [claim for _, claim in self._exchange.cash]
            case e.IncidentOpened(incident=incident):
                self.incidents[incident.incident_id] = incident
            case e.IncidentResolved(incident_id=incident_id):
                self.incidents.pop(incident_id)
            case e.CashMoved(cash=cash):
                self.cash[cash.asset] = self.cash.get(cash.asset, ZERO) + cash.amount
            case _ if type(event) in ENDS:
                self._fold_end(event.client_order_id, ENDS[type(event)])  # type: ignore[union-attr,index]
            case _:
                return

    def _fold_intent(self, event: e.OrderIntended) -> None:
        order = event.order
        key, spec = order.client_order_id, order.spec
        if key in self.orders:
            self._fail("I4", f"{key} was intended twice")
        self.orders[key] = Mine(spec, order.bot_id, order.placed_by, self._now_s())
        if spec.reduce_only:
            return
        if self.kill is not KillLevel.NONE:
            self._fail("I5", f"{key} adds risk although the kill switch is at {self.kill.name}")
        self._check_reserved(spec)
        if hold := self.holds.get("") or self.holds.get(spec.instrument_id):
            self._fail("I10", f"{key} adds risk under the hold {hold!r}")

    def _fold_accepted(self, key: str) -> None:
        mine = self.orders.get(key)
        if mine is None:
            return
        mine.is_accepted = True
        if mine.status in (OrderStatus.INTENT, *NEVER_LIVED):
            mine.status = OrderStatus.OPEN

    def _fold_end(self, key: str, status: OrderStatus) -> None:
        mine = self.orders.get(key)
        if mine is None or mine.status.is_final:
            return
        mine.status = status
        truth = self._ours(key)
        if status in NEVER_LIVED:
            if truth is not None:
                self._fail("I2", f"{key} counts as {status}, the venue had taken it")
        elif truth is not None and truth.filled_lots != mine.filled_lots:
            self._fail(
                "I8", f"{key} ended with {mine.filled_lots} filled, of {truth.filled_lots} traded"
            )

    def _fold_fill(self, key: str, fill: Fill) -> None:
        mine = self.orders.get(key)
        if mine is None:
            self._fail("I8", f"a fill of {key}, which was never intended")
            return
        if fill.trade_id in mine.trades:
            self._fail("I8", f"trade {fill.trade_id} of {key} was booked twice")
        truth = self._truth_of(fill.trade_id)
        if truth != (key, fill.lots, fill.price_ticks, fill.fee, fill.fee_asset):
            self._fail("I8", f"trade {fill.trade_id} of {key}: booked {fill}, the venue: {truth}")
        mine.trades[fill.trade_id] = fill
        self.traded_s[mine.spec.instrument_id] = self._now_s()
        mine.filled_lots += fill.lots
        if mine.filled_lots >= mine.spec.qty_lots:
            mine.status = OrderStatus.FILLED
        elif mine.status not in (OrderStatus.CANCELED, OrderStatus.EXPIRED):
            mine.status = OrderStatus.PARTIAL

    def _truth_of(self, trade_id: str) -> tuple[str, int, int, Decimal, str] | None:
        number = int(trade_id[1:]) if trade_id[1:].isdigit() else 0
        if not 0 < number <= len(self._exchange.trades):
            return None
        _, trade = self._exchange.trades[number - 1]
        fill = trade.fill
        return trade.client_order_id, fill.lots, fill.price_ticks, fill.fee, fill.fee_asset

    def _fold_kill(self, level: KillLevel) -> None:
        self.kill = level
        if level < KillLevel.CANCEL_ALL:
            self.kills.clear()
            return
        waiting = {
            key
            for key, mine in self.orders.items()
            if not mine.status.is_final
            and mine.spec.purpose != "flatten"
            and self.cancels_sent.get(key, -1e9) < self._now_s() - 30
        }
        self.kills.append(Kill(self._now_s(), waiting))

    # -- time ------------------------------------------------------------------------------------

    def on_step(self) -> None:
        """Deadlines of kill switches. Cheap while there are none."""
        if not self.kills:
            return
        now_s = self._now_s()
        for kill in list(self.kills):
            if not self.is_reachable():
                self.kills.remove(kill)
                continue
            kill.waiting = {
                key
                for key in kill.waiting
                if not self.orders[key].status.is_final and self._may_live(key)
            }
            if not kill.waiting:
                self.kills.remove(kill)
            elif now_s > kill.at_s + KILL_SENT_S:
                self._fail(
                    "I5", f"{sorted(kill.waiting)[0]} was not cancelled within {KILL_SENT_S:g} s"
                )

    def _may_live(self, key: str) -> bool:
        order = self._exchange.by_client_id.get(key)
        return order is not None and order.is_working

    def forget_deadlines(self) -> None:
        """The process has died: nobody is there who could keep them."""
        self.kills.clear()

    def check_live(self, live: Iterable[str]) -> None:
        """What has ended stays ended: nothing that the engine counts as live may have."""
        for key in live:
            mine = self.orders.get(key)
            if mine is not None and mine.status.is_final and mine.status not in NEVER_LIVED:
                self._fail("I2", f"{key} was {mine.status} and lives again")

    # -- after a restart ---------------------------------------------------------------------------

    def on_recovered(self, events: Sequence[e.AnyEvent]) -> None:
        """What a start found on the disk: all that was durable, perhaps a little more."""
        if len(events) < self.events:
            self._fail(
                "I1", f"{self.events} events were durable, {len(events)} are left after the restart"
            )
        self.on_durable(events[self.events :])
        lost = sorted(self.placed.keys() - self.orders.keys())
        if lost:
            self._fail("I1", f"{lost[0]} was sent, and no intent of it is left")
        if self.kill < self.told_kill:
            self._fail("I5", f"the kill switch fell from {self.told_kill.name} in the restart")

    def has_seen_end(self, client_order_id: str) -> bool:
        mine = self.orders.get(client_order_id)
        return mine is not None and mine.is_accepted and mine.status.is_final

    # -- the end: the venue is the judge ---------------------------------------------------------

    def check_orders(self) -> None:
        """I2: every intent has become what the venue says it is; I4: each lives there once. What
        changed a moment ago may still be on its way."""
        for key, count in self._exchange.accepted.items():
            if count > 1:
                self._fail("I4", f"{key} lives {count} times at the venue")
            if key not in self.orders:
                self._fail("I2", f"{key} lives at the venue, and the ledger does not know it")
        for key, mine in self.orders.items():
            if self._now_s() - max(mine.since_s, self.placed.get(key, 0.0)) < ANSWER_S:
                continue  # It, or its answer, may still be on the way.
            truth = self._ours(key)
            if truth is not None and self._exchange.age_s(truth) < ANSWER_S:
                continue
            if truth is None:
                if mine.status not in NEVER_LIVED:
                    self._fail("I2", f"{key} is {mine.status}, the venue has never taken it")
                continue
            is_cut = truth.qty_lots < mine.spec.qty_lots and mine.status is OrderStatus.EXPIRED
            if is_cut and truth.status is ClaimStatus.FILLED:
                continue  # Reduce-only, of which the venue took as much as could be reduced.
            if truth.status not in AGREES.get(mine.status, ()):
                self._fail("I2", f"{key} is {mine.status}, the venue says {truth.status}")
            if truth.filled_lots != mine.filled_lots:
                self._fail(
                    "I2", f"{key} has filled {mine.filled_lots}, the venue says {truth.filled_lots}"
                )

    def _ours(self, client_order_id: str) -> VenueOrder | None:
        return self._exchange.ours.get(client_order_id)

    def check_money(self) -> None:
        """I3: opening + fills - fees + cash of the durable events = the venue's totals, exactly,
        but for what an open incident names, to the last digit."""
        if self.opening is None:
            self._fail("I3", "the ledger never noted what the account held at first")
            return
        totals = dict(self.opening)
        for mine in self.orders.values():
            instrument = self._exchange.instruments[mine.spec.instrument_id]
            for fill in mine.trades.values():
                sign = mine.spec.side.sign
                value = instrument.notional(fill.lots, fill.price_ticks)
                _add(totals, fill.fee_asset, -fill.fee)
                _add(totals, instrument.quote, -sign * value)
                if instrument.kind is InstrumentKind.SPOT:
                    _add(totals, instrument.base, sign * instrument.qty(fill.lots))
        for asset, amount in self.cash.items():
            _add(totals, asset, amount)
        wrong = {
            asset: total - totals.get(asset, ZERO)
            for asset, total in self._exchange.balances.items()
            if total != totals.get(asset, ZERO) and asset in self._own_assets()
        }
        told: dict[str, Decimal] = {}
        for incident in self.incidents.values():
            if incident.kind is IncidentKind.BALANCE:
                _add(told, incident.asset, incident.missing)
        self._check_positions()
        # The profit of what is open is part of no balance: there the positions are what is told,
        # and what strangers did must make up for the money.
        open_in = self._open_assets()
        left = {asset: amount for asset, amount in wrong.items() if asset not in open_in}
        told = {asset: amount for asset, amount in told.items() if asset not in open_in}
        if left != told:
            self._fail("I3", f"the venue has {left} more than the ledger, which tells of {told}")
        if open_in & wrong.keys() and not self._is_by_strangers(wrong):
            self._fail("I3", f"the venue has {wrong} more than the ledger, nobody moved it")

    def _check_positions(self) -> None:
        """Lot by lot, but for what open incidents name."""
        told: dict[str, int] = {}
        for incident in self.incidents.values():
            if incident.kind is IncidentKind.POSITION:
                key = incident.instrument_id
                told[key] = told.get(key, 0) + incident.missing_lots
        for key, instrument in self._exchange.instruments.items():
            if instrument.kind is InstrumentKind.SPOT:
                continue
            missing = self._exchange.positions.get(key, 0) - self._held_lots(key)
            if missing != told.get(key, 0):
                self._fail(
                    "I3", f"the venue holds {missing} lots more of {key}, told {told.get(key, 0)}"
                )

    def _held_lots(self, instrument_id: str) -> int:
        return sum(
            mine.spec.side.sign * mine.filled_lots
            for mine in self.orders.values()
            if mine.spec.instrument_id == instrument_id
        )

    def _open_assets(self) -> set[str]:
        """Assets in which something is open and not settled, by us or by strangers, or was of ours
        until less than a minute ago: the comparison that finds it closed may be due yet."""
        return {
            one.settle
            for key, one in self._exchange.instruments.items()
            if one.kind is not InstrumentKind.SPOT
            and (
                self._held_lots(key)
                or self._exchange.positions.get(key, 0)
                or self._now_s() - self.traded_s.get(key, -COMPARED_S) < COMPARED_S
            )
        }

    def _own_assets(self) -> set[str]:
        """What is traded here, and what our own fills have moved: the rest of the account is not
        the engine's business."""
        assets = {
            asset for one in self._exchange.instruments.values() for asset in (one.base, one.quote)
        }
        fills = (fill for mine in self.orders.values() for fill in mine.trades.values())
        return assets | {fill.fee_asset for fill in fills}

    def _is_by_strangers(self, wrong: dict[str, Decimal]) -> bool:
        """Whether trades of strangers make up for it, all but those before the account was opened,
        and the latest of what moved just before that: left out, or told late and counted twice.
        Where positions are not balances, it is the positions that are compared and told of; the
        money is, once nothing is open."""
        flows, own = self._foreign_flows(), self._own_assets()
        early = self._early_cash[-EARLY_MAX:]
        ways = product((0, 1, -1), repeat=len(early))
        for way, first in product(ways, range(len(flows) + 1)):
            moved = [[(one.asset, sign * one.amount)] for one, sign in zip(early, way, strict=True)]
            found: dict[str, Decimal] = {}
            for asset, amount in (flow for one in moved + flows[first:] for flow in one):
                _add(found, asset, amount)
            if {key: amount for key, amount in found.items() if amount and key in own} == wrong:
                return True
        return False

    def _foreign_flows(self) -> list[list[tuple[str, Decimal]]]:
        """What each trade of a stranger moved."""
        flows = []
        for _, trade in self._exchange.trades:
            if self._is_ours(trade.venue_order_id):
                continue
            instrument, fill = self._exchange.instruments[trade.instrument_id], trade.fill
            sign = 1 if trade.side is Side.BUY else -1
            value = instrument.notional(fill.lots, fill.price_ticks)
            flow = [(fill.fee_asset, -fill.fee), (instrument.quote, -sign * value)]
            if instrument.kind is InstrumentKind.SPOT:
                flow.append((instrument.base, sign * instrument.qty(fill.lots)))
            flows.append(flow)
        return flows

    @property
    def has_strangers(self) -> bool:
        return any(not order.is_ours for order in self._exchange.orders.values())

    def check_secret(self, texts: Sequence[str]) -> None:
        """I7: the canary is in no file of the machine and in nothing that was said, logged (with
        its tracebacks) or shown."""
        needle = self._canary.encode()
        for name, file in self._disk().files.items():
            if needle in file.content:
                self._fail("I7", f"the secret is in {name}")
        for text in texts:
            if self._canary in text:
                before = max(0, text.index(self._canary) - 60)
                self._fail("I7", f"the secret was said: {text[before : before + 80]}")


def _add(totals: dict[str, Decimal], asset: str, amount: Decimal) -> None:
    totals[asset] = totals.get(asset, ZERO) + amount


def id_tail(salt: int) -> str:
    """How the ids of a ledger end: its salt as seven digits of base 32."""
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    return "".join(digits[salt >> shift & 31] for shift in range(30, -1, -5))
