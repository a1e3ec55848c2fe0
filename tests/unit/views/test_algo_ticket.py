"""Order types as words: what the ticket and the shell make of them."""

from __future__ import annotations

import pytest

from app.views.algo_ticket import FORMS, Sheet, amended
from app.views.ticket import Ticket, describe_wish, hints, parse_wish
from engine.domain import algo as a
from engine.domain.errors import BadInput
from engine.domain.order import OrderSpec, OrderType, Purpose, Side
from tests.support.builders import linear

NOW_NS = 1_000_000_000_000
SECOND = 1_000_000_000


def wish(type: str, flags: str = "", **changes: str) -> object:
    fields = {"qty": "0.005", "price": "60010", "type": type, "flags": flags, **changes}
    return parse_wish(Ticket(**fields), linear(), NOW_NS)


BASE = {"instrument_id": "test.BTCUSDT", "side": Side.BUY, "qty_lots": 5}


@pytest.mark.parametrize(
    ("type", "flags", "price", "spec"),
    [
        (
            "bracket",
            "stop=59900 target=60100 post for=5m",
            "60010",
            a.Bracket(
                **BASE,
                price_ticks=600_100,
                stop_ticks=599_000,
                target_ticks=601_000,
                post_only=True,
                until_ns=NOW_NS + 300 * SECOND,
            ),
        ),
        (
            "bracket",
            "stop=59900 trail=0.5%",
            "",
            a.Bracket(**BASE, stop_ticks=599_000, trail_bp=50),
        ),
        (
            "oco",
            "stop=60100 enter",
            "60010",
            a.Oco(**BASE, price_ticks=600_100, trigger_ticks=601_000, reduce_only=False),
        ),
        (
            "oco",
            "stop=60100 limit=60110",
            "60010",
            a.Oco(**BASE, price_ticks=600_100, trigger_ticks=601_000, stop_price_ticks=601_100),
        ),
        ("trail", "by=25 step=5", "", a.TrailingStop(**BASE, distance_ticks=250, step_ticks=50)),
        (
            "trail",
            "by=1.25%",
            "60010",
            a.TrailingStop(**BASE, distance_bp=125, activate_ticks=600_100),
        ),
        ("take", "", "60010", a.TakeProfit(**BASE, trigger_ticks=600_100)),
        (
            "touch",
            "limit=60011 reduce",
            "60010",
            a.IfTouched(**BASE, trigger_ticks=600_100, price_ticks=600_110, reduce_only=True),
        ),
        (
            "gtd",
            "for=90s",
            "60010",
            a.GoodTill(**BASE, price_ticks=600_100, until_ns=NOW_NS + 90 * SECOND),
        ),
        ("iceberg", "show=0.002", "60010", a.Iceberg(**BASE, price_ticks=600_100, show_lots=2)),
        ("twap", "parts=5 every=500ms", "", a.Twap(**BASE, slices=5, every_ms=500)),
        (
            "vwap",
            "weights=3,1,2 every=1m reduce",
            "",
            a.Vwap(**BASE, weights=[3, 1, 2], every_ms=60_000, reduce_only=True),
        ),
        (
            "pov",
            "share=10% every=5s for=2h",
            "",
            a.Pov(**BASE, share_bp=1000, every_ms=5000, until_ns=NOW_NS + 7200 * SECOND),
        ),
        ("peg", "", "", a.Pegged(**BASE)),
        (
            "peg",
            "improve=-0.2 chase=5",
            "60010",
            a.Pegged(**BASE, limit_ticks=600_100, improve_ticks=-2, chase_ticks=50),
        ),
        (
            "ladder",
            "to=59990 rungs=3 weight=far",
            "60010",
            a.ScaledLadder(
                **BASE,
                first_ticks=600_100,
                last_ticks=599_900,
                rungs=3,
                weighting=a.Weighting.FAR,
            ),
        ),
    ],
)
def test_words_make_a_spec(type: str, flags: str, price: str, spec: a.AnyAlgo) -> None:
    assert wish(type, flags, price=price) == spec


def test_every_kind_of_algo_has_a_form_whose_hint_names_its_words() -> None:
    assert {form.kind for form in FORMS.values()} == set(a.AnyAlgo.__args__)
    for form in FORMS.values():
        for word in [*form.words, *form.flags]:
            assert word in form.hint or word == "step", form


def test_a_stop_limit_is_one_order() -> None:
    spec = wish("stop-limit", "trigger=60100 reduce")
    assert isinstance(spec, OrderSpec)
    assert (spec.type, spec.price_ticks, spec.trigger_ticks) == (
        OrderType.STOP_LIMIT,
        600_100,
        601_000,
    )
    assert spec.purpose is Purpose.PROTECTIVE


@pytest.mark.parametrize(
    ("type", "flags", "price", "field", "words"),
    [
        ("bracket", "target=60100", "", "flags", "needs stop=P"),
        ("bracket", "stop=59900 later", "", "flags", "later: this type takes stop=P"),
        ("bracket", "stop=59900.05", "", "stop", "multiple of the tick 0.1"),
        ("bracket", "stop=", "", "stop", "plain number"),
        ("bracket", "stop=59900 trail=0.005%", "", "trail", "steps of 0.01"),
        ("gtd", "for=soon", "60010", "for", "such as 500ms"),
        ("gtd", "for=0s", "60010", "for", "such as 500ms"),
        ("iceberg", "show=0.002", "", "price", "needs one"),
        ("iceberg", "show=0.0025", "60010", "show", "multiple of the lot"),
        ("twap", "parts=2.5 every=1s", "", "parts", "whole number"),
        ("vwap", "weights=1,-2 every=1s", "", "weights", "such as 3,1,2"),
        ("pov", "share=-5% every=1s for=1m", "", "share", "percentage"),
        ("ladder", "to=59990 rungs=3 weight=up", "60010", "weight", "even, far or near"),
        ("stop-limit", "", "60010", "flags", "trigger=PRICE"),
        ("hedge", "", "60010", "type", "limit, market, stop"),
    ],
)
def test_errors_name_the_word(type: str, flags: str, price: str, field: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        wish(type, flags, price=price)
    assert caught.value.field == field
    assert words in str(caught.value)


def test_a_wish_is_said_in_full_before_it_is_sent() -> None:
    text = describe_wish(wish("bracket", "stop=59900 target=60100"), linear())  # type: ignore[arg-type]
    assert text == ("bracket buy 0.005 @ 60010.0 stop 59900.0 target 60100.0, worth 300.05 USDT")


def test_the_hint_follows_the_type() -> None:
    assert hints(linear(), "oco")["flags"] == FORMS["oco"].hint
    assert "iceberg" in hints(linear(), "x")["type"]
    assert hints(linear())["flags"].startswith("any of")


def test_amending_changes_what_is_named_and_no_more() -> None:
    spec = wish("bracket", "stop=59900 trail=10")
    assert isinstance(spec, a.Bracket)
    sheet = Sheet(linear(), NOW_NS)
    changed = amended(spec, "", ["target=60200", "trail=1%"], sheet)
    assert changed == a.Bracket(
        **BASE, price_ticks=600_100, stop_ticks=599_000, target_ticks=602_000, trail_bp=100
    )
