"""How orders are paid for: what they lock, what a fill moves, what it costs.

`SpotSettlement` is for instruments whose base is an asset; futures bring their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple, Protocol

from engine.domain.order import Side
from engine.drill.ledger import FEES, MARKET
from engine.drill.listing import Listing
from engine.drill.units import ONE, units, value
from engine.drill.values import AccountSpec, Order, OrderAsked, Refusal, RefusalKind
from engine.drill.wallets import Wallets

FEE_ASSET = "BNB"
FEE_ASSET_PERCENT = 75
"""Of the fee, when it is paid in the fee asset."""


class Paid(NamedTuple):
    """What one side of an execution cost and earned."""

    fee: int
    fee_asset: str
    realized: int = 0
    """Profit booked by it; futures only."""


class Settlement(Protocol):
    """Money of one kind of instrument. Called by the exchange, which has checked all else."""

    def check(self, account: str, asked: OrderAsked, listing: Listing) -> None:
        """Refusal(NO_FUNDS, REDUCE_ONLY) when the account cannot pay. Changes nothing."""

    def lock(self, order: Order, listing: Listing) -> None:
        """It is accepted: hold back what it may cost, into `order.locked`."""

    def unlock(self, order: Order, listing: Listing) -> None:
        """It has ended, however: give back what is left."""

    def affordable(self, order: Order, listing: Listing, price: int, qty: int) -> int:
        """How much of `qty` a taker can pay for at `price`; less than all ends the order."""

    def settle(
        self,
        listing: Listing,
        taker: Order | None,
        maker: Order | None,
        price: int,
        qty: int,
        trade_id: int,
    ) -> tuple[Paid | None, Paid | None]:
        """They trade with each other; None is the market, and pays for nothing. The orders'
        `filled` are still what they were before. Returns the taker's and the maker's."""


class SpotSettlement:
    """A buyer pays the quote, a seller delivers the base; the fee comes off what is received, or
    out of the fee asset while it lasts."""

    def __init__(
        self,
        accounts: Mapping[str, AccountSpec],
        wallets: Wallets,
        fee_asset_price: Callable[[str], int],
    ) -> None:
        """`fee_asset_price(asset)`: one fee asset in units of `asset`; 0: unknown."""
        self._accounts = accounts
        self._wallets = wallets
        self._fee_asset_price = fee_asset_price

    # -- before ----------------------------------------------------------------------------------

    def check(self, account: str, asked: OrderAsked, listing: Listing) -> None:
        asset = listing.rules.base if asked.side is Side.SELL else listing.rules.quote
        if self._cost(asked, listing) > self._wallets.free(account, asset):
            raise Refusal(RefusalKind.NO_FUNDS)

    def _cost(self, asked: OrderAsked, listing: Listing) -> int:
        if asked.side is Side.SELL:
            return asked.qty  # By value: what there is will be sold.
        if asked.quote_qty:
            return asked.quote_qty
        if asked.kind.has_price:
            return value(asked.price, asked.qty)
        if asked.kind.has_trigger:
            return value(asked.trigger, asked.qty)
        return listing.cost_of(asked.side, asked.qty)

    def lock(self, order: Order, listing: Listing) -> None:
        if order.kind is order.kind.MARKET:
            return  # It trades at once, or not at all.
        limit = order.price if order.kind.has_price else order.trigger
        needed = order.leaves if order.side is Side.SELL else value(limit, order.leaves)
        self._wallets.lock(order.account, self._asset(order, listing), needed)
        order.locked = needed

    def _asset(self, order: Order, listing: Listing) -> str:
        return listing.rules.base if order.side is Side.SELL else listing.rules.quote

    def unlock(self, order: Order, listing: Listing) -> None:
        self._free(order, listing, order.locked)

    def _free(self, order: Order, listing: Listing, amount: int) -> None:
        self._wallets.lock(order.account, self._asset(order, listing), -amount)
        order.locked -= amount

    # -- trading ---------------------------------------------------------------------------------

    def affordable(self, order: Order, listing: Listing, price: int, qty: int) -> int:
        """Only orders without a limit price run short: they lock nothing, or their trigger's
        worth."""
        if order.kind.has_price:
            return qty
        means = self._wallets.free(order.account, self._asset(order, listing)) + order.locked
        if order.side is Side.SELL:
            return min(qty, listing.whole_lots(means))
        return min(qty, listing.whole_lots(means * ONE // price))

    def settle(
        self,
        listing: Listing,
        taker: Order | None,
        maker: Order | None,
        price: int,
        qty: int,
        trade_id: int,
    ) -> tuple[Paid | None, Paid | None]:
        for order in (maker, taker):
            if order is not None and order.locked:
                self._free(order, listing, self._freed_by(order, price, qty))
        some = taker or maker
        assert some is not None
        is_taker_buy = (some.side is Side.BUY) is (taker is not None)
        buyer, seller = (taker, maker) if is_taker_buy else (maker, taker)
        payer = buyer.account if buyer is not None else MARKET
        giver = seller.account if seller is not None else MARKET
        rules = listing.rules
        self._wallets.move("trade", rules.quote, payer, giver, value(price, qty), trade_id)
        self._wallets.move("trade", rules.base, giver, payer, qty, trade_id)
        return (
            self._charge(taker, listing, price, qty, is_maker=False, trade_id=trade_id),
            self._charge(maker, listing, price, qty, is_maker=True, trade_id=trade_id),
        )

    def _freed_by(self, order: Order, price: int, qty: int) -> int:
        """What a fill no longer needs held back: a better price frees the difference, too."""
        if order.side is Side.SELL:
            return min(order.locked, qty)
        if order.kind.has_price:
            return value(order.price, qty)
        return min(order.locked, value(price, qty))

    def _charge(
        self,
        order: Order | None,
        listing: Listing,
        price: int,
        qty: int,
        *,
        is_maker: bool,
        trade_id: int,
    ) -> Paid | None:
        if order is None:
            return None
        account = self._accounts[order.account]
        is_buy = order.side is Side.BUY
        asset = listing.rules.base if is_buy else listing.rules.quote
        rate = account.maker if is_maker else account.taker
        fee = part(qty if is_buy else value(price, qty), rate)
        burnt = self._in_fee_asset(account, asset, fee)
        if burnt:
            asset, fee = FEE_ASSET, burnt
        self._wallets.move("fee", asset, account.name, FEES, fee, trade_id)
        return Paid(fee, asset)

    def _in_fee_asset(self, account: AccountSpec, asset: str, fee: int) -> int:
        """The fee in the fee asset; 0 where it is not paid so, or there is not enough left."""
        if not account.burns_fee_asset or asset == FEE_ASSET or not fee:
            return 0
        price = self._fee_asset_price(asset)
        if not price:
            return 0
        burnt = fee * FEE_ASSET_PERCENT * ONE // (100 * price)
        return burnt if burnt <= self._wallets.free(account.name, FEE_ASSET) else 0


def part(whole: int, rate: Decimal) -> int:
    """`rate` of `whole`, towards zero as the venue books it."""
    return whole * units("rate", rate) // ONE
