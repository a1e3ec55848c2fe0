"""exchangeInfo -> MarketRules, from the raw filters.

Sample of one symbol (spot; futures say `contractType`, `marginAsset`, MIN_NOTIONAL and
PERCENT_PRICE instead of NOTIONAL and PERCENT_PRICE_BY_SIDE):

    {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
     "filters": [
       {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00",
        "tickSize": "0.01"},
       {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
       {"filterType": "MARKET_LOT_SIZE", "minQty": "0.0", "maxQty": "120.1", "stepSize": "0.0"},
       {"filterType": "NOTIONAL", "minNotional": "5.0", "applyMinToMarket": true,
        "maxNotional": "9000000.0", "applyMaxToMarket": false, "avgPriceMins": 5},
       {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import MONEY, ZERO, tidy
from engine.venues.fields import (
    JsonObject,
    Unreadable,
    asset,
    flag,
    objects,
    optional_amount,
    optional_text,
    text,
    whole,
)
from engine.venues.rules import MarketRules


def read_exchange_info(answer: JsonObject, venue: str) -> dict[str, MarketRules]:
    """The rules of every symbol that can be read, by symbol. What cannot is left out: a venue
    lists thousands, some with fields of their own."""
    found: dict[str, MarketRules] = {}
    for row in objects(answer.get("symbols"), "symbols"):
        try:
            rules = read_symbol(row, venue)
        except Unreadable:
            continue
        found[rules.instrument.symbol] = rules
    return found


def read_symbol(row: JsonObject, venue: str) -> MarketRules:
    """One row of exchangeInfo. Unreadable if it is not what it should be."""
    filters = {text(item, "filterType"): item for item in objects(row.get("filters"), "filters")}
    price = _filter(filters, "PRICE_FILTER")
    size = _filter(filters, "LOT_SIZE")
    market_size = filters.get("MARKET_LOT_SIZE", {})
    value = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    is_spot = venue == "binance_spot"
    lot = _step(size, "stepSize")
    tick = _step(price, "tickSize")
    symbol = text(row, "symbol")
    try:
        instrument = Instrument(
            instrument_id=f"{venue}.{symbol}",
            venue=venue,
            symbol=symbol,
            kind=InstrumentKind.SPOT if is_spot else InstrumentKind.LINEAR,
            base=asset(row, "baseAsset"),
            quote=asset(row, "quoteAsset"),
            tick=tick,
            lot=lot,
            min_notional=tidy(
                optional_amount(value, "minNotional") or optional_amount(value, "notional")
            ),
            min_lots=max(1, _steps_up(size, "minQty", lot)),
        )
    except BadInput as error:
        raise Unreadable(error.field, error.value, error.remedy) from None
    status = optional_text(row, "status") or optional_text(row, "contractStatus")
    bands = filters.get("PERCENT_PRICE") or filters.get("PERCENT_PRICE_BY_SIDE") or {}
    return MarketRules(
        instrument=instrument,
        is_trading=status == "TRADING",
        status=status or "unknown",
        lots_max=_steps_down(size, "maxQty", lot),
        market_lots_min=_steps_up(market_size, "minQty", lot),
        market_lots_max=_steps_down(market_size, "maxQty", lot),
        ticks_min=_steps_up(price, "minPrice", tick),
        ticks_max=_steps_down(price, "maxPrice", tick),
        notional_max=optional_amount(value, "maxNotional") or None,
        notional_applies_to_market=flag(value, "applyMinToMarket"),
        price_ratio_up=_ratio(bands, "multiplierUp", "bidMultiplierUp"),
        price_ratio_down=_ratio(bands, "multiplierDown", "askMultiplierDown"),
        orders_max=_count(filters, "MAX_NUM_ORDERS", "maxNumOrders"),
        stops_max=_count(filters, "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders"),
    )


def _filter(filters: Mapping[str, JsonObject], kind: str) -> JsonObject:
    if kind not in filters:
        raise Unreadable("filters", sorted(filters), f"expected {kind}")
    return filters[kind]


def _step(row: JsonObject, field: str) -> Decimal:
    step = optional_amount(row, field)
    if step <= 0:
        raise Unreadable(field, str(step), "must be greater than zero")
    return tidy(step)


def _steps_up(row: JsonObject, field: str, step: Decimal) -> int:
    value = max(optional_amount(row, field), ZERO)
    return int(MONEY.divide(value, step).to_integral_value(ROUND_CEILING))


def _steps_down(row: JsonObject, field: str, step: Decimal) -> int:
    return int(MONEY.divide(max(optional_amount(row, field), ZERO), step))


def _ratio(row: JsonObject, *fields: str) -> Decimal | None:
    for field in fields:
        if row.get(field) is not None:
            return optional_amount(row, field)
    return None


def _count(filters: Mapping[str, JsonObject], kind: str, field: str) -> int:
    row = filters.get(kind)
    if row is None:
        return 0
    return whole(row, field) if row.get(field) is not None else whole(row, "limit")
