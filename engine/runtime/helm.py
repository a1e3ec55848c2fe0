"""Commands of a person (or of a breached limit) carried out: who steers, what is cancelled,
what is closed. Risk-reducing commands are never refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.algo import is_reducing
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.incident import Choice
from engine.domain.order import Order, OrderSpec, Purpose, Side, TimeInForce
from engine.market.view import MarketView
from engine.runtime.roster import BotRoster
from engine.trading.algos.check import refusal_words
from engine.trading.algos.desk import AlgoDesk
from engine.trading.flatten import Flattener
from engine.trading.incidents import IncidentDesk
from engine.trading.order_manager import OrderManager, Record
from engine.trading.portfolio import Portfolio
from engine.trading.risk.monitor import PositionBreach
from engine.trading.state import MANUAL, TradingState, is_spared_by_pause

INTENT_AGE_MS_MAX = 500
"""An order key pressed on an older picture is refused: the market has moved on."""


class HelmDesk:
    def __init__(
        self,
        state: TradingState,
        orders: OrderManager,
        algos: AlgoDesk,
        flattener: Flattener,
        portfolio: Portfolio,
        roster: BotRoster,
        incidents: IncidentDesk,
        markets: Mapping[str, MarketView],
        record: Record,
    ) -> None:
        self._state = state
        self._orders = orders
        self._algos = algos
        self._flattener = flattener
        self._portfolio = portfolio
        self._runners = roster.runners
        self._incidents = incidents
        self._markets = markets
        self._record = record
        self._handlers: dict[type, Callable[[Any, int], str]] = {
            c.PlaceOrder: self._place,
            c.CancelOrder: self._cancel,
            c.MoveOrder: self._move,
            c.PlaceAlgo: self._place_algo,
            c.AmendAlgo: self._amend_algo,
            c.CancelAlgo: self._cancel_algo,
            c.CancelAll: self._cancel_all,
            c.Flatten: self._flatten,
            c.PauseBot: self._pause,
            c.ResumeBot: self._resume,
            c.TakeHelm: self._take,
            c.GiveHelm: self._give,
            c.StopBot: self._stop,
            c.AddBot: roster.add,
            c.RemoveBot: roster.remove,
            c.EditParams: roster.edit,
            c.Reverse: self._reverse,
            c.AdoptIncident: self._adopt,
            c.IgnoreIncident: self._ignore,
            c.FlattenIncident: self._flatten_incident,
            c.AckAlerts: self._acknowledge,
            c.Kill: self._kill,
            c.ResetKill: self._reset_kill,
        }

    def execute(self, command: c.AnyCommand, now_ns: int) -> None:
        """Carry `command` out once; a repeated id does nothing. Refusals are journalled."""
        if command.command_id in self._state.commands:
            return
        refused = self._handlers[type(command)](command, now_ns)
        self._record(
            e.CommandDone(
                ts_ns=now_ns,
                command_id=command.command_id,
                name=type(command).__name__,
                by=command.by,
                refused=refused,
            )
        )

    # -- orders: each handler returns why it refused, or "" ----------------------------------------

    def _place(self, command: c.PlaceOrder, now_ns: int) -> str:
        why = self._why_not_place(command.bot_id, command.age_ms, command.spec.reduce_only)
        if why:
            return why
        placed = self._orders.place(
            command.spec, command.bot_id, "human", now_ns, command.command_id
        )
        if isinstance(placed, Order):
            return ""
        return f"{placed.limit}: limit {placed.limit_value}, order {placed.order_value}"

    def _why_not_place(self, bot_id: str, age_ms: int, reduces: bool) -> str:
        if bot_id != MANUAL and bot_id not in self._state.bots:
            return f"no bot {bot_id}"
        if reduces:
            return ""
        if age_ms > INTENT_AGE_MS_MAX:
            return f"the picture was {age_ms} ms old (limit {INTENT_AGE_MS_MAX} ms)"
        if bot_id != MANUAL and self._state.bots[bot_id].helm is not Helm.MANUAL:
            return f"{bot_id} is steered by itself: take the helm first"
        return ""

    def _cancel(self, command: c.CancelOrder, now_ns: int) -> str:
        order = self._state.find_order(command.client_order_id)
        if order is None or not order.is_live:
            return f"order {command.client_order_id} is not working"
        if order.algo_id in self._state.algos:
            return self._algos.cancel_order(order, command.by, now_ns)
        self._orders.cancel(order, command.by, now_ns)
        return ""

    def _move(self, command: c.MoveOrder, now_ns: int) -> str:
        order = self._state.find_order(command.client_order_id)
        if order is None or not order.is_live:
            return f"order {command.client_order_id} is not working"
        if command.price_ticks <= 0:
            return "price must be greater than zero"
        bot = self._state.bots.get(order.bot_id)
        if bot is not None and bot.helm is not Helm.MANUAL and order.placed_by == "bot":
            return f"{order.bot_id} is steered by itself: take the helm first"
        if order.algo_id in self._state.algos:
            return self._why_not_mine(order.algo_id) or self._algos.move_order(
                order, command.price_ticks, command.by, now_ns
            )
        if not self._orders.cancel(order, command.by, now_ns, command.price_ticks):
            return "a cancel is already under way"
        return ""

    def _place_algo(self, command: c.PlaceAlgo, now_ns: int) -> str:
        why = self._why_not_place(command.bot_id, command.age_ms, is_reducing(command.spec))
        if why:
            return why
        started = self._algos.start(
            command.spec, command.bot_id, "human", now_ns, command.command_id
        )
        if isinstance(started, str):
            return ""
        return refusal_words(started.limit, started.limit_value, started.order_value)

    def _amend_algo(self, command: c.AmendAlgo, now_ns: int) -> str:
        return self._why_not_mine(command.algo_id) or self._algos.amend(
            command.algo_id, command.spec, command.by, now_ns
        )

    def _cancel_algo(self, command: c.CancelAlgo, now_ns: int) -> str:
        return self._algos.cancel(
            command.algo_id, command.by, now_ns, with_protective=command.with_protective
        )

    def _why_not_mine(self, algo_id: str) -> str:
        algo = self._state.algos.get(algo_id)
        bot = self._state.bots.get(algo.bot_id) if algo is not None else None
        if algo is None or algo.owner != "bot" or bot is None or bot.helm is Helm.MANUAL:
            return ""
        return f"{bot.bot_id} is steered by itself: take the helm first"

    def _cancel_all(self, command: c.CancelAll, now_ns: int) -> str:
        self._algos.cancel_scope(
            command.instrument_id,
            command.bot_id,
            command.by,
            now_ns,
            with_protective=command.with_protective,
        )
        for order in list(self._state.orders.values()):
            if command.instrument_id not in ("", order.spec.instrument_id):
                continue
            if command.bot_id not in ("", order.bot_id):
                continue
            if command.with_protective or not is_spared_by_pause(order):
                self._orders.cancel(order, command.by, now_ns)
        return ""

    def _flatten(self, command: c.Flatten, now_ns: int) -> str:
        for bot in self._state.bots.values():
            in_scope = command.bot_id in ("", bot.bot_id) and command.instrument_id in (
                "",
                bot.instrument_id,
            )
            if in_scope and bot.helm is Helm.AUTO:
                self._change(bot.bot_id, Helm.PAUSED, command.by, "flatten", now_ns)
        self._flattener.start(
            command.instrument_id, command.bot_id, command.by, "asked to flatten", now_ns
        )
        return ""

    def _reverse(self, command: c.Reverse, now_ns: int) -> str:
        """One order of twice the size: there is no instant between two at which only half of the
        wish has come true. Entries of the old side go once that order has passed the gate, its
        guards when it has filled far enough (`on_fill`)."""
        bot_id, instrument_id = command.bot_id, command.instrument_id
        why = self._why_not_place(bot_id, command.age_ms, reduces=False)
        lots = self._state.position(bot_id, instrument_id).lots
        if why or instrument_id not in self._markets:
            return why or f"no instrument {instrument_id}"
        if lots == 0 or lots != command.lots:
            return f"the position is {lots} lots now, not {command.lots}: look again"
        older = list(self._state.bot_orders(bot_id).values())
        spec = OrderSpec(
            instrument_id=instrument_id,
            side=Side.SELL if lots > 0 else Side.BUY,
            qty_lots=2 * abs(lots),
            price_ticks=command.cap_ticks,
            tif=TimeInForce.IOC,
            purpose=Purpose.REVERSE,
        )
        placed = self._orders.place(spec, bot_id, "human", now_ns, command.command_id)
        if not isinstance(placed, Order):
            return f"{placed.limit}: limit {placed.limit_value}, order {placed.order_value}"
        self._algos.cancel_scope(instrument_id, bot_id, command.by, now_ns, with_protective=False)
        for order in older:
            if order.spec.instrument_id == instrument_id and not is_spared_by_pause(order):
                self._orders.cancel(order, command.by, now_ns)
        return ""

    def on_fill(self, order: Order, lots: int, now_ns: int) -> None:
        """A fill of `lots`: where a reverse has passed zero with it, the guards of the old side go.
        One that fills only in part leaves the rest guarded."""
        spec, sign = order.spec, order.spec.side.sign
        held = self._state.position(order.bot_id, spec.instrument_id).lots * sign
        if spec.purpose is not Purpose.REVERSE or not held - lots < 0 <= held:
            return
        by, key = "reverse", order.client_order_id
        self._algos.cancel_scope(spec.instrument_id, order.bot_id, by, now_ns, with_protective=True)
        for other in list(self._state.bot_orders(order.bot_id).values()):
            is_older = other.created_ns <= order.created_ns and other.client_order_id != key
            if is_older and other.spec.instrument_id == spec.instrument_id:
                self._orders.cancel(other, by, now_ns)

    def on_liquidation(self, bot_id: str, now_ns: int) -> None:
        """A bot whose position the venue has closed was wrong about something: it waits for a
        person."""
        bot = self._state.bots.get(bot_id)
        if bot is not None and bot.helm is Helm.AUTO:
            self._change(bot_id, Helm.PAUSED, "risk", "liquidated by the venue", now_ns)
            self._runners[bot_id].cancel_orders("risk", now_ns)

    # -- incidents and alerts ------------------------------------------------------------------

    def _adopt(self, command: c.AdoptIncident, now_ns: int) -> str:
        return self._incidents.decide(command.incident_id, Choice.ADOPT, command.by, now_ns)

    def _ignore(self, command: c.IgnoreIncident, now_ns: int) -> str:
        return self._incidents.decide(command.incident_id, Choice.IGNORE, command.by, now_ns)

    def _flatten_incident(self, command: c.FlattenIncident, now_ns: int) -> str:
        incident = self._state.incidents.get(command.incident_id)
        why = self._incidents.decide(command.incident_id, Choice.FLATTEN, command.by, now_ns)
        if why or incident is None:
            return why
        scope = c.Flatten(
            command_id=command.command_id,
            by=command.by,
            instrument_id=incident.instrument_id,
            bot_id=incident.bot_id,
        )
        return self._flatten(scope, now_ns)

    def _acknowledge(self, command: c.AckAlerts, now_ns: int) -> str:
        if command.until_ns <= self._state.alerts_until_ns:
            return "nothing new to acknowledge"
        until_ns = min(command.until_ns, now_ns)
        self._record(e.AlertsAcknowledged(ts_ns=now_ns, until_ns=until_ns, by=command.by))
        return ""

    # -- helm ----------------------------------------------------------------------------------

    def _pause(self, command: c.PauseBot, now_ns: int) -> str:
        if not command.bot_id:
            self.pause_all(command.by, "pause all", now_ns)
            return ""
        bot = self._state.bots.get(command.bot_id)
        if bot is None:
            return f"no bot {command.bot_id}"
        if bot.helm is not Helm.AUTO:
            return f"{bot.bot_id} is {bot.helm}"
        self._change(bot.bot_id, Helm.PAUSED, command.by, "", now_ns)
        self._runners[bot.bot_id].cancel_orders(command.by, now_ns)
        return ""

    def pause_all(self, by: str, reason: str, now_ns: int) -> None:
        for bot in self._state.bots.values():
            if bot.helm is Helm.AUTO:
                self._change(bot.bot_id, Helm.PAUSED, by, reason, now_ns)
                self._runners[bot.bot_id].cancel_orders(by, now_ns)

    def _resume(self, command: c.ResumeBot, now_ns: int) -> str:
        return self._steer(command.bot_id, (Helm.PAUSED, Helm.STOPPED), command.by, now_ns)

    def _give(self, command: c.GiveHelm, now_ns: int) -> str:
        return self._steer(command.bot_id, (Helm.MANUAL,), command.by, now_ns)

    def _steer(self, bot_id: str, allowed: tuple[Helm, ...], by: str, now_ns: int) -> str:
        """Let the bot steer again, from one of the `allowed` states."""
        bot = self._state.bots.get(bot_id)
        if bot is None:
            return f"no bot {bot_id}"
        if self._state.kill is not KillLevel.NONE:
            return "the kill switch is on: reset it first"
        if self._state.tripped is not None:
            return f"{self._state.tripped.limit} was reached: reset it first"
        if bot.helm not in allowed:
            return f"{bot_id} is {bot.helm}"
        self._change(bot_id, Helm.AUTO, by, "", now_ns)
        return ""

    def _take(self, command: c.TakeHelm, now_ns: int) -> str:
        bot = self._state.bots.get(command.bot_id)
        if bot is None:
            return f"no bot {command.bot_id}"
        if bot.helm is Helm.MANUAL:
            return f"{bot.bot_id} is already yours"
        self._change(bot.bot_id, Helm.MANUAL, command.by, "", now_ns)
        return ""

    def _stop(self, command: c.StopBot, now_ns: int) -> str:
        bot = self._state.bots.get(command.bot_id)
        if bot is None:
            return f"no bot {command.bot_id}"
        if bot.helm is Helm.STOPPED:
            return f"{bot.bot_id} is already stopped"
        self._change(bot.bot_id, Helm.STOPPED, command.by, "", now_ns)
        self._runners[bot.bot_id].cancel_orders(command.by, now_ns)
        return ""

    def _change(self, bot_id: str, helm: Helm, by: str, reason: str, now_ns: int) -> None:
        self._record(e.HelmChanged(ts_ns=now_ns, bot_id=bot_id, helm=helm, by=by, reason=reason))

    # -- kill and limits -----------------------------------------------------------------------

    def _kill(self, command: c.Kill, now_ns: int) -> str:
        level = max(command.level, self._state.kill)
        self._record(e.KillChanged(ts_ns=now_ns, level=level, by=command.by, reason="kill switch"))
        if level >= KillLevel.CANCEL_ALL:
            # What is on its way to another price shall not arrive there.
            for moving in list(self._state.moves):
                self._record(e.MoveEnded(ts_ns=now_ns, client_order_id=moving))
        self.pause_all(command.by, "kill switch", now_ns)
        for order in list(self._state.orders.values()):
            if _falls_to(level, order):
                self._orders.cancel(order, command.by, now_ns)
        if level >= KillLevel.FLATTEN:
            self._flattener.start("", "", command.by, "kill switch", now_ns)
        return ""

    def keep_killed(self, now_ns: int) -> None:
        """What turns out to live after the switch is cancelled as well; at the last level a late
        fill is closed, however it came about."""
        state = self._state
        if state.kill is KillLevel.NONE:
            return
        if state.kill >= KillLevel.REDUCE_ONLY:
            for order in list(state.orders.values()):
                is_closing = order.spec.purpose is Purpose.FLATTEN
                if not is_closing and _falls_to(state.kill, order):
                    self._orders.cancel(order, state.kill_by, now_ns)
        is_due = state.kill is KillLevel.FLATTEN and ("", "") not in state.flattening
        if is_due and self._flattener.can_close():
            self._flattener.start("", "", state.kill_by, "kill switch", now_ns)

    def _reset_kill(self, command: c.ResetKill, now_ns: int) -> str:
        if self._state.kill is KillLevel.NONE and self._state.tripped is None:
            return "nothing to reset"
        if self._state.kill is not KillLevel.NONE:
            self._record(
                e.KillChanged(ts_ns=now_ns, level=KillLevel.NONE, by=command.by, reason="reset")
            )
        if self._state.tripped is not None:
            self._record(
                e.LimitsReset(ts_ns=now_ns, equity=self._portfolio.equity(), by=command.by)
            )
        return ""

    def close_breached(self, breach: PositionBreach, now_ns: int) -> None:
        """A position reached its stop-loss or take-profit: close it; after a loss also pause."""
        bot = self._state.bots.get(breach.bot_id)
        if not self._flattener.can_close(breach.instrument_id, breach.bot_id):
            return  # What a close had to leave breaches still, and nothing more can be done.
        words = f"{breach.limit} at {breach.value}"
        if breach.limit == "stop_loss" and bot is not None and bot.helm is Helm.AUTO:
            self._change(bot.bot_id, Helm.PAUSED, "risk", words, now_ns)
        self._flattener.start(breach.instrument_id, breach.bot_id, "risk", words, now_ns)


def _falls_to(level: KillLevel, order: Order) -> bool:
    """Whether the switch at `level` takes this order off."""
    is_entry = order.spec.purpose in (Purpose.ENTRY, Purpose.REVERSE) and not order.spec.reduce_only
    return level >= KillLevel.CANCEL_ALL or (level >= KillLevel.REDUCE_ONLY and is_entry)
