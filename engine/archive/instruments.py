"""Which instrument a recording is about: the shipped table, or what its name and data tell."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from functools import cache
from importlib import resources

import msgspec

from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument, InstrumentKind

QUOTES = (
    "USDT",
    "USDC",
    "FDUSD",
    "BUSD",
    "TUSD",
    "DAI",
    "USD",
    "EUR",
    "GBP",
    "TRY",
    "BRL",
    "JPY",
    "CHF",
    "XBT",
    "BTC",
    "ETH",
    "BNB",
)
"""Ends of joined symbols such as BTCUSDT, tried in this order."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: InstrumentKind
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    contract_size: Decimal = Decimal(1)
    min_notional: Decimal = Decimal(0)
    min_lots: int = 1


@cache
def known_instruments() -> dict[str, Instrument]:
    """The shipped table `resources/instruments.toml` by instrument id."""
    text = resources.files("resources").joinpath("instruments.toml").read_text("utf-8")
    entries = msgspec.convert(tomllib.loads(text), dict[str, _Entry])
    return {
        instrument_id: _instrument(instrument_id, entry) for instrument_id, entry in entries.items()
    }


def _instrument(instrument_id: str, entry: _Entry) -> Instrument:
    venue, _, symbol = instrument_id.partition(".")
    return Instrument(
        instrument_id=instrument_id,
        venue=venue,
        symbol=symbol,
        **{name: getattr(entry, name) for name in entry.__struct_fields__},
    )


def split_symbol(symbol: str) -> tuple[str, str]:
    """(base, quote) of `BTC/USDT`, `BTCUSDT`, `BTCUSD_PERP` or `BTCUSDT_240927`.

    Raises BadInput when no known quote currency ends it.
    """
    if "/" in symbol:
        base, _, quote = symbol.partition("/")
        quote = quote.partition(":")[0]
        if base and quote:
            return base, quote
    name = symbol.partition("_")[0].replace("-", "")
    for quote in QUOTES:
        if name.endswith(quote) and len(name) > len(quote):
            return name.removesuffix(quote), quote
    raise BadInput(
        "symbol", symbol, "quote currency unknown: say where it begins, --symbol BASE/QUOTE"
    )


def unlisted_instrument(
    venue: str, symbol: str, kind: InstrumentKind, tick: Decimal, lot: Decimal, pair: str = ""
) -> Instrument:
    """An instrument that the table does not hold. `pair` (BASE/QUOTE) overrides the symbol's words.

    COIN-M contracts are worth 100 USD for BTC and 10 USD for every other coin, Binance's rule.
    """
    base, quote = split_symbol(pair or symbol)
    if pair and base + quote != symbol.partition("_")[0]:
        raise BadInput("--symbol", pair, f"the recording is of {symbol}; only add the slash")
    inverse = kind is InstrumentKind.INVERSE
    contract_size = Decimal((100 if base == "BTC" else 10) if inverse else 1)
    return Instrument(
        instrument_id=f"{venue}.{symbol}",
        venue=venue,
        symbol=symbol,
        kind=kind,
        base=base,
        quote=quote,
        tick=tick,
        lot=lot,
        contract_size=contract_size,
    )
