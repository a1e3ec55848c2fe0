"""Candles as text."""

from app.views.cells import Line, line_width
from app.views.chart import ChartView, Dot, Drawing, Mark, chart_lines, closes_in
from app.views.glyphs import ASCII, UNICODE
from app.views.studies import studies
from engine.domain.snapshots import BarRow
from tests.support.builders import linear
from tests.support.session import MID, START_NS, some_bars

S = 1_000_000_000


def drawn(bars: list[BarRow], glyphs: object = UNICODE, **more: object) -> list[Line]:
    view = more.pop("view", None) or ChartView()
    drawing = Drawing(last_ticks=MID, **more)  # type: ignore[arg-type]
    return chart_lines(view, bars, linear(), drawing, 60, 20, glyphs)  # type: ignore[arg-type]


def text(lines: list[Line]) -> str:
    return "\n".join("".join(cell.text for cell in line) for line in lines)


def test_every_line_has_the_pane_width() -> None:
    for glyphs in (UNICODE, ASCII):
        lines = drawn(some_bars(MID, S), glyphs)
        assert len(lines) == 20
        assert {line_width(line) for line in lines} == {60}


def test_ascii_stays_ascii() -> None:
    assert text(drawn(some_bars(MID, S), ASCII)).isascii()


def test_rising_and_falling_differ_without_colour() -> None:
    rising = BarRow(START_NS, MID - 40, MID, MID - 40, MID, 5)
    falling = BarRow(START_NS, MID, MID, MID - 40, MID - 40, 5)
    assert "█" in text(drawn([rising])[:17])
    assert "▒" in text(drawn([falling])[:17])
    assert "▒" not in text(drawn([rising]))


def test_the_last_price_is_on_the_axis() -> None:
    axis = [line[-1] for line in drawn(some_bars(MID, S)) if line[-1].tone == "last"]
    assert [cell.text.strip() for cell in axis] == ["60,012.5"]


def test_marks_stand_at_their_price() -> None:
    lines = drawn(some_bars(MID, S), marks=[Mark(MID + 60, "up", ">")])
    marked = [line[-1] for line in lines if line[-1].tone == "up" and "60,0" in line[-1].text]
    assert [cell.text.strip() for cell in marked] == ["60,018.5"]


def test_the_scale_waits_until_the_bars_leave_it() -> None:
    view = ChartView()
    bars = some_bars(MID, S)
    scale = view.scale(bars, 17)
    nudged = [*bars[:-1], BarRow(START_NS, MID, MID + 3, MID - 3, MID + 2, 9)]
    assert view.scale(nudged, 17) is scale
    escaped = [*bars[:-1], BarRow(START_NS, MID, MID + 9_000, MID, MID, 9)]
    assert view.scale(escaped, 17) is not scale


def test_scrolling_stops_at_the_ends() -> None:
    view = ChartView()
    view.scroll(1_000, 120)
    assert view.back == 119
    view.scroll(-5_000, 120)
    assert view.back == 0


def test_too_little_room_or_no_bars_draws_nothing() -> None:
    drawing = Drawing(last_ticks=MID)
    assert chart_lines(ChartView(), [], linear(), drawing, 60, 20, UNICODE) == []
    bars = some_bars(MID, S)
    assert chart_lines(ChartView(), bars, linear(), drawing, 12, 4, UNICODE) == []


def test_fills_stand_over_their_candle_and_say_their_side() -> None:
    bars = some_bars(MID, S)
    at = bars[-3]
    dots = [Dot(at.start_ns + S // 2, at.close, 1), Dot(bars[0].start_ns - S, MID, -1)]
    lines = drawn(bars, dots=dots, bar_s=1)
    marked = [cell for line in lines for cell in line if cell.tone.startswith("fill_")]
    assert [(cell.text, cell.tone) for cell in marked] == [("▲", "fill_buy")]


def test_a_fill_younger_than_the_window_is_not_drawn_into_its_last_bar() -> None:
    """Scrolled back, the newest fills lie beyond the right edge."""
    bars = some_bars(MID, S)
    view = ChartView()
    view.scroll(50, len(bars))
    lines = drawn(bars, view=view, dots=[Dot(bars[-1].start_ns, MID, 1)], bar_s=1)
    assert not [cell for line in lines for cell in line if cell.tone.startswith("fill_")]


def test_unknown_history_is_said() -> None:
    few = some_bars(MID, S, 4)
    assert "nothing known before 08-08 12:03" in text(drawn(few))
    assert "nothing known" not in text(drawn(some_bars(MID, S)))


def test_the_countdown_to_the_close() -> None:
    bar = BarRow(START_NS, MID, MID, MID, MID, 5)
    assert closes_in(bar, START_NS + 18 * S, 60) == "closes in 42s"
    assert closes_in(bar, START_NS + 61 * S, 60) == "", "its next trade will open another"
    assert closes_in(bar, START_NS, 1) == ""


def test_studies_are_behind_the_candles() -> None:
    bars = some_bars(MID, S)
    lines = drawn(bars, studies=studies(("ema", "vwap", "bands"), bars))
    assert any(cell.tone == "study_ema" for line in lines for cell in line)
    bare = drawn(bars)

    def body(picture: list[Line]) -> list[str]:
        """The candles alone, in their columns."""
        rows = []
        for line in picture:
            kept = [c.text if c.tone in ("up", "down") else " " * len(c.text) for c in line]
            rows.append("".join(kept))
        return rows

    assert body(lines) == body(bare)


def test_a_line_does_not_run_through_those_words() -> None:
    """The last price and an own order may stand in the very row that the words are in."""
    few = some_bars(MID, S, 4)
    low, high = min(bar.low for bar in few), max(bar.high for bar in few)
    for ticks in range(low, high + 1):
        marks = [Mark(ticks, "text", "x", is_line=True)]
        assert "nothing known before 08-08 12:03" in text(drawn(few, marks=marks)), ticks
