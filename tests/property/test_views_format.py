"""What is printed can be read back, and always fits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.views import format as fmt
from app.views.cells import Cell, fit, fit_line, line_width, text_width
from app.views.glyphs import ASCII, UNICODE
from app.views.keymap import key_label, key_name
from engine.domain.money import parse_decimal
from tests.support.builders import inverse, linear, spot

INSTRUMENTS = [
    linear(),
    spot(),
    inverse(),
    linear(tick=Decimal("0.00000001")),
    linear(tick=Decimal(25)),
]


@pytest.mark.parametrize("instrument", INSTRUMENTS)
@given(ticks=st.integers(0, 10**12), lots=st.integers(-(10**9), 10**9))
def test_prices_and_quantities_round_trip(instrument: object, ticks: int, lots: int) -> None:
    assert hasattr(instrument, "ticks")
    price = parse_decimal("price", fmt.price(ticks, instrument).replace(",", ""))  # type: ignore[arg-type]
    assert instrument.ticks(price) == ticks  # type: ignore[attr-defined]
    qty = parse_decimal("qty", fmt.signed_qty(lots, instrument).replace(",", "").lstrip("+"))  # type: ignore[arg-type]
    assert instrument.lots(qty) == lots  # type: ignore[attr-defined]


@given(st.decimals(-(10**9), 10**9, places=6), st.sampled_from(["USDT", "BTC"]))
def test_the_sign_of_money_is_the_sign_of_what_is_shown(amount: Decimal, asset: str) -> None:
    shown = fmt.signed_money(amount, asset)
    sign = fmt.sign(amount, asset)
    assert shown.startswith({1: "+", -1: "-", 0: "0"}[sign])
    assert Decimal(shown.replace(",", "")) == Decimal(fmt.money(amount, asset).replace(",", ""))


@given(st.text(max_size=40), st.integers(0, 30), st.sampled_from("<>^"))
def test_fitted_text_has_exactly_its_width(text: str, width: int, align: str) -> None:
    fitted = fit(text, width, align)
    assert text_width(fitted) == width
    assert "\x1b" not in fitted
    assert "\n" not in fitted


@given(st.lists(st.text(alphabet="abc日é ", max_size=8), max_size=6), st.integers(0, 40))
def test_fitted_lines_have_exactly_their_width(texts: list[str], width: int) -> None:
    line = tuple(Cell(text) for text in texts)
    assert line_width(fit_line(line, width)) == width


@given(st.decimals(-10, 10**6, places=2), st.decimals(0, 10**6, places=2), st.integers(1, 40))
def test_gauges_have_exactly_their_width(used: Decimal, limit: Decimal, width: int) -> None:
    for glyphs in (UNICODE, ASCII):
        assert len(fmt.bar(used, limit, width, glyphs)) == width


@given(st.characters(min_codepoint=33, max_codepoint=126))
def test_key_labels_read_back(char: str) -> None:
    name = key_name(char)
    assert key_name(key_label(name)) == name
