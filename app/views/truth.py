"""What an order would really do: the book walked level by level, fee, slippage, share of a limit.

Exact where the book is known; where the shown book ends first, it says so instead of guessing.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from app.views import format as fmt
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, ZERO
from engine.domain.order import OrderSpec, OrderType, Side, TimeInForce
from engine.domain.snapshots import LimitSnapshot, MarketSnapshot

_BP = Decimal(10_000)
_DAILY = "daily_loss"


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """Of one order against one picture of the book."""

    at_once_lots: int
    """Fills against the orders that stand there now."""
    rest_lots: int
    average_ticks: Decimal | None
    """Of what fills at once."""
    worst_ticks: int
    slippage_bp: Decimal | None
    """Average against the mid, positive when it is worse."""
    cost: Decimal
    """What crossing costs against the mid, in the settle asset; without the fee."""
    taker_fee: Decimal | None
    maker_fee: Decimal | None
    """Of the rest, should it fill as it rests. None where the venue's rates are not known."""
    ahead_lots: int
    """Standing at the price where the rest would join; -1 where the shown book does not reach."""
    is_beyond_book: bool
    """The shown book ends before the order is filled."""
    daily_share_pct: Decimal | None
    """Cost and fee of what fills at once, as a share of the daily loss limit."""


def truth(
    spec: OrderSpec,
    market: MarketSnapshot,
    instrument: Instrument,
    limits: Iterable[LimitSnapshot] = (),
) -> Truth | None:
    """None where the book has not both sides, or the order waits for a trigger."""
    if not market.bids or not market.asks or spec.type not in (OrderType.LIMIT, OrderType.MARKET):
        return None
    levels = market.asks if spec.side is Side.BUY else market.bids
    taken = walk(levels, spec)
    lots = sum(some for _, some in taken)
    rest = spec.qty_lots - lots
    cost, slippage_bp = _against_mid(taken, spec.side, market, instrument)
    value = sum((instrument.notional(some, ticks) for ticks, some in taken), ZERO)
    taker_fee = _fee(value, market.taker_rate)
    rest_value = instrument.notional(rest, spec.price_ticks) if spec.price_ticks else ZERO
    return Truth(
        at_once_lots=lots,
        rest_lots=rest,
        average_ticks=_average(taken),
        worst_ticks=taken[-1][0] if taken else 0,
        slippage_bp=slippage_bp,
        cost=cost,
        taker_fee=taker_fee,
        maker_fee=_fee(rest_value, market.maker_rate) if rest else ZERO,
        ahead_lots=_ahead(spec, market),
        is_beyond_book=rest > 0 and len(taken) == len(levels),
        daily_share_pct=_daily_share(MONEY.add(cost, taker_fee or ZERO), limits),
    )


def walk(levels: Iterable[tuple[int, int]], spec: OrderSpec) -> list[tuple[int, int]]:
    """(ticks, lots) that `spec` takes from `levels`, best first, up to its limit."""
    left = spec.qty_lots
    taken: list[tuple[int, int]] = []
    for ticks, lots in levels:
        is_past = spec.price_ticks and spec.side.sign * (ticks - spec.price_ticks) > 0
        if left == 0 or is_past:
            break
        some = min(left, lots)
        taken.append((ticks, some))
        left -= some
    return taken


def _average(taken: list[tuple[int, int]]) -> Decimal | None:
    lots = sum(some for _, some in taken)
    if not lots:
        return None
    return MONEY.divide(Decimal(sum(ticks * some for ticks, some in taken)), Decimal(lots))


def _against_mid(
    taken: list[tuple[int, int]], side: Side, market: MarketSnapshot, instrument: Instrument
) -> tuple[Decimal, Decimal | None]:
    """(cost in money, slippage in basis points) against the middle of the touch."""
    average = _average(taken)
    if average is None:
        return ZERO, None
    bid, ask = market.bids[0][0], market.asks[0][0]
    mid = MONEY.divide(Decimal(bid + ask), Decimal(2))
    worse = MONEY.multiply(MONEY.subtract(average, mid), Decimal(side.sign))
    paid = sum((instrument.notional(some, ticks) for ticks, some in taken), ZERO)
    lots = sum(some for _, some in taken)
    both = MONEY.add(instrument.notional(lots, bid), instrument.notional(lots, ask))
    cost = abs(MONEY.subtract(paid, MONEY.divide(both, Decimal(2))))
    return (cost if worse >= 0 else -cost), MONEY.divide(MONEY.multiply(worse, _BP), mid)


def _fee(value: Decimal, rate: Decimal | None) -> Decimal | None:
    return None if rate is None else MONEY.multiply(value, rate)


def _ahead(spec: OrderSpec, market: MarketSnapshot) -> int:
    """What stands on our side at the order's price."""
    own = market.bids if spec.side is Side.BUY else market.asks
    if not spec.price_ticks or spec.side.sign * (own[-1][0] - spec.price_ticks) > 0:
        return -1
    return next((lots for ticks, lots in own if ticks == spec.price_ticks), 0)


def _daily_share(cost: Decimal, limits: Iterable[LimitSnapshot]) -> Decimal | None:
    limit = next((one.limit for one in limits if one.name == _DAILY and one.limit > 0), None)
    if limit is None:
        return None
    return MONEY.divide(MONEY.multiply(cost, Decimal(100)), limit)


# -- in words ----------------------------------------------------------------------------------


def truth_words(
    spec: OrderSpec,
    market: MarketSnapshot | None,
    instrument: Instrument,
    limits: Iterable[LimitSnapshot] = (),
) -> list[str]:
    """Two sentences: what would fill at what price, and what that costs."""
    if spec.type not in (OrderType.LIMIT, OrderType.MARKET):
        return ["waits for its trigger, then takes what the book holds: its price is not known now"]
    found = truth(spec, market, instrument, limits) if market is not None else None
    if found is None:
        return ["the book has not both sides: nothing can be said about its price"]
    why = _refusal(spec, found, instrument)
    if why:
        return [why]
    return [_fills(spec, found, instrument), _costs(found, instrument.settle)]


def _refusal(spec: OrderSpec, found: Truth, instrument: Instrument) -> str:
    if spec.tif is TimeInForce.POST_ONLY and found.at_once_lots:
        return "post-only, and it would cross the book: the venue refuses it"
    if spec.tif is TimeInForce.FOK and found.rest_lots and not found.is_beyond_book:
        have = fmt.qty(found.at_once_lots, instrument)
        return f"all or nothing, and only {have} stands within its limit: the venue refuses it"
    return ""


def _fills(spec: OrderSpec, found: Truth, instrument: Instrument) -> str:
    words = []
    if found.average_ticks is not None and found.slippage_bp is not None:
        at = fmt.price(found.average_ticks, instrument)
        size = fmt.qty(found.at_once_lots, instrument)
        words.append(f"{size} fills at once @ {at} on average, {found.slippage_bp:.2f} bp from mid")
    if found.rest_lots:
        words.append(_rest(spec, found, instrument))
    return "; ".join(words)


def _rest(spec: OrderSpec, found: Truth, instrument: Instrument) -> str:
    size = fmt.qty(found.rest_lots, instrument)
    if found.is_beyond_book:
        return f"for {size} the shown book ends: worse, by an unknown amount"
    if spec.tif in (TimeInForce.IOC, TimeInForce.FOK) or spec.type is OrderType.MARKET:
        return f"{size} is dropped"
    behind = ""
    if not found.at_once_lots and found.ahead_lots >= 0:
        ahead = found.ahead_lots
        behind = f" behind {fmt.qty(ahead, instrument)}" if ahead else ", first at its price"
    return f"{size} rests @ {fmt.price(spec.price_ticks, instrument)}{behind}"


def _costs(found: Truth, settle: str) -> str:
    if found.taker_fee is None or found.maker_fee is None:
        return f"crossing costs {fmt.money(found.cost, settle)} {settle}; the fee is not known"
    if not found.at_once_lots:
        return f"costs {fmt.money(found.maker_fee, settle)} {settle} of fee when it fills, as maker"
    share = ""
    if found.daily_share_pct is not None:
        share = f" = {found.daily_share_pct:.3f} % of the daily loss limit"
    crossing, fee = fmt.money(found.cost, settle), fmt.money(found.taker_fee, settle)
    return f"crossing costs {crossing} + fee {fee} {settle}{share}"
