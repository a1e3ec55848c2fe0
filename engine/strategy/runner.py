"""Runs one bot: wakes its strategy when the filter says so, and contains what it does wrong.

A strategy that raises, hangs for more than a second or floods is paused alone, with an alert; its
entries are cancelled, its protective orders stay, and no other bot notices.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from engine.domain import events as e
from engine.domain.errors import shorten
from engine.domain.text import clean
from engine.kernels import layout as k
from engine.market.view import MarketView
from engine.ports.strategy import Strategy, WakeFilter
from engine.strategy.context import BotContext, Shield, StrategyFlooded
from engine.trading.algos.desk import AlgoDesk
from engine.trading.order_manager import OrderManager, Record
from engine.trading.state import TradingState, is_spared_by_pause
from engine.trading.state_parts import BotState

Guard = Callable[[str], AbstractContextManager[object]]
"""Given the bot's name: a context manager that interrupts a callback running for too long."""

NEVER_NS = 1 << 62


class BotRunner:
    def __init__(
        self,
        bot: BotState,
        strategy: Strategy,
        view: MarketView,
        state: TradingState,
        orders: OrderManager,
        algos: AlgoDesk,
        record: Record,
        guard: Guard,
        shield: Shield,
    ) -> None:
        self.bot = bot
        self.wake: WakeFilter = strategy.wake
        self.context = BotContext(bot, view, state, orders, algos, self.wake.timeframe, shield)
        self.next_timer_ns = NEVER_NS
        self.wakes = 0
        self.observe: Callable[[int], None] | None = None
        """Called with the time after every wake-up of the strategy; for traces."""
        self._strategy = strategy
        self._view = view
        self._state = state
        self._orders = orders
        self._algos = algos
        self._record = record
        self._guard = guard
        self._bars_seen = 0
        self._is_started = False

    @property
    def wake_mask(self) -> int:
        """Which market changes this bot needs to see at once (`WAKE_` codes)."""
        mask = 0
        if self.wake.on_top:
            mask |= k.WAKE_TOP
        if self.wake.on_trade:
            mask |= k.WAKE_TRADE
        if self.wake.timeframe:
            mask |= k.WAKE_BAR
        return mask

    def start(self, now_ns: int) -> None:
        """At the bot's start and after a restart; timers keep the phase of the first start."""
        if self.wake.every_ms:
            period = self.wake.every_ms * 1_000_000
            passed = (now_ns - self.bot.started_ns) // period
            self.next_timer_ns = self.bot.started_ns + (passed + 1) * period
        if self.wake.timeframe:
            self._bars_seen = self._view.closed_bars(self.wake.timeframe)
        self._is_started = not self.is_held
        if self._is_started:
            self._call(now_ns, self._strategy.on_start)

    @property
    def is_held(self) -> bool:
        """Whether nothing may wake it: its venue or its book cannot be traded on."""
        return bool(self._state.hold_on(self.bot.instrument_id))

    def on_release(self, now_ns: int) -> None:
        """The hold is over: start what could not be started under it."""
        if not self._is_started and not self.is_held:
            self.start(now_ns)

    def replace(self, strategy: Strategy, now_ns: int) -> None:
        """Another strategy object takes over, as a restart at this instant would build it."""
        self._strategy = strategy
        self.wake = strategy.wake
        self.context.use_timeframe(self.wake.timeframe)
        self.next_timer_ns = NEVER_NS
        self.start(now_ns)

    # -- what can wake it ----------------------------------------------------------------------

    def on_market(self, reasons: int, now_ns: int) -> None:
        if reasons & k.WAKE_TOP and self.wake.on_top:
            self._call(now_ns, self._strategy.on_book)
        if reasons & k.WAKE_TRADE and self.wake.on_trade:
            self._call(now_ns, self._strategy.on_trade)
        if reasons & k.WAKE_BAR and self.wake.timeframe:
            self._on_bars(now_ns)

    def _on_bars(self, now_ns: int) -> None:
        closed = self._view.closed_bars(self.wake.timeframe)
        missed = closed - self._bars_seen
        self._bars_seen = closed
        for bar in self._view.bars(self.wake.timeframe, missed):
            self._call(now_ns, self._strategy.on_bar, bar)

    def on_timer(self, now_ns: int) -> None:
        """Its own timer is due. Missed periods are skipped, never made up for."""
        period = self.wake.every_ms * 1_000_000
        self.next_timer_ns += period * ((now_ns - self.next_timer_ns) // period + 1)
        self._call(now_ns, self._strategy.on_timer)

    def on_fill(self, event: e.OrderFilled, now_ns: int) -> None:
        if self.wake.on_fill and self._is_started:
            order = self._state.find_order(event.client_order_id)
            self._call(now_ns, self._strategy.on_fill, order, event.fill)

    # -- containment ---------------------------------------------------------------------------

    def _call(self, now_ns: int, callback: Callable[..., None], *args: Any) -> None:
        if self.bot.helm is e.Helm.STOPPED or self.bot.error:
            # A failed strategy is not asked again until a person has resumed it.
            return
        self.wakes += 1
        self.context.begin(now_ns)
        try:
            with self._guard(self.bot.bot_id):
                callback(self.context, *args)
            if self.context.has_flooded:
                raise StrategyFlooded("it went on after its flood of orders or cancels was stopped")
        except KeyboardInterrupt:
            raise  # A person at the keyboard, not the strategy.
        except BaseException as error:  # noqa: BLE001 - foreign code ends here, sys.exit() too
            self._fail(error, now_ns)
        if self.observe is not None:
            self.observe(now_ns)

    def _fail(self, error: BaseException, now_ns: int) -> None:
        words = clean(f"{type(error).__name__}: {shorten(_words(error), 160)}")
        self._record(e.BotFailed(ts_ns=now_ns, bot_id=self.bot.bot_id, error=words))
        if self.bot.helm is e.Helm.MANUAL:
            return  # A person holds the helm: the orders are theirs.
        if self.bot.helm is e.Helm.AUTO:
            self._record(
                e.HelmChanged(
                    ts_ns=now_ns,
                    bot_id=self.bot.bot_id,
                    helm=e.Helm.PAUSED,
                    by="engine",
                    reason=f"strategy failed: {words}",
                )
            )
        self.cancel_orders("engine", now_ns)

    def cancel_orders(self, by: str, now_ns: int) -> None:
        """Cancel what the bot itself placed, except protective orders; its algos look for
        themselves what its helm still allows."""
        for order in list(self._state.bot_orders(self.bot.bot_id).values()):
            if order.placed_by == "bot" and not is_spared_by_pause(order):
                self._orders.cancel(order, by, now_ns)
        self._algos.step_bot(self.bot.bot_id, now_ns)


def _words(error: BaseException) -> str:
    """What the error says; its text is foreign code as well."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - it must not end the engine
        return "its text cannot be shown"
