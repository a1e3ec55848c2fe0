"""The strategy's side of the desk: a read-only view, a few verbs, and what the helm allows."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from engine.domain.algo import AnyAlgo, Bracket, TrailingStop, is_reducing
from engine.domain.commands import KillLevel
from engine.domain.errors import shorten
from engine.domain.events import Helm
from engine.domain.order import Order, OrderSpec, OrderType, Purpose, Side, TimeInForce
from engine.domain.text import clean
from engine.market.view import MarketView
from engine.ports.strategy import Bar
from engine.strategy.intents import Intents
from engine.trading.algos.desk import AlgoDesk
from engine.trading.order_manager import OrderManager
from engine.trading.state import TradingState
from engine.trading.state_parts import BotState

VERBS_PER_WAKE_MAX = 500
"""More than this in one wake-up is a flood: the bot is paused."""
_WHOLE_MAX = 1 << 53
"""Sizes and prices beyond this are nonsense, and would not fit the ledger's integers."""
_INSTANT_MAX = 1 << 62


class StrategyFlooded(Exception):
    """A strategy asked for more than any sane strategy would in one wake-up."""


class Shield(Protocol):
    """Keeps the watchdog from cutting the engine's own code in half (`core.watchdog`)."""

    def hold(self) -> None: ...
    def release(self) -> None: ...


class NoShield:
    """Where nothing interrupts."""

    def hold(self) -> None: ...
    def release(self) -> None: ...


class BotContext:
    """Implements `engine.ports.strategy.Context` for one bot."""

    def __init__(
        self,
        bot: BotState,
        view: MarketView,
        state: TradingState,
        orders: OrderManager,
        algos: AlgoDesk,
        timeframe: str,
        shield: Shield,
    ) -> None:
        self.instrument = view.instrument
        self.now_ns = 0
        self.said = ""
        self.said_ns = 0
        self._bot = bot
        self._view = view
        self._state = state
        self._orders = orders
        self._algos = algos
        self._timeframe = timeframe
        self._shield = shield
        self._verbs = 0
        self.has_flooded = False
        """In this wake-up, even where the strategy has swallowed what it was told."""
        self.would: Intents | None = None
        """What it last wanted while a person has held its helm."""

    def use_timeframe(self, timeframe: str) -> None:
        """Of the strategy that takes over."""
        self._timeframe = timeframe

    def begin(self, now_ns: int) -> None:
        """A callback is about to run at `now_ns`."""
        self.now_ns = now_ns
        self._verbs = 0
        self.has_flooded = False
        if self._bot.helm is not Helm.MANUAL:
            self.would = None

    # -- view --------------------------------------------------------------------------------

    @property
    def best_bid(self) -> int:
        return self._view.best_bid

    @property
    def best_ask(self) -> int:
        return self._view.best_ask

    @property
    def is_ready(self) -> bool:
        return self._view.is_ready

    @property
    def last_ticks(self) -> int:
        return self._view.last_ticks

    def depth(self, side: Side, levels: int) -> list[tuple[int, int]]:
        return self._view.depth(side, levels)

    def bars(self, count: int) -> list[Bar]:
        return self._view.bars(self._timeframe, count)

    def closes(self, count: int) -> list[int]:
        return self._view.closes(self._timeframe, count)

    @property
    def position_lots(self) -> int:
        return self._state.position(self._bot.bot_id, self.instrument.instrument_id).lots

    @property
    def position_in_floats(self) -> float:
        return self._state.position(
            self._bot.bot_id, self.instrument.instrument_id
        ).summed_in_floats

    @property
    def orders(self) -> Mapping[str, Order]:
        return MappingProxyType(self._state.bot_orders(self._bot.bot_id))

    @property
    def algos(self) -> Mapping[str, AnyAlgo]:
        return MappingProxyType(
            {
                algo.algo_id: algo.spec
                for algo in self._state.algos.values()
                if algo.bot_id == self._bot.bot_id
            }
        )

    # -- verbs -------------------------------------------------------------------------------

    def buy(
        self, lots: int, price_ticks: int = 0, tif: TimeInForce = TimeInForce.GTC
    ) -> str | None:
        return self._place(Side.BUY, lots, price_ticks, tif)

    def sell(
        self, lots: int, price_ticks: int = 0, tif: TimeInForce = TimeInForce.GTC
    ) -> str | None:
        return self._place(Side.SELL, lots, price_ticks, tif)

    def close(self) -> None:
        held = self.position_lots
        if held:
            side = Side.SELL if held > 0 else Side.BUY
            self._place(side, abs(held), 0, TimeInForce.IOC, reducing=True)

    def bracket(
        self,
        side: Side,
        lots: int,
        *,
        stop_ticks: int,
        target_ticks: int = 0,
        price_ticks: int = 0,
        trail_ticks: int = 0,
    ) -> str | None:
        return self.work(
            Bracket(
                instrument_id=self.instrument.instrument_id,
                side=Side(side),
                qty_lots=_whole("lots", lots),
                price_ticks=_whole("price_ticks", price_ticks),
                stop_ticks=_whole("stop_ticks", stop_ticks),
                target_ticks=_whole("target_ticks", target_ticks),
                trail_ticks=_whole("trail_ticks", trail_ticks),
            )
        )

    def trail(self, *, ticks: int = 0, bp: int = 0) -> str | None:
        held = self.position_lots
        if not held:
            return None
        return self.work(
            TrailingStop(
                instrument_id=self.instrument.instrument_id,
                side=Side.SELL if held > 0 else Side.BUY,
                qty_lots=abs(held),
                distance_ticks=_whole("ticks", ticks),
                distance_bp=_whole("bp", bp),
            )
        )

    def work(self, spec: AnyAlgo) -> str | None:
        self._count()
        if not isinstance(spec, AnyAlgo):
            raise TypeError(f"work wants one of the algo specs, not {type(spec).__name__}")
        spec = _ours(spec)
        if spec.instrument_id != self.instrument.instrument_id:
            raise ValueError(f"{spec.instrument_id} is not this bot's instrument")
        if intents := self._intents():
            intents.work(type(spec).__name__.lower())
        if not self._may_act() or (self._bot.helm is Helm.PAUSED and not is_reducing(spec)):
            return None
        self._shield.hold()
        try:
            started = self._algos.start(spec, self._bot.bot_id, "bot", self.now_ns)
        finally:
            self._shield.release()
        return started if isinstance(started, str) else None

    def cancel(self, client_order_id: str) -> None:
        self._count()
        if intents := self._intents():
            intents.cancel()
        if not self._may_act():
            return
        order = self._state.bot_orders(self._bot.bot_id).get(client_order_id)
        algo = self._state.algos.get(order.algo_id if order is not None else client_order_id)
        self._shield.hold()
        try:
            if algo is not None:
                if (algo.bot_id, algo.owner) == (self._bot.bot_id, "bot"):
                    self._algos.cancel(algo.algo_id, self._bot.bot_id, self.now_ns)
            elif order is not None and order.placed_by == "bot":
                self._orders.cancel(order, self._bot.bot_id, self.now_ns)
        finally:
            self._shield.release()

    def explain(self, text: str) -> None:
        self.said = clean(shorten(str(text), 160))
        self.said_ns = self.now_ns

    # -- rules -------------------------------------------------------------------------------

    def _count(self) -> None:
        self._verbs += 1
        if self._verbs > VERBS_PER_WAKE_MAX:
            self.has_flooded = True
            raise StrategyFlooded(
                f"more than {VERBS_PER_WAKE_MAX} orders or cancels in one wake-up"
            )

    def _may_act(self) -> bool:
        """A bot whose helm a person holds, or that was killed or is being flattened, watches."""
        state = self._state
        return (
            self._bot.helm in (Helm.AUTO, Helm.PAUSED)
            and state.kill < KillLevel.CANCEL_ALL
            and not state.is_flattening(self.instrument.instrument_id, self._bot.bot_id)
        )

    def _intents(self) -> Intents | None:
        """Where this wake-up's wishes are noted; None where they are carried out."""
        if self._bot.helm is not Helm.MANUAL:
            return None
        if self.would is None or self.would.at_ns != self.now_ns:
            self.would = Intents(self.now_ns)
        return self.would

    def _place(
        self,
        side: Side,
        lots: int,
        price_ticks: int,
        tif: TimeInForce,
        *,
        reducing: bool = False,
    ) -> str | None:
        self._count()
        # Foreign numbers (numpy's, say) become ours here, or fail inside the strategy.
        lots, price_ticks = _whole("lots", lots), _whole("price_ticks", price_ticks)
        tif = TimeInForce(tif)
        if intents := self._intents():
            intents.place(side, lots, price_ticks)
        if not self._may_act():
            return None
        if self._bot.helm is Helm.PAUSED:
            # Paused: nothing that adds; what reduces becomes reduce-only, cut to the position.
            held = self.position_lots
            if held * side.sign >= 0:
                return None
            lots = min(lots, abs(held))
            reducing = True
        spec = OrderSpec(
            instrument_id=self.instrument.instrument_id,
            side=side,
            qty_lots=lots,
            type=OrderType.LIMIT if price_ticks else OrderType.MARKET,
            price_ticks=price_ticks,
            tif=tif if price_ticks else TimeInForce.IOC,
            reduce_only=reducing,
            purpose=Purpose.EXIT if reducing else Purpose.ENTRY,
        )
        self._shield.hold()
        try:
            placed = self._orders.place(spec, self._bot.bot_id, "bot", self.now_ns)
        finally:
            self._shield.release()
        return placed.client_order_id if isinstance(placed, Order) else None


def _ours(spec: AnyAlgo) -> AnyAlgo:
    """`spec` with plain values of its fields' types, or an error inside the strategy."""
    plain: dict[str, Any] = {}
    for field in msgspec.structs.fields(spec):
        value = getattr(spec, field.name)
        if field.type is int:
            most = _INSTANT_MAX if field.name.endswith("_ns") else _WHOLE_MAX
            plain[field.name] = _whole(field.name, value, most)
        elif field.type == list[int]:
            plain[field.name] = [_whole(field.name, item) for item in value]
        else:
            plain[field.name] = field.type(value)
    return type(spec)(**plain)


def _whole(name: str, value: int, most: int = _WHOLE_MAX) -> int:
    """`value` as a plain int. TypeError for what is no whole number, ValueError for nonsense."""
    number = operator.index(value)
    if abs(number) > most:
        raise ValueError(f"{name} of {number} is beyond any market")
    return number
