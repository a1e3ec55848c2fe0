"""Numbers as text: from ticks, lots, Decimals and nanoseconds, never through a binary float.

Signs are always written, so that colour is never the only difference. The decimal point is a
point and thousands are separated by commas in every locale: order entry must not guess.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from app.views.glyphs import Glyphs
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
_DAY_S = 86_400
_HUNDRED = Decimal(100)
_STABLE = frozenset({"USDT", "USDC", "USD", "BUSD", "FDUSD", "EUR", "DAI", "TUSD"})


def _fixed(number: Decimal, places: int) -> str:
    """`number` with exactly `places` digits after the point and separated thousands."""
    rounded = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, context=MONEY)
    text = format(rounded, ",f")
    return text[1:] if rounded == 0 and text.startswith("-") else text


def price(ticks: int | Decimal, instrument: Instrument) -> str:
    """60012.5 as `60,012.5`, with the digits of the tick."""
    return _steps(ticks, instrument.tick, instrument.price_places)


@lru_cache(maxsize=8192)
def _steps(count: int | Decimal, step: Decimal, places: int) -> str:
    """Most prices and sizes on a screen were there a moment ago."""
    return _fixed(MONEY.multiply(Decimal(count), step), places)


def plain_price(ticks: int, instrument: Instrument) -> str:
    """As `price` without separators: what a text field of the ticket is filled with."""
    return price(ticks, instrument).replace(",", "")


def qty(lots: int, instrument: Instrument) -> str:
    return _steps(lots, instrument.lot, instrument.qty_places)


def short_qty(lots: int, instrument: Instrument, width: int) -> str:
    """As `qty` with as many decimals as fit, the rest left out; never a zero for something."""
    text = qty(lots, instrument)
    if len(text) <= width:
        return text
    whole, _, decimals = text.partition(".")
    room = width - len(whole) - 1
    if room <= 0:
        return whole if len(whole) <= width and whole != "0" else text
    short = f"{whole}.{decimals[:room]}"
    if any(digit in short for digit in "123456789"):
        return short
    return f"<0.{'0' * max(0, width - 4)}1"


def plain_qty(lots: int, instrument: Instrument) -> str:
    return qty(lots, instrument).replace(",", "")


def signed_qty(lots: int, instrument: Instrument) -> str:
    """`+0.250`, `-0.250`; flat is `0`."""
    if lots == 0:
        return "0"
    return ("+" if lots > 0 else "") + qty(lots, instrument)


def money_places(asset: str) -> int:
    """Cents for dollars and the like, six digits for coins."""
    return 2 if asset in _STABLE else 6


def money(amount: Decimal, asset: str) -> str:
    return _fixed(amount, money_places(asset))


def signed_money(amount: Decimal, asset: str) -> str:
    """`+8.12`, `-3.00`; what rounds to nothing is `0.00`."""
    text = money(amount, asset)
    return text if text.startswith("-") or sign(amount, asset) == 0 else f"+{text}"


def sign(amount: Decimal, asset: str) -> int:
    """The sign of what is shown, after rounding."""
    places = Decimal(1).scaleb(-money_places(asset))
    rounded = amount.quantize(places, ROUND_HALF_EVEN, context=MONEY)
    return (rounded > 0) - (rounded < 0)


def compact(amount: Decimal) -> str:
    """Few characters for gauges: 950, 15.0k, 2.31M."""
    size = abs(amount)
    if size >= 1_000_000:
        return f"{_fixed(amount / 1_000_000, 2)}M"
    if size >= 10_000:
        return f"{_fixed(amount / 1000, 1)}k"
    if size >= 100 or size == size.to_integral_value():
        return _fixed(amount, 0)
    if size >= 1:
        return _fixed(amount, 2)
    return _fixed(amount, 4)


def percent(part: int | Decimal, whole: int | Decimal, places: int = 2) -> str:
    """Signed share: `+0.42%`; empty when there is nothing to compare with."""
    if whole == 0:
        return ""
    share = MONEY.divide(MONEY.multiply(Decimal(part), _HUNDRED), Decimal(whole))
    text = _fixed(share, places)
    is_zero = not text.strip("-0.,")
    return f"{'' if text.startswith('-') or is_zero else '+'}{text}%"


def tone_of(value: int | Decimal) -> str:
    """The theme's tone for a profit, a loss or neither."""
    return "up" if value > 0 else "down" if value < 0 else "dim"


def arrow(value: int | Decimal, glyphs: Glyphs) -> str:
    return glyphs.up if value > 0 else glyphs.down if value < 0 else glyphs.flat


def age(age_ms: int) -> str:
    """`12ms`, `3.2s`, `2m05s`, `3h12m`."""
    if age_ms < 1000:
        return f"{max(0, age_ms)}ms"
    if age_ms < 60_000:
        return f"{age_ms // 1000}.{age_ms % 1000 // 100}s"
    minutes, seconds = divmod(age_ms // 1000, 60)
    if minutes < 60:
        return f"{minutes}m{seconds:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def ago(span_ms: int) -> str:
    """A span in whole seconds: `9s`, `2m05s`, `3h12m`."""
    seconds = max(0, span_ms) // 1000
    return f"{seconds}s" if seconds < 60 else age(seconds * 1000)


def clock(ts_ns: int, places: int = 0) -> str:
    """Time of day in UTC: `14:03:22`, with `places` digits of the second."""
    seconds, rest = divmod(ts_ns, NS_PER_S)
    of_day = seconds % _DAY_S
    text = f"{of_day // 3600:02d}:{of_day % 3600 // 60:02d}:{of_day % 60:02d}"
    return text if places == 0 else f"{text}.{rest:09d}"[: len(text) + 1 + places]


def bar(used: Decimal, limit: Decimal, width: int, glyphs: Glyphs) -> str:
    """A gauge of `width` cells, never beyond its end."""
    if limit <= 0:
        return glyphs.empty * width
    parts = len(glyphs.partial) + 1
    share = max(Decimal(0), min(Decimal(1), MONEY.divide(used, limit)))
    steps = int(MONEY.multiply(share, Decimal(width * parts)).to_integral_value(ROUND_HALF_EVEN))
    whole, rest = divmod(steps, parts)
    text = glyphs.full * whole + (glyphs.partial[rest - 1] if rest else "")
    return text + glyphs.empty * (width - len(text))


def count(number: int, noun: str) -> str:
    """`1 order`, `14 orders`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
