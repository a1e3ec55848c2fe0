"""How futures are paid for: positions in the quote asset, margin by leverage, profit when closed.

Average cost in whole units: what closes a part of a position releases its share of the cost,
rounded down once, and the rest stays with the open part, so that all profit booked over a
position's life is the difference of what was paid and received, exactly. Nobody is liquidated here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from engine.domain.order import Side
from engine.drill.ledger import FEES, MARKET
from engine.drill.listing import Listing
from engine.drill.settlement import Paid, part
from engine.drill.units import ONE, value
from engine.drill.values import AccountSpec, Order, OrderAsked, Refusal, RefusalKind
from engine.drill.wallets import Wallets

LEVERAGE = 20
"""Until the account sets another."""
LEVERAGE_MAX = 125


class Holding:
    """One account's position in one symbol."""

    __slots__ = ("cost", "qty", "updated_ns")

    def __init__(self) -> None:
        self.qty = 0
        """Signed: short is negative."""
        self.cost = 0
        """What was paid for it, less what was received."""
        self.updated_ns = 0

    def trade(self, signed_qty: int, worth: int) -> int:
        """Add a trade of this worth (positive); returns the profit that it realizes."""
        closing = min(abs(signed_qty), abs(self.qty)) if self.qty * signed_qty < 0 else 0
        cash = worth if signed_qty > 0 else -worth
        closing_cash = _share(cash, closing, abs(signed_qty))
        released = _share(self.cost, closing, abs(self.qty))
        self.cost += cash - closing_cash - released
        self.qty += signed_qty
        return -closing_cash - released

    @property
    def entry(self) -> int:
        """Average price; 0 when flat. Rounded: for show, no money is made of it."""
        return self.cost * ONE // self.qty if self.qty else 0

    def unrealized(self, mark: int) -> int:
        worth = value(mark, abs(self.qty))
        return (worth if self.qty > 0 else -worth) - self.cost


def _share(amount: int, part_qty: int, whole_qty: int) -> int:
    """`amount` x part / whole, towards minus infinity; exact when the part is the whole."""
    return amount * part_qty // whole_qty if part_qty else 0


class Income(NamedTuple):
    """Money that came to an account, or went (negative), and why."""

    number: int
    ns: int
    account: str
    symbol: str
    reason: str
    """realized, fee, funding."""
    amount: int
    asset: str
    trade_id: int


class MarginSettlement:
    """One-way mode, cross margin. Wallets hold the quote asset; margin is a check, not a lock."""

    def __init__(
        self, accounts: Mapping[str, AccountSpec], wallets: Wallets, now_ns: Callable[[], int]
    ) -> None:
        self._accounts = accounts
        self._wallets = wallets
        self._now_ns = now_ns
        self.incomes: list[Income] = []
        """Oldest first."""
        self._holdings: defaultdict[tuple[str, str], Holding] = defaultdict(Holding)
        self._leverage: dict[tuple[str, str], int] = {}
        self._open: defaultdict[tuple[str, str], dict[int, Order]] = defaultdict(dict)
        self._listings: dict[str, Listing] = {}

    # -- questions -------------------------------------------------------------------------------

    def holding(self, account: str, symbol: str) -> Holding:
        return self._holdings[account, symbol]

    def leverage(self, account: str, symbol: str) -> int:
        return self._leverage.get((account, symbol), LEVERAGE)

    def set_leverage(self, account: str, symbol: str, leverage: int) -> None:
        self._leverage[account, symbol] = leverage

    def unrealized(self, account: str, quote: str) -> int:
        return sum(
            self._holdings[account, listing.rules.symbol].unrealized(listing.reference)
            for listing in self._of_quote(quote)
        )

    def margin(self, account: str, quote: str) -> int:
        """What positions and open orders need, the worse side of each symbol."""
        return sum(self._margin(account, listing, 0, 0) for listing in self._of_quote(quote))

    def available(self, account: str, quote: str) -> int:
        held = self._wallets.held(account, quote)
        return held + self.unrealized(account, quote) - self.margin(account, quote)

    def _of_quote(self, quote: str) -> Iterator[Listing]:
        return (each for each in self._listings.values() if each.rules.quote == quote)

    def _margin(self, account: str, listing: Listing, more_bought: int, more_sold: int) -> int:
        symbol = listing.rules.symbol
        bought, sold = more_bought, more_sold
        for order in self._open[account, symbol].values():
            if not order.reduce_only:
                if order.side is Side.BUY:
                    bought += order.leaves
                else:
                    sold += order.leaves
        qty = self._holdings[account, symbol].qty
        worst = max(abs(qty + bought), abs(qty - sold), abs(qty))
        return value(listing.reference, worst) // self.leverage(account, symbol)

    # -- the exchange's calls ----------------------------------------------------------------------

    def check(self, account: str, asked: OrderAsked, listing: Listing) -> None:
        symbol = listing.rules.symbol
        self._listings.setdefault(symbol, listing)
        if asked.reduce_only:
            if self._closable(account, symbol, asked.side) <= 0:
                raise Refusal(RefusalKind.REDUCE_ONLY)
            return
        bought, sold = (asked.qty, 0) if asked.side is Side.BUY else (0, asked.qty)
        now = self._margin(account, listing, 0, 0)
        then = self._margin(account, listing, bought, sold)
        if then > now and then - now > self.available(account, listing.rules.quote):
            raise Refusal(RefusalKind.NO_FUNDS)

    def _closable(self, account: str, symbol: str, side: Side) -> int:
        """How much an order of `side` can take off the position; 0 or less: nothing."""
        return -self._holdings[account, symbol].qty * side.sign

    def lock(self, order: Order, listing: Listing) -> None:
        self._open[order.account, order.symbol][order.order_id] = order

    def unlock(self, order: Order, listing: Listing) -> None:
        self._open[order.account, order.symbol].pop(order.order_id, None)

    def affordable(self, order: Order, listing: Listing, price: int, qty: int) -> int:
        if not order.reduce_only:
            return qty
        return min(qty, max(0, self._closable(order.account, order.symbol, order.side)))

    def settle(
        self,
        listing: Listing,
        taker: Order | None,
        maker: Order | None,
        price: int,
        qty: int,
        trade_id: int,
    ) -> tuple[Paid | None, Paid | None]:
        return (
            self._settle_one(listing, taker, price, qty, trade_id, is_maker=False),
            self._settle_one(listing, maker, price, qty, trade_id, is_maker=True),
        )

    def _settle_one(
        self,
        listing: Listing,
        order: Order | None,
        price: int,
        qty: int,
        trade_id: int,
        *,
        is_maker: bool,
    ) -> Paid | None:
        if order is None:
            return None
        account, quote = self._accounts[order.account], listing.rules.quote
        self._listings.setdefault(listing.rules.symbol, listing)
        worth = value(price, qty)
        holding = self._holdings[account.name, order.symbol]
        realized = holding.trade(order.side.sign * qty, worth)
        holding.updated_ns = self._now_ns()
        fee = part(worth, account.maker if is_maker else account.taker)
        self._book("realized", MARKET, account.name, listing, realized, trade_id)
        self._book("fee", FEES, account.name, listing, -fee, trade_id)
        return Paid(fee, quote, realized)

    def fund(self, account: str, listing: Listing, rate: Decimal) -> int:
        """Longs pay `rate` of their worth to the market; returns what the account received."""
        qty = self._holdings[account, listing.rules.symbol].qty
        paid = part(value(listing.reference, abs(qty)), rate)
        received = -paid if qty > 0 else paid
        self._book("funding", MARKET, account, listing, received, 0)
        return received

    def _book(
        self, reason: str, other: str, account: str, listing: Listing, received: int, trade_id: int
    ) -> None:
        if not received:
            return
        source, target = (other, account) if received > 0 else (account, other)
        asset, symbol = listing.rules.quote, listing.rules.symbol
        self._wallets.move(reason, asset, source, target, abs(received), trade_id)
        self.incomes.append(
            Income(
                len(self.incomes) + 1,
                self._now_ns(),
                account,
                symbol,
                reason,
                received,
                asset,
                trade_id,
            )
        )
