"""The simulated exchange once more, as simply as it can be said: dicts, lists and sentences.

Written from the rules, not from the kernels, and slow on purpose. Tests hold `engine.sim` against
it. Times in ns, prices in ticks, quantities in lots; a side is 1 (buy, bid) or -1 (sell, ask).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

BUY, SELL = 1, -1


class Row(NamedTuple):
    """What happened in the market: kind is `depth`, `trade` or `clear`."""

    venue_ns: int
    local_ns: int
    kind: str
    side: int
    ticks: int
    lots: int


class Said(NamedTuple):
    """One answer of the exchange."""

    word: str
    order_id: str
    venue_ns: int
    received_ns: int
    ticks: int = 0
    lots: int = 0
    is_maker: bool = False
    ahead: int = -1
    reason: str = ""
    front: int = -1
    """Displayed lots still ahead of it, and lots traded at its price or beyond since it rests."""
    volume: int = -1


@dataclass
class Ask:
    """A request of ours: a new order, or the cancellation of one."""

    order_id: str
    is_cancel: bool = False
    side: int = BUY
    lots: int = 0
    ticks: int = 0
    """0: a market order."""
    kind: str = "limit"
    tif: str = "gtc"
    trigger: int = 0
    reduce_only: bool = False
    owner: str = "a"


class NaiveBook:
    """Two dicts of levels. What is crossed by something newer is no longer the best, but it stays
    in the dict and is found again when the search for the next best comes past it."""

    def __init__(self, base: int = -(1 << 60), window: int = 1 << 61) -> None:
        self.base = base
        self.window = window
        self.levels: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        self.best: dict[int, int | None] = {BUY: None, SELL: None}

    def is_inside(self, ticks: int) -> bool:
        return self.base <= ticks < self.base + self.window

    def is_better(self, side: int, ticks: int) -> bool:
        best = self.best[side]
        return best is None or (ticks - best) * side > 0

    def next_worse(self, side: int, ticks: int) -> int | None:
        worse = [level for level in self.levels[side] if (ticks - level) * side > 0]
        return max(worse, key=lambda level: level * side, default=None)

    def set(self, side: int, ticks: int, lots: int) -> None:
        if not self.is_inside(ticks):
            return
        self.levels[side].pop(ticks, None)
        if lots == 0:
            if self.best[side] == ticks:
                self.best[side] = self.next_worse(side, ticks)
            return
        self.levels[side][ticks] = lots
        if not self.is_better(side, ticks):
            return
        self.best[side] = ticks
        other = self.best[-side]
        if other is not None and (ticks - other) * side >= 0:
            self.best[-side] = self.next_worse(-side, ticks)
        self._recentre_if_near_edge(ticks)

    def _recentre_if_near_edge(self, ticks: int) -> None:
        edge = self.window // 8
        if edge <= ticks - self.base < self.window - edge:
            return
        self.base = ticks - self.window // 2
        for side in (BUY, SELL):
            for level in list(self.levels[side]):
                if not self.is_inside(level):
                    del self.levels[side][level]
            best = self.best[side]
            if best is not None and not self.is_inside(best):
                self.best[side] = None

    def clear(self, side: int, ticks: int) -> None:
        """Everything from the best of the side to `ticks` is gone, and what was better too."""
        for level in list(self.levels[side]):
            if (level - ticks) * side >= 0:
                del self.levels[side][level]
        best = self.best[side]
        if best is not None and (best - ticks) * side >= 0:
            self.best[side] = self.next_worse(side, ticks)


@dataclass
class NaiveOrder:
    ask: Ask
    leaves: int
    state: str = "sent"
    ahead: int = -1
    """Displayed lots at the level when it joined."""
    front: float = 0.0
    """Displayed lots ahead of it now; our own orders ahead are counted by `trade_at`."""
    traded: float = 0.0
    """Lots traded at its price since the last depth row of the level."""
    volume: int = 0


Delay = Callable[[int, int], int]
"""(number of the message, when it was sent) -> ns that it takes."""


class Filters(NamedTuple):
    """What an order must keep to on arrival."""

    min_lots: int = 1
    min_value: Fraction = Fraction(0)
    """Lots x ticks."""
    band: Fraction = Fraction(0)
    """Share of the mid that a limit may be beyond it; 0: no band."""


class Margin(NamedTuple):
    """Isolated margin on a linear instrument."""

    leverage: Fraction
    tiers: list[tuple[Fraction, Fraction, Fraction]]
    """(value from which it applies, maintenance rate, deduction), values in lots x ticks."""

    def price(self, position: int, cost: Fraction) -> Fraction:
        """Where margin + profit is down to the maintenance margin."""
        rate, deduction = [(r, d) for least, r, d in self.tiers if cost >= least][-1]
        own = cost / self.leverage
        if position > 0:
            # own + position p - cost = position p rate - deduction
            return (cost - own - deduction) / (position * (1 - rate))
        return (cost + own + deduction) / (-position * (1 + rate))


@dataclass
class NaiveExchange:
    entry_ns: Delay
    response_ns: Delay
    whole_fills: bool = False
    queue: str = "risk-averse"
    filters: Filters | None = None
    funding_every_ns: int = 0
    margin: Margin | None = None
    self_trade: str = "none"
    half_life_ns: int = 0
    """Of the holes that takers leave; 0: they last until the next depth row."""
    beyond: float = 0.0
    """Share of the price per square root of a lot beyond the book."""
    eaten: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """(side, level) -> (when, how much is gone, in 2^-20 lots)."""
    costs: dict[str, Fraction] = field(default_factory=dict)
    """Entry value of each owner's position."""
    unheard: dict[str, int] = field(default_factory=dict)
    """When the news of an owner's last liquidation arrives; there is no other until then."""
    liquidations: dict[str, int] = field(default_factory=dict)
    owners: list[str] = field(default_factory=list)
    """In the order in which they first sent an order."""
    book: NaiveBook = field(default_factory=NaiveBook)
    orders: dict[str, NaiveOrder] = field(default_factory=dict)
    resting: list[NaiveOrder] = field(default_factory=list)
    """Oldest first."""
    stops: list[NaiveOrder] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    now_ns: int = 0

    def run(self, rows: Sequence[Row], requests: Sequence[tuple[int, Ask]]) -> list[Said]:
        """At one instant the market comes first, then our requests in the order of sending."""
        events: list[tuple[int, int, int, Row | Ask | None]] = [
            (row.venue_ns, 0, number, row) for number, row in enumerate(rows)
        ]
        arrival_ns = 0
        for number, (sent_ns, ask) in enumerate(requests):
            if not ask.is_cancel and ask.owner not in self.owners:
                self.owners.append(ask.owner)
            arrival_ns = max(arrival_ns, sent_ns + self.entry_ns(number, sent_ns))
            events.append((arrival_ns, 1, number, ask))
        if self.funding_every_ns:
            times = sorted(row.venue_ns for row in rows)
            before = min(times[0], rows[0].local_ns) // self.funding_every_ns
            stamps = range(before + 1, -(-times[-1] // self.funding_every_ns))
            events += [(one * self.funding_every_ns, 1, -1, None) for one in stamps]
        for self.now_ns, _, _, what in sorted(events, key=lambda event: event[:3]):
            if what is None:
                self.pay_funding()
            elif isinstance(what, Ask):
                self.cancel(what.order_id) if what.is_cancel else self.arrive(what)
            elif what.kind == "trade":
                self.trade(what.side, what.ticks, what.lots)
            elif what.kind == "clear":
                self.book.clear(what.side, what.ticks)
            else:
                self.depth(what.side, what.ticks, what.lots)
        return self.said

    def say(self, word: str, order: NaiveOrder, **details: object) -> None:
        last_ns = self.said[-1].received_ns if self.said else 0
        delay_ns = self.response_ns(len(self.said), self.now_ns)
        received_ns = max(last_ns, self.now_ns + delay_ns)
        fields = {"order_id": order.ask.order_id, "received_ns": received_ns, **details}
        self.said.append(Said(word, venue_ns=self.now_ns, **fields))  # type: ignore[arg-type]

    def pay_funding(self) -> None:
        bid, offer = self.book.best[BUY], self.book.best[SELL]
        twice_mid = 0 if bid is None or offer is None else bid + offer
        for owner in self.owners:
            if self.positions.get(owner, 0):
                told = NaiveOrder(Ask(owner), 0)
                self.say("Funding", told, ticks=twice_mid, lots=self.positions[owner])

    def end(self, order: NaiveOrder, reason: str) -> None:
        order.state = "done"
        self.say("Expire", order, reason=reason)

    # -- the market -----------------------------------------------------------------------------

    def depth(self, side: int, ticks: int, lots: int) -> None:
        before = self.book.levels[side].get(ticks, 0)
        lots = max(0, lots - (self.still_gone(side, ticks) + (1 << 19) >> 20))
        improves = lots > 0 and self.book.is_better(side, ticks)
        self.book.set(side, ticks, lots)
        for order in self.resting:
            if (order.ask.side, order.ask.ticks) == (side, ticks):
                self.move_queue(order, before, lots)
        if improves:
            # A quote of the other side at our price or beyond would have met us.
            for order in list(self.resting):
                if order.ask.side == -side and (ticks - order.ask.ticks) * side >= 0:
                    self.fill_resting(order, order.leaves)
        self.forget_done()

    def still_gone(self, side: int, ticks: int) -> int:
        """In 2^-20 lots."""
        when_ns, parts = self.eaten.get((side, ticks), (0, 0))
        if not parts:
            return 0
        return int(parts * 0.5 ** ((self.now_ns - when_ns) / self.half_life_ns))

    def move_queue(self, order: NaiveOrder, before: int, after: int) -> None:
        if self.queue == "trades-only":
            return
        if self.queue == "risk-averse":
            order.front = min(order.front, after)
            return
        change = before - after - order.traded
        order.traded = 0.0
        if change < 0:
            order.front = min(order.front, after)
            return
        front, back = order.front, before - order.front
        behind = self.share_behind(front, back)
        if behind is None:
            order.front = after
            return
        moved = front - (1.0 - behind) * change + min(back - behind * change, 0.0)
        order.front = max(0.0, min(moved, after))

    def share_behind(self, front: float, back: float) -> float | None:
        """How likely it is that a cancelled lot lay behind the order; None: there was no lot."""
        name, _, number = self.queue.rpartition("-")
        if name == "power-prob":
            whole = front ** int(number) + back ** int(number)
            return back ** int(number) / whole if whole else None
        back = max(back, 0.0)
        both = math.log1p(back) + math.log1p(front) if number == "1" else math.log1p(back + front)
        return math.log1p(back) / both if both else None

    def trade(self, aggressor: int, ticks: int, lots: int) -> None:
        used = 0
        for order in list(self.resting):
            if order.ask.side == aggressor:
                continue
            through = (ticks - order.ask.ticks) * aggressor
            order.volume += lots if through >= 0 else 0
            if through > 0:
                self.fill_resting(order, order.leaves)
            elif through == 0:
                used += self.trade_at(order, lots, used)
        self.forget_done()
        self.liquidate_at(ticks)
        for order in list(self.stops):
            if (ticks - order.ask.trigger) * order.ask.side >= 0:
                self.stops.remove(order)
                self.say("Trigger", order)
                self.work(order, is_new=False)

    def trade_at(self, order: NaiveOrder, lots: int, used: int) -> int:
        """Of `lots` traded at its price, own orders before it took `used`. Returns what it took."""
        order.front -= lots - used
        order.traded += lots
        reached = max(0, int(-order.front + 0.5))
        order.front = max(0.0, order.front)
        if reached == 0:
            return 0
        took = min(order.leaves, reached)
        self.fill_resting(order, order.leaves if self.whole_fills else took)
        return took

    def forget_done(self) -> None:
        self.resting = [order for order in self.resting if order.state == "resting"]

    # -- fills ----------------------------------------------------------------------------------

    def reducible(self, order: NaiveOrder) -> int:
        position = self.positions.get(order.ask.owner, 0)
        return abs(position) if position * order.ask.side < 0 else 0

    def fill(self, order: NaiveOrder, ticks: int, lots: int, *, is_maker: bool) -> None:
        order.leaves -= lots
        owner = order.ask.owner
        self.note_cost(owner, order.ask.side, lots, ticks)
        self.positions[owner] = self.positions.get(owner, 0) + lots * order.ask.side
        if order.leaves == 0:
            order.state = "done"
        place = {"ahead": order.ahead, "front": int(order.front + 0.5), "volume": order.volume}
        details = place if is_maker else {}
        self.say("Fill", order, ticks=ticks, lots=lots, is_maker=is_maker, **details)

    def note_cost(self, owner: str, side: int, lots: int, ticks: int) -> None:
        held, cost = self.positions.get(owner, 0), self.costs.get(owner, Fraction(0))
        closing = min(lots, abs(held)) if held * side < 0 else 0
        if closing:
            cost -= cost * closing / abs(held)
        self.costs[owner] = cost + (lots - closing) * ticks

    def liquidate_at(self, ticks: int) -> None:
        """A trade at `ticks`: whoever's liquidation price it reaches is taken out, one by one."""
        for owner in self.owners:
            held = self.positions.get(owner, 0)
            if not held or self.margin is None or self.now_ns <= self.unheard.get(owner, -1):
                continue
            due = self.margin.price(held, self.costs[owner])
            due_ticks = math.floor(due) if held > 0 else math.ceil(due)
            if ticks <= due_ticks if held > 0 else ticks >= due_ticks:
                self.liquidate(owner, held, due_ticks)

    def liquidate(self, owner: str, held: int, due_ticks: int) -> None:
        buys = [order for order in self.resting if order.ask.side == BUY]
        sells = [order for order in self.resting if order.ask.side == SELL]
        for order in [*buys, *sells, *self.stops]:
            if order.ask.owner == owner:
                self.end(order, "liquidation")
        self.forget_done()
        self.stops = [stop for stop in self.stops if stop.state == "parked"]
        self.liquidations[owner] = self.liquidations.get(owner, 0) + 1
        ask = Ask(
            f"liquidation-BTCUSDT-{owner}-{self.liquidations[owner]}",
            side=BUY if held < 0 else SELL,
            lots=abs(held),
            tif="ioc",
            reduce_only=True,
            owner=owner,
        )
        order = NaiveOrder(ask, abs(held))
        self.say("Liquidation", order, ticks=due_ticks, lots=abs(held))
        self.unheard[owner] = self.said[-1].received_ns
        self.work(order, is_new=False)

    def fill_resting(self, order: NaiveOrder, lots: int) -> None:
        if order.ask.reduce_only:
            lots = min(lots, self.reducible(order))
        if lots:
            self.fill(order, order.ask.ticks, lots, is_maker=True)
        if order.ask.reduce_only and order.leaves and not self.reducible(order):
            self.end(order, "reduce-only")

    # -- our requests -----------------------------------------------------------------------------

    def arrive(self, ask: Ask) -> None:
        order = self.orders[ask.order_id] = NaiveOrder(ask, ask.lots)
        refusal = self.refusal(ask)
        if refusal:
            order.state = "done"
            self.say("Reject", order, reason=refusal)
            return
        if ask.trigger:
            order.state = "parked"
            self.stops.append(order)
            self.say("Accept", order)
        else:
            self.work(order, is_new=True)

    def refusal(self, ask: Ask) -> str:
        if self.filters is None:
            return ""
        bid, offer = self.book.best[BUY], self.book.best[SELL]
        mid = None if bid is None or offer is None else Fraction(bid + offer, 2)
        if ask.lots < self.filters.min_lots:
            return "size"
        if ask.ticks and mid and self.filters.band:
            if ask.side == BUY and ask.ticks > mid * (1 + self.filters.band):
                return "band"
            if ask.side == SELL and ask.ticks < mid * (1 - self.filters.band):
                return "band"
        value = ask.lots * (ask.ticks or ask.trigger or mid or 0)
        return "notional" if not ask.reduce_only and value < self.filters.min_value else ""

    def within_reach(self, order: NaiveOrder) -> list[int]:
        """Levels of the other side that it may take, best first."""
        side, found = order.ask.side, []
        ticks = self.book.best[-side]
        while ticks is not None and (order.ask.ticks == 0 or (order.ask.ticks - ticks) * side >= 0):
            found.append(ticks)
            ticks = self.book.next_worse(-side, ticks)
        return found

    def work(self, order: NaiveOrder, *, is_new: bool) -> None:
        ask, other = order.ask, self.book.levels[-order.ask.side]
        reach = self.within_reach(order)
        allowed = self.reducible(order) if ask.reduce_only else order.leaves
        if allowed == 0:
            return self.end(order, "reduce-only")
        meets = self.first_met(order, ask.ticks) is not None
        if ask.tif == "post_only" and (reach or meets):
            return self.end(order, "post-only")
        if ask.tif == "fok" and min(allowed, sum(other[t] for t in reach)) < order.leaves:
            return self.end(order, "fok")
        if ask.tif == "fok" and meets and self.self_trade != "expire-maker":
            return self.end(order, "self-trade")
        may_rest = ask.ticks != 0 and ask.tif in ("gtc", "post_only")
        if may_rest and not reach and not meets:
            self.rest(order)
        if is_new:
            self.say("Accept", order, ahead=order.ahead)
        if order.state == "resting":
            return None
        self.take(order, reach, min(allowed, order.leaves))
        if order.state == "done":
            return None
        if ask.reduce_only and not self.reducible(order):
            return self.end(order, "reduce-only")
        return self.rest(order) if may_rest else self.end(order, "ioc")

    def first_met(self, order: NaiveOrder, bound: int) -> NaiveOrder | None:
        """The resting order of the account that it would trade with first, up to `bound`."""
        side = order.ask.side
        met = [
            one
            for one in self.resting
            if one.ask.side == -side and (not bound or (one.ask.ticks - bound) * side <= 0)
        ]
        is_ours = self.self_trade != "none" and not order.ask.order_id.startswith("liquidation-")
        return min(met, key=lambda one: one.ask.ticks * side) if met and is_ours else None

    def ends_by_itself(self, order: NaiveOrder, bound: int) -> bool:
        while (met := self.first_met(order, bound)) is not None:
            if self.self_trade != "expire-taker":
                self.end(met, "self-trade")
                self.forget_done()
            if self.self_trade != "expire-maker":
                self.end(order, "self-trade")
                return True
        return False

    def take(self, order: NaiveOrder, reach: list[int], wanted: int) -> None:
        side, worst = order.ask.side, 0
        for ticks in reach:
            if wanted == 0 or self.ends_by_itself(order, ticks):
                return
            held = self.book.levels[-side][ticks]
            lots, worst = min(held, wanted), ticks
            wanted -= lots
            self.fill(order, ticks, lots, is_maker=False)
            self.book.set(-side, ticks, held - lots)
            if self.half_life_ns:
                gone = self.still_gone(-side, ticks) + (lots << 20)
                self.eaten[-side, ticks] = (self.now_ns, gone)
        if wanted == 0 or self.ends_by_itself(order, order.ask.ticks):
            return
        if self.book.best[-side] is None and self.beyond and worst:
            move = self.beyond * math.sqrt(wanted)
            ticks = math.ceil(worst * (1 + move)) if side == BUY else math.floor(worst * (1 - move))
            if not order.ask.ticks or (max(1, ticks) - order.ask.ticks) * side <= 0:
                self.fill(order, max(1, ticks), wanted, is_maker=False)

    def rest(self, order: NaiveOrder) -> None:
        order.state = "resting"
        order.ahead = self.book.levels[order.ask.side].get(order.ask.ticks, 0)
        order.front = float(order.ahead)
        self.resting.append(order)

    def cancel(self, order_id: str) -> None:
        order = self.orders.get(order_id) or NaiveOrder(Ask(order_id), 0, "done")
        if order.state not in ("resting", "parked"):
            self.say("CancelReject", order, reason="not working")
            return
        order.state = "done"
        self.stops = [stop for stop in self.stops if stop is not order]
        self.forget_done()
        self.say("Cancel", order)
