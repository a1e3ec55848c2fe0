"""The bots that run: those the ledger knows, and those that commands add and remove."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

import msgspec

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.commands import KillLevel
from engine.domain.errors import BadInput, ConfigError, shorten
from engine.domain.instrument import Instrument
from engine.domain.text import clean
from engine.market.view import MarketView
from engine.ports.strategy import Strategy
from engine.strategy.catalogue import knob_of, params_to_json, parse_params
from engine.strategy.context import Shield
from engine.strategy.runner import BotRunner, Guard
from engine.trading.algos.desk import AlgoDesk
from engine.trading.order_manager import OrderManager, Record
from engine.trading.state import MANUAL, TradingState
from engine.trading.state_parts import BotState

BOTS_MAX = 64
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")

BuildStrategy = Callable[[str, str, Instrument], Strategy]
"""Makes a strategy from a journalled bot: name, parameters, instrument."""


class BotRoster:
    """`runners` holds one runner for each bot of the state, in the same order."""

    def __init__(
        self,
        state: TradingState,
        orders: OrderManager,
        algos: AlgoDesk,
        markets: Mapping[str, MarketView],
        record: Record,
        guard: Guard,
        shield: Shield,
        build: BuildStrategy,
    ) -> None:
        self.runners: dict[str, BotRunner] = {}
        self._state = state
        self._orders = orders
        self._algos = algos
        self._markets = markets
        self._record = record
        self._guard = guard
        self._shield = shield
        self._build = build

    def start(self, now_ns: int) -> None:
        """Start every bot that the state holds: of a new ledger, or after a restart."""
        for bot in self._state.bots.values():
            view = self._markets.get(bot.instrument_id)
            if view is None:
                raise ConfigError(
                    f"bot {bot.bot_id}: instrument {bot.instrument_id} is not part of this world"
                )
            strategy = self._build(bot.strategy, bot.params_json, view.instrument)
            self._run(bot, strategy, view, now_ns)

    def _run(self, bot: BotState, strategy: Strategy, view: MarketView, now_ns: int) -> None:
        runner = BotRunner(
            bot,
            strategy,
            view,
            self._state,
            self._orders,
            self._algos,
            self._record,
            self._guard,
            self._shield,
        )
        self.runners[bot.bot_id] = runner
        runner.start(now_ns)

    # -- commands: each returns why it refused, or "" --------------------------------------------

    def add(self, command: c.AddBot, now_ns: int) -> str:
        """Let another bot steer from this instant on."""
        state, bot_id = self._state, command.bot_id
        view = self._markets.get(command.instrument_id)
        if not _ID.fullmatch(bot_id) or bot_id == MANUAL:
            return f"bot id {shorten(bot_id)}: use up to 40 letters, digits, '-', '_' and '.'"
        if bot_id in state.bots or bot_id in state.retired:
            return f"bot id {bot_id}: this ledger knows one already: choose another"
        if view is None:
            return f"no instrument {shorten(command.instrument_id)}"
        if len(state.bots) >= BOTS_MAX:
            return f"{BOTS_MAX} bots run already: remove one first"
        if state.kill is not KillLevel.NONE:
            return "the kill switch is on: reset it first"
        if state.tripped is not None:
            return f"{state.tripped.limit} was reached: reset it first"
        try:
            strategy, params_json = self._check(command, view)
        except Exception as error:  # noqa: BLE001 - parameters and constructor are foreign
            return _words_of(error)
        self._record(
            e.BotAdded(
                ts_ns=now_ns,
                bot_id=bot_id,
                strategy=command.strategy,
                instrument_id=command.instrument_id,
                params_json=params_json,
            )
        )
        self._run(state.bots[bot_id], strategy, view, now_ns)
        return ""

    def _check(self, command: c.AddBot, view: MarketView) -> tuple[Strategy, str]:
        """The strategy, and its parameters in full: what a restart builds it from."""
        given = msgspec.json.decode(command.params_json, type=dict[str, str])
        strategy = self._build(command.strategy, command.params_json, view.instrument)
        timeframe = strategy.wake.timeframe
        if timeframe and timeframe not in view.timeframes:
            known = ", ".join(view.timeframes)
            raise BadInput("timeframe", timeframe, f"this engine keeps {known}")
        return strategy, params_to_json(parse_params(type(strategy), given))

    def edit(self, command: c.EditParams, now_ns: int) -> str:
        """Change parameters of a bot. Each must be in its range and all of them fit together."""
        bot = self._state.bots.get(command.bot_id)
        if bot is None:
            return f"no bot {shorten(command.bot_id)}"
        old: dict[str, str] = json.loads(bot.params_json)
        try:
            given = msgspec.json.decode(command.params_json, type=dict[str, str])
            wanted = c.AddBot(
                command_id=command.command_id,
                bot_id=bot.bot_id,
                strategy=bot.strategy,
                instrument_id=bot.instrument_id,
                params_json=json.dumps({**old, **given}),
            )
            strategy, params_json = self._check(wanted, self._markets[bot.instrument_id])
        except Exception as error:  # noqa: BLE001 - parameters and constructor are foreign
            return _words_of(error)
        new: dict[str, str] = json.loads(params_json)
        changed = [name for name in new if new[name] != old.get(name)]
        if not changed:
            return "nothing to change: the parameters are so already"
        fixed = [name for name in changed if not knob_of(type(strategy), name).is_live_editable]
        if fixed and bot.helm is e.Helm.AUTO:
            return f"{', '.join(fixed)}: pause {bot.bot_id} first, it steers"
        self._record(
            e.ParamsEdited(
                ts_ns=now_ns,
                bot_id=bot.bot_id,
                params_json=params_json,
                by=command.by,
                changed=", ".join(f"{name} {old.get(name)} -> {new[name]}" for name in changed),
            )
        )
        self.runners[bot.bot_id].replace(strategy, now_ns)
        return ""

    def remove(self, command: c.RemoveBot, now_ns: int) -> str:
        """Let go of a bot that has nothing open; its book and its story stay."""
        bot = self._state.bots.get(command.bot_id)
        if bot is None:
            return f"no bot {shorten(command.bot_id)}"
        lots = self._state.position(bot.bot_id, bot.instrument_id).lots
        working = len(self._state.bot_orders(bot.bot_id))
        working += sum(algo.bot_id == bot.bot_id for algo in self._state.algos.values())
        if lots or working:
            held = "a position" if lots else "no position"
            return f"{bot.bot_id} has {working} orders working and {held}: flatten it first"
        self._record(e.BotRemoved(ts_ns=now_ns, bot_id=bot.bot_id, by=command.by))
        del self.runners[bot.bot_id]
        return ""


def _words_of(error: Exception) -> str:
    kind = "" if isinstance(error, BadInput) else f"{type(error).__name__}: "
    return clean(shorten(f"{kind}{error}", 160))
