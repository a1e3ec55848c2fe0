"""A live engine's ties to its venue, on the screens."""

from __future__ import annotations

import msgspec
import pytest

from app.views.cells import line_width
from app.views.glyphs import UNICODE
from app.views.header import header_lines
from app.views.linkview import link_lines, stage_words
from app.views.viewstate import ViewState
from engine.domain.snapshots import EngineSnapshot, FeedLinkSnapshot, LinkSnapshot, LinkStage, Mode
from tests.support.session import BTC, a_snapshot


def a_link(**changes: object) -> LinkSnapshot:
    link = LinkSnapshot(
        stage=LinkStage.TRADING,
        words="",
        since_ns=0,
        venue="binance_usdm",
        user_stream="up",
        feeds=[FeedLinkSnapshot(instrument_id=BTC, state="up", trouble="")],
        clock_offset_ms=3,
        reconciled_ns=0,
        unanswered=0,
        foreign=0,
        dead_man="venue_timer",
        dead_man_words="the venue cancels everything 60 s after our last sign of life",
    )
    return msgspec.structs.replace(link, **changes)


def a_live(**changes: object) -> EngineSnapshot:
    return a_snapshot(mode=Mode.LIVE, link=a_link(**changes))


def header(shot: EngineSnapshot, width: int) -> list[str]:
    view = ViewState(snapshot=shot, instrument_id=BTC)
    lines = header_lines(view, 0, width, UNICODE)
    assert {line_width(line) for line in lines} == {width}
    return ["".join(cell.text for cell in line) for line in lines]


def test_a_stage_says_its_reason_once() -> None:
    assert stage_words(a_link()) == "trading"
    syncing = a_link(stage=LinkStage.SYNCING, words="comparing clocks with the venue")
    assert stage_words(syncing) == "comparing clocks with the venue"
    degraded = a_link(stage=LinkStage.DEGRADED, words="no answer")
    assert stage_words(degraded) == "degraded: no answer"


@pytest.mark.parametrize("width", [80, 120, 160])
def test_money_stays_beside_whatever_is_wrong(width: int) -> None:
    shot = a_live(stage=LinkStage.DEGRADED, words="the venue does not answer: " + "x" * 90)
    second = header(shot, width)[1]
    assert "NOT TRADING: degraded" in second
    assert "equity " in second


def test_a_live_header_says_the_stage_where_paper_says_its_speed() -> None:
    first = header(a_live(), 160)[0]
    assert "LIVE" in first
    assert "trading" in first
    assert "speed" not in first


def test_orders_that_nobody_would_cancel_are_worth_more_than_a_sum() -> None:
    assert "dead man" not in header(a_live(), 80)[1]
    assert "dead man resting stops only" in header(a_live(dead_man="resting_stops"), 100)[1]


def test_all_of_it_stands_below_the_incidents() -> None:
    assert link_lines(a_snapshot(), 80) == []
    shot = a_live(foreign=2, key_words="the key has no address restriction")
    lines = link_lines(shot, 60)
    text = "\n".join("".join(cell.text for cell in line) for line in lines)
    for words in ("binance_usdm, trading", "3 ms from ours", "never", "cancels everything"):
        assert words in text
    odd = [line[1].text for line in lines if len(line) > 1 and line[1].tone == "warn"]
    assert odd == ["2, counted in exposure, left", "alone", "the key has no address", "restriction"]
    assert max(map(line_width, lines)) <= 60
