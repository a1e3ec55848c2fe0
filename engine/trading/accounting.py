"""What a live account should hold, asset by asset, to the last digit.

Per asset: opening + fills - fees + movements of cash = what the venue says. On futures venues the
profit of an open position is part of no balance yet: there the sum is of cash flows, and equals
the wallet whenever everything that settles in the asset is flat, but for what the venue rounds: it
pays the profit of each fill into the wallet with eight digits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal

from engine.domain.claims import CashClaim
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import MONEY, ZERO
from engine.domain.order import Fill, Side

CASH_IDS_KEPT = 4096
WALLET_STEP = Decimal("0.00000001")
"""A futures venue rounds what a fill realizes to this."""


class AssetBooks:
    """Changed by `TradingState.apply` alone."""

    def __init__(self, opening: Mapping[str, Decimal], opened_ns: int) -> None:
        self.opened_ns = opened_ns
        self.newest_trade_ns: dict[str, int] = {}
        """The venue's time of our newest trade, by instrument."""
        self.last_mid_x2: dict[str, int] = {}
        """The last price that the ledger knows of, as best bid + best ask: what a restart values
        positions at until the market is back."""
        self.totals: dict[str, Decimal] = dict(opening)
        self.traded: set[str] = set()
        """Assets that our own fills and their fees have moved."""
        self.settled: dict[str, int] = {}
        """Fills of futures since the opening, by the asset that they settle in."""
        self.cash_ids: OrderedDict[str, None] = OrderedDict()
        """Movements booked so far, for counting each once."""

    def total(self, asset: str) -> Decimal:
        return self.totals.get(asset, ZERO)

    def missing(self, asset: str, venues: Decimal) -> Decimal:
        """What the venue holds beyond ours; zero where its rounding explains the difference: one
        step for each fill of futures, of spot nothing."""
        missing = MONEY.subtract(venues, self.total(asset))
        rounded = MONEY.multiply(WALLET_STEP, Decimal(self.settled.get(asset, 0)))
        return ZERO if abs(missing) <= rounded else missing

    def book_fill(self, instrument: Instrument, side: Side, fill: Fill) -> None:
        key = instrument.instrument_id
        self.newest_trade_ns[key] = max(self.newest_trade_ns.get(key, 0), fill.venue_ns)
        self.last_mid_x2[key] = 2 * fill.price_ticks
        self._add(fill.fee_asset, MONEY.minus(fill.fee))
        self.traded.add(fill.fee_asset)
        self.book_difference(instrument, side, fill)

    def book_difference(self, instrument: Instrument, side: Side, fill: Fill) -> None:
        """What `fill` moves beside its fee; also for one that nobody has seen and a person has
        adopted."""
        units = instrument.fill_cash_units(side, fill.lots, fill.price_ticks)
        self._add(instrument.settle, instrument.money(units))
        self.traded.add(instrument.settle)
        if instrument.kind is InstrumentKind.SPOT:
            self._add(instrument.base, instrument.qty(side.sign * fill.lots))
            self.traded.add(instrument.base)
        else:
            self.settled[instrument.settle] = self.settled.get(instrument.settle, 0) + 1

    def book_cash(self, cash: CashClaim) -> None:
        if cash.cash_id in self.cash_ids:
            return
        self.cash_ids[cash.cash_id] = None
        if len(self.cash_ids) > CASH_IDS_KEPT:
            self.cash_ids.popitem(last=False)
        self._add(cash.asset, cash.amount)

    def adopt(self, asset: str, amount: Decimal) -> None:
        self._add(asset, amount)

    def _add(self, asset: str, amount: Decimal) -> None:
        self.totals[asset] = MONEY.add(self.totals.get(asset, ZERO), amount)
