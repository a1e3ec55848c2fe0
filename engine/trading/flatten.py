"""Closing positions: cancel what is in the way, close reduce-only with a price cap, repeat until
the venue has made it flat, or what is left is too small for any order. Works on stale or broken
books too: then without the cap."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from engine.domain import events as e
from engine.domain.money import MONEY, plain
from engine.domain.order import Order, OrderSpec, OrderType, Purpose, Side, TimeInForce
from engine.market.view import MarketView
from engine.trading.order_manager import OrderManager, Record
from engine.trading.state import TradingState

CAP_PCT = Decimal(1)
"""How far through the touch a closing order may reach; the next try starts from the new touch."""
RETRY_NS = 100_000_000
RETRIES_QUICK = 5
RETRY_NS_MAX = 5_000_000_000
"""After a few refusals in a row the pause doubles: a venue that says no is not helped by asking
it ten times a second."""


class Flattener:
    def __init__(
        self,
        state: TradingState,
        orders: OrderManager,
        markets: Mapping[str, MarketView],
        record: Record,
    ) -> None:
        self._state = state
        self._orders = orders
        self._markets = markets
        self._record = record

    def start(self, instrument_id: str, bot_id: str, by: str, reason: str, now_ns: int) -> None:
        """Begin (again) to flatten the scope; "" stands for every one."""
        if (instrument_id, bot_id) not in self._state.flattening:
            self._record(
                e.FlattenStarted(
                    ts_ns=now_ns, instrument_id=instrument_id, bot_id=bot_id, by=by, reason=reason
                )
            )
        self.step(now_ns)

    def step(self, now_ns: int) -> None:
        """Do what is next for every scope being flattened. Called whenever something changed."""
        for scope in list(self._state.flattening):
            if self._step_scope(scope, now_ns):
                ended = e.FlattenEnded(
                    ts_ns=now_ns,
                    instrument_id=scope[0],
                    bot_id=scope[1],
                    stays=self._remainder(scope),
                )
                self._record(ended)

    def can_close(self, instrument_id: str = "", bot_id: str = "") -> bool:
        """Whether anything in the scope is open that the venue would take a closing order for."""
        return any(
            not position.is_flat
            and _matches((instrument_id, bot_id), key, bot)
            and not self._is_too_small(self._closing_order(key, position.lots))
            for (bot, key), position in self._state.positions.items()
        )

    def _step_scope(self, scope: tuple[str, str], now_ns: int) -> bool:
        """True once nothing in the scope is open any more, but for what cannot be closed."""
        live = [order for order in self._state.orders.values() if _in_scope(order, scope)]
        for order in live:
            if order.spec.purpose is not Purpose.FLATTEN:
                self._orders.cancel(order, "engine", now_ns)
        closing = {
            (order.bot_id, order.spec.instrument_id)
            for order in live
            if order.spec.purpose is Purpose.FLATTEN
        }
        is_flat = True
        for (bot_id, instrument_id), position in self._state.positions.items():
            if position.is_flat or not _matches(scope, instrument_id, bot_id):
                continue
            spec = self._closing_order(instrument_id, position.lots)
            if self._is_too_small(spec):
                continue
            is_flat = False
            own = (bot_id, instrument_id)
            retry_ns = _retry_ns(self._state.closing_refusals.get(own, 0))
            if own in closing or now_ns - self._state.closing_ns.get(own, -retry_ns) < retry_ns:
                continue
            self._orders.place(spec, bot_id, "engine", now_ns)
        return is_flat and not live

    def _closing_order(self, instrument_id: str, lots: int) -> OrderSpec:
        side = Side.SELL if lots > 0 else Side.BUY
        return closing_spec(self._markets[instrument_id], instrument_id, side, abs(lots))

    def _is_too_small(self, spec: OrderSpec) -> bool:
        """Whether no venue would take it: fewer lots than the least or, on spot, where a close is
        an order like any other, worth less than the least. Asking again would not help."""
        instrument = self._state.instruments[spec.instrument_id]
        if spec.qty_lots < instrument.min_lots:
            return True
        if instrument.can_short or not spec.price_ticks:
            return False
        return instrument.notional(spec.qty_lots, spec.price_ticks) < instrument.min_notional

    def _remainder(self, scope: tuple[str, str]) -> str:
        """What stays open in the scope, in words; "" where it is flat."""
        instruments = self._state.instruments
        amounts = [
            f"{plain(instruments[key].qty(abs(position.lots)))} {instruments[key].base}"
            for (bot_id, key), position in self._state.positions.items()
            if not position.is_flat and _matches(scope, key, bot_id)
        ]
        if not amounts:
            return ""
        are, stay = ("is", "it stays") if len(amounts) == 1 else ("are each", "they stay")
        return f"{', '.join(amounts)} {are} below the venue's smallest order; {stay}"


def closing_spec(view: MarketView, instrument_id: str, side: Side, lots: int) -> OrderSpec:
    """A reduce-only order that closes now: capped while the book can be believed."""
    if not view.is_ready:
        return OrderSpec(
            instrument_id=instrument_id,
            side=side,
            qty_lots=lots,
            type=OrderType.MARKET,
            tif=TimeInForce.IOC,
            reduce_only=True,
            purpose=Purpose.FLATTEN,
        )
    touch = view.best_bid if side is Side.SELL else view.best_ask
    reach = max(1, int(MONEY.multiply(Decimal(touch), CAP_PCT) / 100))
    return OrderSpec(
        instrument_id=instrument_id,
        side=side,
        qty_lots=lots,
        price_ticks=max(1, touch - reach if side is Side.SELL else touch + reach),
        tif=TimeInForce.IOC,
        reduce_only=True,
        purpose=Purpose.FLATTEN,
    )


def _matches(scope: tuple[str, str], instrument_id: str, bot_id: str) -> bool:
    return scope[0] in ("", instrument_id) and scope[1] in ("", bot_id)


def _in_scope(order: Order, scope: tuple[str, str]) -> bool:
    return _matches(scope, order.spec.instrument_id, order.bot_id)


def _retry_ns(refusals: int) -> int:
    """How long to wait after `refusals` closing orders in a row have been refused."""
    doublings = min(max(0, refusals - RETRIES_QUICK), 10)
    return min(RETRY_NS << doublings, RETRY_NS_MAX)
