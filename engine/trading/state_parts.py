"""The small values that `engine.trading.state` is made of."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from engine.domain import events as e


class BotState(msgspec.Struct):
    """One bot as far as the ledger knows it."""

    bot_id: str
    strategy: str
    instrument_id: str
    params_json: str
    started_ns: int
    helm: e.Helm = e.Helm.AUTO
    helm_by: str = "start"
    helm_reason: str = ""
    error: str = ""


class Doubt(msgspec.Struct, frozen=True):
    """A price that is not believed: where it jumped to, since when, and the last good one."""

    mid_x2: int
    since_ns: int
    good_mid_x2: int


class Exposure(msgspec.Struct):
    """Lots of one instrument that are reserved by live orders which could add to a position."""

    buy_lots: int = 0
    sell_lots: int = 0
    closers: int = 0
    """Live reduce-only orders; they reserve nothing, see `TradingState.closing_lots`."""


class UnmarkedFill(NamedTuple):
    due_ns: int
    client_order_id: str
    trade_id: str
    instrument_id: str
