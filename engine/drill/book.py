"""One side of a book in price-time order: the market's quantities and the accounts' orders.

The market's part of a level is one number (its rows say no more), so each of our orders remembers
how much of it stands in front: `ahead`. It falls when something trades at the level, and when the
market's quantity falls below it: those behind have then left, we assume, last.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import NamedTuple

from engine.drill.values import Order


class Resting:
    """An account's order in its level."""

    __slots__ = ("ahead", "order")

    def __init__(self, order: Order, ahead: int) -> None:
        self.order = order
        self.ahead = ahead


class Level:
    __slots__ = ("market", "queue")

    def __init__(self) -> None:
        self.market = 0
        """What the market holds here, in all."""
        self.queue: list[Resting] = []
        """Oldest first; `ahead` never falls along it."""

    @property
    def total(self) -> int:
        return self.market + sum(resting.order.leaves for resting in self.queue)


class Met(NamedTuple):
    """Something a taker meets. `order` is None where it is the market."""

    price: int
    qty: int
    order: Order | None


class BookSide:
    """`is_bid`: best is highest. `touched` is called with the price of every level that changes."""

    def __init__(self, is_bid: bool, touched: Callable[[bool, int], None]) -> None:
        self._is_bid = is_bid
        self._touched = touched
        self._levels: dict[int, Level] = {}
        self._prices: list[int] = []
        """Ascending."""
        self._own: list[int] = []
        """Prices where accounts rest, ascending."""

    # -- looking -------------------------------------------------------------------------------

    @property
    def best(self) -> int | None:
        if not self._prices:
            return None
        return self._prices[-1] if self._is_bid else self._prices[0]

    @property
    def best_own(self) -> int | None:
        if not self._own:
            return None
        return self._own[-1] if self._is_bid else self._own[0]

    def total(self, price: int) -> int:
        level = self._levels.get(price)
        return level.total if level is not None else 0

    def from_best(self) -> Iterator[int]:
        return iter(reversed(self._prices) if self._is_bid else self._prices)

    def levels(self, limit: int) -> list[tuple[int, int]]:
        """(price, quantity) of the best `limit` levels."""
        found: list[tuple[int, int]] = []
        for price in self.from_best():
            if len(found) >= limit:
                break
            found.append((price, self._levels[price].total))
        return found

    def is_within(self, price: int, limit: int) -> bool:
        """Whether a taker with `limit` may trade at `price`; 0 is no limit."""
        if not limit:
            return True
        return price >= limit if self._is_bid else price <= limit

    # -- the market's part ---------------------------------------------------------------------

    def set_market(self, price: int, qty: int) -> None:
        level = self._levels.get(price)
        if level is None:
            if qty:
                self._add(price).market = qty
                self._touched(self._is_bid, price)
            return
        if level.market == qty:
            return
        level.market = qty
        for resting in level.queue:
            resting.ahead = min(resting.ahead, qty)
        self._settle(price, level)

    def clear_market(self, price: int) -> None:
        """Take the market's part of every level from the best one to `price` away."""
        at = bisect_left(self._prices, price + 1 if not self._is_bid else price)
        gone = self._prices[at:] if self._is_bid else self._prices[:at]
        for each in list(gone):
            self.set_market(each, 0)

    def market_traded(self, price: int, qty: int) -> None:
        """The market traded `qty` with what stood in front of us at `price`."""
        level = self._levels.get(price)
        if level is not None:
            for resting in level.queue:
                resting.ahead = max(0, resting.ahead - qty)

    # -- orders --------------------------------------------------------------------------------

    def rest(self, order: Order) -> None:
        level = self._levels.get(order.price) or self._add(order.price)
        level.queue.append(Resting(order, level.market))
        if len(level.queue) == 1:
            insort(self._own, order.price)
        self._touched(self._is_bid, order.price)

    def remove(self, order: Order) -> None:
        """Take it off; a level's other orders keep their places."""
        level = self._levels[order.price]
        level.queue = [resting for resting in level.queue if resting.order is not order]
        self._settle(order.price, level)

    def shrunk(self, order: Order) -> None:
        """It was filled in part: the level shows less."""
        self._touched(self._is_bid, order.price)

    def front(self, price: int) -> Resting | None:
        level = self._levels.get(price)
        return level.queue[0] if level is not None and level.queue else None

    # -- taking --------------------------------------------------------------------------------

    def meet(self, limit: int, price: int | None = None) -> Met | None:
        """What a taker with `limit` meets first: part of the market, or one order."""
        price = self.best if price is None else price
        if price is None or not self.is_within(price, limit):
            return None
        level = self._levels[price]
        if not level.queue:
            return Met(price, level.market, None)
        first = level.queue[0]
        if first.ahead:
            return Met(price, first.ahead, None)
        return Met(price, first.order.leaves, first.order)

    def take_market(self, price: int, qty: int) -> None:
        """A taker took `qty` of the market's part, from the front. It is gone until a row of the
        market says otherwise."""
        level = self._levels[price]
        level.market -= qty
        for resting in level.queue:
            resting.ahead = max(0, resting.ahead - qty)
        self._settle(price, level)

    def walk(self, limit: int) -> Iterator[Met]:
        """Everything a taker with `limit` would meet, in order, without taking it."""
        for price in self.from_best():
            if not self.is_within(price, limit):
                return
            level = self._levels[price]
            passed = 0
            for resting in level.queue:
                if resting.ahead > passed:
                    yield Met(price, resting.ahead - passed, None)
                    passed = resting.ahead
                yield Met(price, resting.order.leaves, resting.order)
            if level.market > passed:
                yield Met(price, level.market - passed, None)

    # -- levels --------------------------------------------------------------------------------

    def _add(self, price: int) -> Level:
        level = self._levels[price] = Level()
        insort(self._prices, price)
        return level

    def _settle(self, price: int, level: Level) -> None:
        if not level.queue:
            at = bisect_left(self._own, price)
            if at < len(self._own) and self._own[at] == price:
                del self._own[at]
            if not level.market:
                del self._levels[price]
                del self._prices[bisect_left(self._prices, price)]
        self._touched(self._is_bid, price)
