"""Headline figures of a backtest in exact money, each with what it is measured against.

What can be said of a recording of any length; statistics are in `engine.research.metrics`.
"""

from __future__ import annotations

from decimal import Decimal

from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import MONEY, ZERO, tidy
from engine.runtime.backtest import BacktestResult

_PERCENT = Decimal("0.000001")
_COIN_UNIT = Decimal("0.00000001")


def headline_metrics(
    result: BacktestResult, instrument: Instrument, capital: Decimal
) -> dict[str, Decimal]:
    """Name -> value. Percentages are of `capital`; money is in the settle asset."""
    market = share_pct(MONEY.subtract(result.mid, result.first_mid), result.first_mid)
    hold = hold_profit(instrument, capital, result.first_mid, result.mid)
    minutes = Decimal(result.end_ns - result.start_ns) / Decimal(60_000_000_000)
    return {
        "profit_pct": share_pct(result.equity, capital),
        "profit_before_fees": tidy(MONEY.add(result.equity, result.fees)),
        "benchmark_cash": ZERO,
        "benchmark_buy_and_hold": hold,
        "market_return_pct": market,
        "max_drawdown": tidy(result.max_drawdown),
        "max_drawdown_pct": share_pct(result.max_drawdown, capital),
        "traded_notional": tidy(result.traded_notional),
        "fees_per_notional_pct": share_pct(result.fees, result.traded_notional),
        "maker_share_pct": share_pct(Decimal(result.maker_fills), Decimal(result.fills)),
        "fills_per_order": _ratio(Decimal(result.fills), Decimal(result.orders)),
        "fills_per_minute": _ratio(Decimal(result.fills), minutes),
    }


def hold_profit(
    instrument: Instrument, capital: Decimal, first_mid: Decimal, mid: Decimal
) -> Decimal:
    """Profit or loss of `capital` put into the instrument at the first mid, without costs, to
    1e-8 of the settle asset."""
    if instrument.kind is InstrumentKind.INVERSE:
        return ZERO  # Holding the coin leaves an account that is counted in coin where it was.
    gain = MONEY.multiply(capital, MONEY.subtract(mid, first_mid))
    return tidy(MONEY.divide(gain, first_mid).quantize(_COIN_UNIT, context=MONEY))


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    """part / whole to six places; 0 where there is nothing to divide by."""
    if whole == 0:
        return ZERO
    return tidy(MONEY.divide(part, whole).quantize(_PERCENT, context=MONEY))


def share_pct(part: Decimal, whole: Decimal) -> Decimal:
    return _ratio(MONEY.multiply(part, Decimal(100)), whole)
