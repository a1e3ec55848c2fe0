"""The gate: every order of bot, person or engine passes here, and nowhere else, before its intent.

`check` is a decision: it returns the denial or None and changes nothing. Reservation happens when
the caller records the intent (`TradingState`), in the same synchronous step, so that two bots
asking in one instant cannot both get the last of a limit.

Orders that only take risk off are never refused for a limit: they must merely be able to reduce.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from engine.domain.commands import KillLevel
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, plain
from engine.domain.order import OrderSpec, OrderType, Purpose, Side
from engine.market.view import MarketView
from engine.trading.portfolio import Portfolio
from engine.trading.risk.limits import RiskLimits
from engine.trading.state import TradingState

_HUNDREDTH = Decimal("0.01")


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """Which limit, its value and the order's, as words for a person."""

    limit: str
    limit_value: str
    order_value: str


class RiskGate:
    def __init__(
        self,
        limits: RiskLimits,
        state: TradingState,
        portfolio: Portfolio,
        markets: Mapping[str, MarketView],
        distrusted: Mapping[str, str],
    ) -> None:
        """`distrusted`: instruments whose price is not believed now, and why (`PriceGuard`)."""
        self.limits = limits
        self._state = state
        self._portfolio = portfolio
        self._markets = markets
        self._distrusted = distrusted

    def check(self, spec: OrderSpec, bot_id: str, now_ns: int, algo_id: str = "") -> Denial | None:
        """The first limit that `spec` of `bot_id`, placed by `algo_id`, would break, or None."""
        return self.check_whole(spec, bot_id, now_ns, 1, algo_id)

    def check_whole(
        self, spec: OrderSpec, bot_id: str, now_ns: int, count: int, algo_id: str = ""
    ) -> Denial | None:
        """The same for `spec` cut into `count` orders at a time: an algo is judged as one order
        of its whole size. What `algo_id` itself has not sent yet does not count beside it."""
        instrument = self._state.instruments.get(spec.instrument_id)
        if instrument is None:
            return Denial(
                limit="instrument",
                limit_value="one of this session",
                order_value=spec.instrument_id,
            )
        denial = _check_shape(spec, instrument)
        if denial is not None:
            return denial
        if spec.reduce_only:
            return self._check_reducing(spec, bot_id, instrument)
        return (
            self._check_permission(spec, bot_id)
            or self._check_market(spec, instrument)
            or self._check_size(spec, instrument, algo_id)
            or self._check_counts(now_ns, count)
        )

    def check_price(self, spec: OrderSpec) -> Denial | None:
        """Only whether the market can be believed and the price is near it."""
        return self._check_market(spec, self._state.instruments[spec.instrument_id])

    # -- the parts, in the order in which they are asked ---------------------------------------

    def _check_reducing(
        self, spec: OrderSpec, bot_id: str, instrument: Instrument
    ) -> Denial | None:
        held = self._state.position(bot_id, spec.instrument_id).lots
        if held * spec.side.sign < 0:
            return None
        return Denial(
            limit="reduce_only",
            limit_value=f"position {plain(instrument.qty(held))}",
            order_value=f"{spec.side} {plain(instrument.qty(spec.qty_lots))} would not reduce it",
        )

    def _check_permission(self, spec: OrderSpec, bot_id: str) -> Denial | None:
        state = self._state
        if state.kill is not KillLevel.NONE:
            return Denial(
                limit="kill",
                limit_value=state.kill.name.lower(),
                order_value="orders that add risk are refused until the kill switch is reset",
            )
        if state.tripped is not None:
            return Denial(
                limit=state.tripped.limit,
                limit_value=state.tripped.limit_value,
                order_value=f"reached {state.tripped.value}: no entries until it is reset",
            )
        if state.is_flattening(spec.instrument_id, bot_id):
            return Denial(
                limit="flatten",
                limit_value="positions are being closed",
                order_value="no entry until they are flat",
            )
        hold = state.hold_on(spec.instrument_id)
        if hold:
            return Denial(limit="link", limit_value="trading", order_value=hold)
        lost = state.unanswered_of(bot_id, spec.instrument_id)
        if lost:
            return Denial(
                limit="unanswered",
                limit_value=f"the venue's word on {lost}",
                order_value="no further entry until it is known what became of that one",
            )
        incident = state.incident_in(spec.instrument_id)
        if incident is not None:
            return Denial(
                limit="incident",
                limit_value=f"{incident.incident_id} decided: adopt, ignore or flatten",
                order_value=f"{incident.kind}: only orders that reduce until then",
            )
        alarm = state.alarm_of(spec.instrument_id, bot_id)
        if alarm:
            return Denial(
                limit="guard",
                limit_value="every position with the stop it was given",
                order_value=f"{alarm}: no entry until it is back",
            )
        return None

    def _check_market(self, spec: OrderSpec, instrument: Instrument) -> Denial | None:
        view = self._markets[spec.instrument_id]
        if not view.is_ready:
            return Denial(
                limit="book", limit_value="complete and not crossed", order_value="is not"
            )
        doubt = self._distrusted.get(spec.instrument_id)
        if doubt is not None:
            return Denial(
                limit="jump_distrust",
                limit_value=f"{plain(self.limits.jump_distrust_pct)} %",
                order_value=doubt,
            )
        price = spec.price_ticks or spec.trigger_ticks
        if price == 0:
            return None
        touch = view.best_ask if spec.side is Side.BUY else view.best_bid
        distance = abs(price - touch)
        if distance * 100 > int_ceiling(self.limits.collar_pct, touch):
            percent = MONEY.divide(Decimal(distance * 100), Decimal(touch)).quantize(_HUNDREDTH)
            allowed = plain(self.limits.collar_pct)
            return Denial(
                limit="collar",
                limit_value=f"{allowed} % from {plain(instrument.price(touch))}",
                order_value=f"{plain(instrument.price(price))} is {plain(percent)} % away",
            )
        return None

    def _check_size(self, spec: OrderSpec, instrument: Instrument, algo_id: str) -> Denial | None:
        view = self._markets[spec.instrument_id]
        touch = view.best_ask if spec.side is Side.BUY else view.best_bid
        price = spec.price_ticks or spec.trigger_ticks or touch
        notional = instrument.notional(spec.qty_lots, price)
        if notional < instrument.min_notional:
            return _money_denial("min_notional", instrument.min_notional, notional, instrument)
        equity = self._portfolio.equity()
        order_max = _percent_of(equity, self.limits.order_notional_max_pct)
        if notional > order_max:
            return _money_denial("order_notional_max", order_max, notional, instrument)
        worst_lots = self.worst_case_lots(spec.instrument_id, spec.side, spec.qty_lots, algo_id)
        position_max = _percent_of(equity, self.limits.position_max_pct)
        worst = instrument.notional(max(0, worst_lots), price)
        if worst > position_max:
            return _money_denial("position_max", position_max, worst, instrument)
        if not instrument.can_short:
            return self._check_spot(spec, instrument, notional, algo_id)
        return None

    def worst_case_lots(
        self, instrument_id: str, side: Side, extra_lots: int, algo_id: str = ""
    ) -> int:
        """Position towards `side` if every reserved order on that side filled, with what algos
        other than `algo_id` may still send there, plus `extra`."""
        exposure = self._state.exposure[instrument_id]
        reserved = exposure.buy_lots if side is Side.BUY else exposure.sell_lots
        reserved += self._state.unplaced_lots(instrument_id, side, algo_id)
        if self._state.foreign:
            reserved += self._state.foreign_lots(instrument_id, side)
        reserved += self._state.closing_lots(instrument_id, side)
        net = self._state.net_lots.get(instrument_id, 0)
        return side.sign * net + reserved + extra_lots

    def _check_spot(
        self, spec: OrderSpec, instrument: Instrument, notional: Decimal, algo_id: str
    ) -> Denial | None:
        """On spot one sells what one has and pays with what one has; no borrowing."""
        if spec.side is Side.SELL:
            short = self.worst_case_lots(spec.instrument_id, Side.SELL, spec.qty_lots, algo_id)
            if short <= 0:
                return None
            return Denial(
                limit="balance",
                limit_value=f"{instrument.base} held and not already offered",
                order_value=f"{plain(instrument.qty(short))} {instrument.base} more than that",
            )
        account = self._portfolio.account()
        spent = MONEY.add(account.fees, account.funding)
        free = MONEY.subtract(MONEY.add(self._state.capital, account.cash), spent)
        reserved_lots = self._state.exposure[spec.instrument_id].buy_lots
        reserved_lots += self._state.unplaced_lots(spec.instrument_id, Side.BUY, algo_id)
        touch = self._markets[spec.instrument_id].best_ask
        reserved = instrument.notional(reserved_lots, touch)
        if MONEY.add(notional, reserved) > free:
            return _money_denial("balance", MONEY.subtract(free, reserved), notional, instrument)
        return None

    def _check_counts(self, now_ns: int, count: int) -> Denial | None:
        live = len(self._state.orders)
        if live + count > self.limits.open_orders_max:
            return Denial(
                limit="open_orders_max",
                limit_value=str(self.limits.open_orders_max),
                order_value=str(live + count),
            )
        recent = self._state.intents_in_window(now_ns)
        if recent + count > self.limits.orders_per_s_max:
            return Denial(
                limit="orders_per_s_max",
                limit_value=str(self.limits.orders_per_s_max),
                order_value=str(recent + count),
            )
        return None


def _check_shape(spec: OrderSpec, instrument: Instrument) -> Denial | None:
    """What no venue would take: sizes and prices that make no sense."""
    if spec.qty_lots < instrument.min_lots:
        return Denial(
            limit="min_qty",
            limit_value=plain(instrument.qty(instrument.min_lots)),
            order_value=plain(instrument.qty(spec.qty_lots)),
        )
    needs_price = spec.type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    needs_trigger = spec.type in (OrderType.STOP, OrderType.STOP_LIMIT)
    if needs_price is not (spec.price_ticks > 0) or needs_trigger is not (spec.trigger_ticks > 0):
        return Denial(
            limit="order_type",
            limit_value=f"{spec.type}: {'a' if needs_price else 'no'} price, "
            f"{'a' if needs_trigger else 'no'} trigger",
            order_value=f"price {spec.price_ticks}, trigger {spec.trigger_ticks} ticks",
        )
    if spec.purpose in (Purpose.PROTECTIVE, Purpose.FLATTEN) and not spec.reduce_only:
        return Denial(limit="purpose", limit_value="reduce-only", order_value=str(spec.purpose))
    return None


def int_ceiling(percent: Decimal, ticks: int) -> int:
    """percent x ticks as an integer bound (rounded up)."""
    return int(MONEY.multiply(percent, Decimal(ticks)).__ceil__())


def _percent_of(amount: Decimal, percent: Decimal) -> Decimal:
    return MONEY.multiply(amount, MONEY.multiply(percent, _HUNDREDTH))


def _money_denial(
    limit: str, limit_value: Decimal, order_value: Decimal, instrument: Instrument
) -> Denial:
    places = Decimal("0.00000001") if instrument.settle == instrument.base else _HUNDREDTH
    return Denial(
        limit=limit,
        limit_value=f"{plain(limit_value.quantize(places))} {instrument.settle}",
        order_value=f"{plain(order_value.quantize(places))} {instrument.settle}",
    )
