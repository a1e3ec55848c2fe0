"""Indicators and weeks against their definitions."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.views.bars import bars_of, seconds, weeks, words
from app.views.studies import bands, ema, studies, vwap
from engine.domain.snapshots import BarRow
from tests.support.session import MID, a_market

DAY = 86_400_000_000_000
closes = st.lists(st.integers(1, 10**7), min_size=1, max_size=60)
bar = st.builds(
    lambda low, up, close, volume: BarRow(0, low, low + up, low, low + min(up, close), volume),
    st.integers(1, 10**7),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, 10**6),
)


def bars_at(prices: list[int], step: int = DAY // 24) -> list[BarRow]:
    return [BarRow(at * step, one, one, one, one, 1) for at, one in enumerate(prices)]


@given(closes, st.integers(1, 30))
def test_ema_is_its_definition(prices: list[int], length: int) -> None:
    found = ema(bars_at(prices), length)
    assert len(found) == len(prices)
    assert all(value is None for value in found[: length - 1])
    if len(prices) >= length:
        wanted = sum(prices[:length]) / length
        for price in prices[length:]:
            wanted = wanted + (price - wanted) * 2 / (length + 1)
        assert found[-1] == pytest.approx(wanted)


@given(closes)
def test_bands_are_mean_and_deviation(prices: list[int]) -> None:
    low, high = bands(bars_at(prices), 20, 2.0)
    for at in range(len(prices)):
        if at < 19:
            assert (low[at], high[at]) == (None, None)
            continue
        part = prices[at - 19 : at + 1]
        spread = 2 * statistics.pstdev(part)
        assert low[at] == pytest.approx(statistics.fmean(part) - spread, abs=1e-3)
        assert high[at] == pytest.approx(statistics.fmean(part) + spread, abs=1e-3)


@given(st.lists(bar, min_size=1, max_size=40))
def test_vwap_lies_between_the_extremes(some: list[BarRow]) -> None:
    found = vwap(some)[-1]
    traded = [one for one in some if one.volume]
    if not traded:
        assert found is None
        return
    assert found is not None
    assert min(one.low for one in traded) - 1e-6 <= found <= max(one.high for one in traded) + 1e-6


def test_vwap_begins_anew_each_day() -> None:
    first, second = BarRow(0, 10, 10, 10, 10, 5), BarRow(DAY, 30, 30, 30, 30, 1)
    assert vwap([first, second]) == [10.0, 30.0]


def test_a_study_has_a_value_for_every_bar() -> None:
    bars = bars_at(list(range(100, 150)))
    for study in studies(("ema", "vwap", "bands"), bars):
        assert len(study.values) == len(bars)
    assert not any(math.isnan(value or 0) for value in vwap(bars))


@given(st.lists(bar, min_size=1, max_size=60), st.integers(0, 30_000))
def test_weeks_keep_volume_extremes_and_ends(days: list[BarRow], first: int) -> None:
    days = [
        BarRow((first + at) * DAY, one.open, one.high, one.low, one.close, one.volume)
        for at, one in enumerate(days)
    ]
    made = weeks(days)
    assert sum(week.volume for week in made) == sum(day.volume for day in days)
    assert max(week.high for week in made) == max(day.high for day in days)
    assert min(week.low for week in made) == min(day.low for day in days)
    assert (made[0].open, made[-1].close) == (days[0].open, days[-1].close)
    assert all((week.start_ns // DAY + 3) % 7 == 0 for week in made), "weeks begin on Mondays"
    assert len(made) <= len(days) // 7 + 2


def test_the_time_frames_of_a_market() -> None:
    market = a_market()
    assert words(market) == ["1s", "1m"]
    some = {"1d": bars_at([MID, MID], DAY), "1h": [], "1s": []}
    market = a_market(bars=some)
    assert words(market) == ["1s", "1h", "1d", "1w"]
    assert len(bars_of(market, "1w")) == 1
    assert [seconds(word) for word in ("5s", "15m", "4h", "1w")] == [5, 900, 14_400, 604_800]
