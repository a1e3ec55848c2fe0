"""Numbers as text: exact, signed, with the instrument's digits."""

from decimal import Decimal

import msgspec
import pytest

from app.views import format as fmt
from app.views.cells import fit, text_width
from app.views.glyphs import ASCII, UNICODE
from tests.support.builders import inverse, linear, spot


def test_price_has_the_digits_of_the_tick() -> None:
    assert fmt.price(600_125, linear()) == "60,012.5"
    assert fmt.price(600_120, linear()) == "60,012.0"
    assert fmt.price(1_234_567, spot()) == "12,345.67"
    assert fmt.price(5, linear(tick=Decimal("10"))) == "50"


def test_average_entry_is_rounded_to_the_tick() -> None:
    assert fmt.price(Decimal("599800.333"), linear()) == "59,980.0"


def test_quantities_carry_their_sign() -> None:
    assert fmt.signed_qty(250, linear()) == "+0.250"
    assert fmt.signed_qty(-250, linear()) == "-0.250"
    assert fmt.signed_qty(0, linear()) == "0"
    assert fmt.qty(3, inverse()) == "3"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("8.12", "+8.12"), ("-3", "-3.00"), ("0.004", "0.00"), ("-0.004", "0.00"), ("0", "0.00")],
)
def test_money_is_signed_and_never_minus_zero(amount: str, shown: str) -> None:
    assert fmt.signed_money(Decimal(amount), "USDT") == shown


def test_coins_have_six_digits() -> None:
    assert fmt.signed_money(Decimal("0.00012345"), "BTC") == "+0.000123"


def test_percent_of_a_change() -> None:
    assert fmt.percent(252, 60_000) == "+0.42%"
    assert fmt.percent(-252, 60_000) == "-0.42%"
    assert fmt.percent(0, 60_000) == "0.00%"
    assert fmt.percent(1, 0) == ""


@pytest.mark.parametrize(
    ("age_ms", "shown"),
    [(12, "12ms"), (999, "999ms"), (3_210, "3.2s"), (125_000, "2m05s"), (11_520_000, "3h12m")],
)
def test_ages(age_ms: int, shown: str) -> None:
    assert fmt.age(age_ms) == shown


def test_clock_is_utc_from_nanoseconds() -> None:
    assert fmt.clock(1_723_118_602_400_000_000) == "12:03:22"
    assert fmt.clock(1_723_118_602_400_000_000, 1) == "12:03:22.4"


def test_gauges_never_leave_their_width() -> None:
    for used in ("-5", "0", "0.4", "50", "100", "900"):
        for glyphs in (UNICODE, ASCII):
            assert len(fmt.bar(Decimal(used), Decimal(100), 8, glyphs)) == 8
    assert fmt.bar(Decimal(5), Decimal(0), 4, ASCII) == "...."


def test_compact_amounts() -> None:
    shown = [fmt.compact(Decimal(text)) for text in ("15000", "2310000", "950", "0.5", "3.14159")]
    assert shown == ["15.0k", "2.31M", "950", "0.5000", "3.14"]


def test_fit_counts_terminal_columns() -> None:
    assert fit("abc", 5) == "abc  "
    assert fit("abc", 5, ">") == "  abc"
    assert fit("abcdef", 4) == "abc…"
    assert text_width(fit("日本語の名前", 7)) == 7


def test_fit_drops_what_would_spill_into_other_rows() -> None:
    assert fit("a\u0300\u0301\u0302b", 4) == "àb  "
    assert fit("x\x1b[31my\x07", 6) == "x[31my"


@pytest.mark.parametrize(
    ("lots", "width", "expected"),
    [
        (180_400, 7, "1.80400"),
        (180_400, 6, "1.8040"),
        (180_499, 5, "1.804"),
        (11_437, 6, "0.1143"),
        (1, 6, "<0.001"),
        (123_456_700, 6, "1,234"),
        (123_456_700, 5, "1,234"),
    ],
)
def test_a_size_that_does_not_fit_loses_decimals(lots: int, width: int, expected: str) -> None:
    """The ladder of a venue with five decimals showed `1.8040…` in every row."""
    fine = msgspec.structs.replace(linear(), lot=Decimal("0.00001"))
    text = fmt.short_qty(lots, fine, width)
    assert text == expected
    assert len(text) <= width
