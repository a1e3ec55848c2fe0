"""Money views over the state: what each bot and the whole account is worth, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from engine.domain.money import MONEY, ZERO
from engine.domain.position import Position, Valuation, at_cost, value
from engine.market.view import MarketView
from engine.trading.state import TradingState


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over all bots, in the settle asset. `profit` is since the start of the ledger."""

    cash: Decimal = ZERO
    inventory: Decimal = ZERO
    realised: Decimal = ZERO
    unrealised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    profit: Decimal = ZERO


class Portfolio:
    """Values positions at the last good mid of each instrument (see `PriceGuard`)."""

    def __init__(self, state: TradingState, markets: Mapping[str, MarketView]) -> None:
        self._state = state
        self._markets = markets
        self.good_mid_x2: dict[str, int] = {}
        """Last trusted best bid + best ask, by instrument; kept when a side goes missing."""
        self._valued: dict[tuple[str, str], tuple[Position, int, Valuation]] = {}
        """What each position was worth when it was last asked: one instant asks several times."""

    def refresh(self, instrument_id: str) -> None:
        """Take over the present mid of `instrument_id` as good."""
        view = self._markets[instrument_id]
        if view.has_both_sides:
            self.good_mid_x2[instrument_id] = view.mid_x2

    def valuation(self, bot_id: str, instrument_id: str) -> Valuation:
        """One bot's position. Before any price is known the last one of the ledger counts, and
        without one it is worth what it cost; see `is_priced`."""
        position = self._state.position(bot_id, instrument_id)
        instrument = self._state.instruments[instrument_id]
        mid_x2 = self.good_mid_x2.get(instrument_id, 0)
        if not mid_x2 and self._state.accounting is not None:
            mid_x2 = self._state.accounting.last_mid_x2.get(instrument_id, 0)
        known = self._valued.get((bot_id, instrument_id))
        if known is not None and known[0] is position and known[1] == mid_x2:
            return known[2]
        found = value(position, instrument, mid_x2) if mid_x2 else at_cost(position, instrument)
        self._valued[bot_id, instrument_id] = (position, mid_x2, found)
        return found

    @property
    def is_priced(self) -> bool:
        """Whether there is a price for everything that is held: only then is a loss a fact."""
        return all(
            position.is_flat or instrument_id in self.good_mid_x2
            for (_, instrument_id), position in self._state.positions.items()
        )

    def account(self) -> Account:
        cash = inventory = realised = unrealised = fees = funding = profit = ZERO
        add = MONEY.add
        for bot_id, instrument_id in self._state.positions:
            part = self.valuation(bot_id, instrument_id)
            cash = add(cash, part.cash)
            inventory = add(inventory, part.inventory)
            realised = add(realised, part.realised)
            unrealised = add(unrealised, part.unrealised)
            fees = add(fees, part.fees)
            funding = add(funding, part.funding)
            profit = add(profit, part.equity)
        return Account(
            cash=cash,
            inventory=inventory,
            realised=realised,
            unrealised=unrealised,
            fees=fees,
            funding=funding,
            profit=profit,
        )

    def equity(self) -> Decimal:
        """Capital plus profit or loss."""
        total = self._state.capital
        for bot_id, instrument_id in self._state.positions:
            total = MONEY.add(total, self.valuation(bot_id, instrument_id).equity)
        return total
