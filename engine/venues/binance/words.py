"""Binance's words and ours: sides, types, statuses. A word that is not here is never guessed."""

from __future__ import annotations

from engine.domain.claims import ClaimStatus
from engine.domain.order import OrderType, Side
from engine.venues.fields import JsonObject, Unreadable, text

_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}

_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "LIQUIDATION": OrderType.MARKET,
    # Spot.
    "STOP_LOSS": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT_LIMIT": OrderType.STOP_LIMIT,
    # Both: spot's TAKE_PROFIT trades at the market, futures' at a limit. Only strangers send it.
    "TAKE_PROFIT": OrderType.STOP,
    # Futures.
    "STOP_MARKET": OrderType.STOP,
    "TAKE_PROFIT_MARKET": OrderType.STOP,
    "TRAILING_STOP_MARKET": OrderType.STOP,
    "STOP": OrderType.STOP_LIMIT,
}

_STATUSES = {
    "NEW": ClaimStatus.OPEN,
    "PENDING_NEW": ClaimStatus.OPEN,
    "PENDING_CANCEL": ClaimStatus.OPEN,
    "PARTIALLY_FILLED": ClaimStatus.PARTIAL,
    "FILLED": ClaimStatus.FILLED,
    "CANCELED": ClaimStatus.CANCELED,
    "EXPIRED": ClaimStatus.EXPIRED,
    "EXPIRED_IN_MATCH": ClaimStatus.EXPIRED,
    "REJECTED": ClaimStatus.REJECTED,
    # Orders by which the venue itself closes a position: against its fund, or the other side.
    "NEW_INSURANCE": ClaimStatus.OPEN,
    "NEW_ADL": ClaimStatus.OPEN,
}
_FORCED = frozenset({"NEW_INSURANCE", "NEW_ADL"})


def read_side(source: JsonObject, field: str) -> Side:
    word = text(source, field)
    if word not in _SIDES:
        raise Unreadable(field, word, "expected BUY or SELL")
    return _SIDES[word]


def read_type(source: JsonObject, field: str) -> OrderType:
    word = text(source, field)
    if word not in _TYPES:
        raise Unreadable(field, word, "an order type that we do not know")
    return _TYPES[word]


def read_status(word: str, filled_lots: int, qty_lots: int) -> tuple[ClaimStatus, str]:
    """The status, and the venue's own word where ours says less."""
    status = _STATUSES.get(word, ClaimStatus.STRANGE)
    if status is ClaimStatus.STRANGE or word == "EXPIRED_IN_MATCH":
        return status, word
    if status is ClaimStatus.OPEN and filled_lots > 0:
        is_done = word in _FORCED and filled_lots >= qty_lots
        status = ClaimStatus.FILLED if is_done else ClaimStatus.PARTIAL
    return status, word if word in _FORCED else ""
