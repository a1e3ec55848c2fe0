"""The watchers: prices that jump, losses that add up, positions that went too far.

Like the gate, these are decisions: they say what should happen and the trader does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from engine.domain import events as e
from engine.domain.money import MONEY, ZERO, plain
from engine.market.view import MarketView
from engine.trading.order_manager import Record
from engine.trading.portfolio import Portfolio
from engine.trading.risk.limits import JUMP_SETTLE_NS, RiskLimits
from engine.trading.state import TradingState
from engine.trading.state_parts import Doubt

_CENT = Decimal("0.01")


class PriceGuard:
    """Feeds good mids to the portfolio and withholds those that jumped too far.

    A jump is adopted once the new price has stood for `JUMP_SETTLE_NS`; until then the gate
    refuses entries and valuations keep the last good price.
    """

    def __init__(
        self,
        limits: RiskLimits,
        state: TradingState,
        portfolio: Portfolio,
        markets: Mapping[str, MarketView],
        record: Record,
    ) -> None:
        self._limits = limits
        self._state = state
        self._record = record
        self._portfolio = portfolio
        self._markets = markets
        self.distrusted: dict[str, str] = {}
        """Words for the gate, by instrument; that there is a doubt is in the state."""

    def recall(self) -> None:
        """After a restart: a price that was not believed is not believed now."""
        for instrument_id, doubt in self._state.doubts.items():
            self._portfolio.good_mid_x2[instrument_id] = doubt.good_mid_x2
            self.distrusted[instrument_id] = "the price had jumped before the restart"

    def look(self, instrument_id: str, now_ns: int) -> str:
        """Judge the present mid. Returns words for the log when the verdict changed, else ""."""
        view = self._markets[instrument_id]
        if not view.has_both_sides:
            return ""
        mid_x2 = view.mid_x2
        good = self._portfolio.good_mid_x2.get(instrument_id)
        if good == mid_x2 and instrument_id not in self._state.doubts:
            return ""  # As it was a moment ago.
        if good is None or abs(mid_x2 - good) * 100 <= self._limits.jump_distrust_pct * good:
            self._portfolio.good_mid_x2[instrument_id] = mid_x2
            if instrument_id not in self._state.doubts:
                return ""
            self._trust(instrument_id, mid_x2, now_ns)
            return "price is back near the last good one: trusted again"
        return self._doubt(instrument_id, mid_x2, good, now_ns)

    def _doubt(self, instrument_id: str, mid_x2: int, good: int, now_ns: int) -> str:
        instrument = self._markets[instrument_id].instrument
        half = MONEY.multiply(instrument.tick, Decimal("0.5"))
        seen = plain(MONEY.multiply(Decimal(mid_x2), half))
        known = plain(MONEY.multiply(Decimal(good), half))
        doubt = self._state.doubts.get(instrument_id)
        is_new = doubt is None
        if doubt is None or self._has_moved_on(mid_x2, doubt):
            self._record(
                e.PriceDistrusted(
                    ts_ns=now_ns, instrument_id=instrument_id, mid_x2=mid_x2, good_mid_x2=good
                )
            )
        elif now_ns - doubt.since_ns >= JUMP_SETTLE_NS:
            self._portfolio.good_mid_x2[instrument_id] = mid_x2
            self._trust(instrument_id, mid_x2, now_ns)
            return f"price {seen} has stood for a minute: adopted (was {known})"
        self.distrusted[instrument_id] = f"mid {seen} against last good {known}"
        if is_new:
            return f"price jumped from {known} to {seen}: not believed, entries refused"
        return ""

    def _has_moved_on(self, mid_x2: int, doubt: Doubt) -> bool:
        """The price does not stand where the doubt began: the minute begins anew."""
        return abs(mid_x2 - doubt.mid_x2) * 100 > self._limits.collar_pct * doubt.mid_x2

    def _trust(self, instrument_id: str, mid_x2: int, now_ns: int) -> None:
        self.distrusted.pop(instrument_id, None)
        self._record(e.PriceTrusted(ts_ns=now_ns, instrument_id=instrument_id, mid_x2=mid_x2))


class LossBreach(msgspec.Struct, frozen=True, kw_only=True):
    limit: str
    limit_value: str
    value: str


def check_losses(
    limits: RiskLimits, state: TradingState, equity: Decimal, peak: Decimal
) -> LossBreach | None:
    """Daily loss and drawdown of the whole account; None while both hold."""
    for name, base, percent in (
        ("daily_loss", state.day_start_equity, limits.daily_loss_max_pct),
        ("drawdown", peak, limits.drawdown_max_pct),
    ):
        allowed = MONEY.multiply(base, MONEY.multiply(percent, _CENT))
        loss = MONEY.subtract(base, equity)
        if allowed > 0 and loss >= allowed:
            share = MONEY.divide(MONEY.multiply(loss, Decimal(100)), base).quantize(_CENT)
            return LossBreach(
                limit=name,
                limit_value=f"{plain(percent)} %",
                value=f"{plain(share)} % ({plain(loss.quantize(_CENT))} {state.settle})",
            )
    return None


class PositionBreach(msgspec.Struct, frozen=True, kw_only=True):
    bot_id: str
    instrument_id: str
    limit: str
    """`stop_loss` or `take_profit`."""
    value: str


def check_positions(
    limits: RiskLimits, state: TradingState, portfolio: Portfolio
) -> list[PositionBreach]:
    """Positions whose loss or gain, as a share of their cost, reached the per-position limits."""
    breaches = []
    for (bot_id, instrument_id), position in state.positions.items():
        if position.is_flat or (instrument_id, bot_id) in state.flattening:
            continue
        instrument = state.instruments[instrument_id]
        cost = abs(instrument.money(position.cost_units))
        unrealised = portfolio.valuation(bot_id, instrument_id).unrealised
        loss_max = MONEY.multiply(cost, MONEY.multiply(limits.stop_loss_pct, _CENT))
        gain_max = MONEY.multiply(cost, MONEY.multiply(limits.take_profit_pct, _CENT))
        if cost > ZERO and (unrealised <= -loss_max or unrealised >= gain_max):
            share = MONEY.divide(MONEY.multiply(unrealised, Decimal(100)), cost).quantize(_CENT)
            breaches.append(
                PositionBreach(
                    bot_id=bot_id,
                    instrument_id=instrument_id,
                    limit="stop_loss" if unrealised < 0 else "take_profit",
                    value=f"{plain(share)} %",
                )
            )
    return breaches
