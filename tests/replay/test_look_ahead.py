"""Planted look-ahead is caught, honest strategies pass: twelve plants in the real engine.

Ten strategies that compute their signals from a table of bars up front, the way notebooks do, each
with one of the classic mistakes; two worlds that fill too kindly. Three more plants, in the
compiled cross, are in `tests/unit/research/test_sweep_honesty.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from app.lookahead import CheckRequest, Trial, check_strategy
from engine.domain.order import Fill, TimeInForce
from engine.kernels import layout as k
from engine.kernels.layout import Int64s, Rows
from engine.ports import strategy as api
from engine.ports.strategy import Bar, Context, Knob, Strategy, WakeFilter
from engine.research.lookahead import (
    Decision,
    chosen_cuts,
    cut_bars,
    decisions_of,
    find_changes,
    first_change,
)
from engine.sim.bar_feed import BarColumns, BarFeed
from engine.sim.exchange import SimExchange
from engine.sim.generator import MarketGenerator
from engine.sim.scenario import Scenario
from engine.strategy import catalogue
from tests.support.bar_walks import bar_data, walk

BARS = walk(3, 200, step_ticks=80)
DATA = bar_data(BARS)
CUTS = 12
Signal = Callable[[BarColumns], NDArray[Any]]
"""Bars -> which way to stand once bar i has closed: a number a bar, of which the sign counts."""


# -- honest signals, and the same with a mistake ---------------------------------------------------


def mean_of(values: Int64s, length: int) -> NDArray[Any]:
    """Of the last `length`, or of as many as there are."""
    sums = np.concatenate([[0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - length)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def ahead(values: NDArray[Any], by: int = 1) -> NDArray[Any]:
    """Values of `by` bars later; the last ones are repeated."""
    return np.concatenate([values[by:], np.repeat(values[-1:], by)])[: len(values)]


def cross(bars: BarColumns) -> NDArray[Any]:
    return mean_of(bars.close, 3) - mean_of(bars.close, 9)


def fitted_so_far(bars: BarColumns) -> NDArray[Any]:
    return np.asarray(bars.close - mean_of(bars.close, len(bars.close)))


def hour_so_far(bars: BarColumns) -> NDArray[Any]:
    """Back to the middle of the hour so far."""
    hour, found = np.arange(len(bars.close)) // 60, np.zeros(len(bars.close))
    for i in range(len(found)):
        mine = np.flatnonzero(hour[: i + 1] == hour[i])
        found[i] = (bars.high[mine].max() + bars.low[mine].min()) / 2 - bars.close[i]
    return found


HONEST: dict[str, Signal] = {
    "cross": cross,
    "fitted so far": fitted_so_far,
    "hour so far": hour_so_far,
}


def future_close(bars: BarColumns) -> NDArray[Any]:
    """The next bar's close decides what to hold during it."""
    return np.asarray(ahead(bars.close) - bars.close)


def bar_at_its_start(bars: BarColumns) -> NDArray[Any]:
    """A bar is handed out when it begins, with its close in it."""
    return ahead(cross(bars))


def high_before_it_was_made(bars: BarColumns) -> NDArray[Any]:
    """The whole hour's high and low, from its first minute on."""
    hour = np.arange(len(bars.close)) // 60
    high = np.array([bars.high[hour == one].max() for one in hour])
    low = np.array([bars.low[hour == one].min() for one in hour])
    return np.asarray((high + low) / 2 - bars.close)


def centred_window(bars: BarColumns) -> NDArray[Any]:
    """Averages around the bar instead of before it."""
    around = [bars.close[max(0, i - 4) : i + 5].mean() for i in range(len(bars.close))]
    return np.asarray(np.array(around) - mean_of(bars.close, 9))


def shifted_label(bars: BarColumns) -> NDArray[Any]:
    """What was to be predicted, the return of the next three bars, stands in the row already."""
    return np.asarray(np.roll(bars.close, -3) - bars.close)


def resampled_stamped_at_start(bars: BarColumns) -> NDArray[Any]:
    """Five minutes made from one, labelled with their start: the first minute sees their close."""
    five = np.arange(len(bars.close)) // 5
    closes = np.array([bars.close[five == one][-1] for one in range(int(five[-1]) + 1)])
    return np.asarray((closes - np.concatenate([closes[:1], closes[:-1]]))[five])


def final_volume(bars: BarColumns) -> NDArray[Any]:
    """How much the bar that has only begun will have traded."""
    return np.asarray(ahead(bars.volume) - mean_of(bars.volume, 50))


def fitted_on_everything(bars: BarColumns) -> NDArray[Any]:
    """Normalised by mean and deviation of the whole file."""
    return np.asarray((bars.close - bars.close.mean()) / (bars.close.std() or 1))


def filled_backwards(bars: BarColumns) -> NDArray[Any]:
    """Known every seventh bar; the gaps are filled with the next value instead of the last."""
    known = np.arange(len(bars.close)) // 7 * 7 + 7
    value = bars.close[np.minimum(known, len(bars.close) - 1)]
    return np.asarray(value - bars.close)


def smoothed_both_ways(bars: BarColumns) -> NDArray[Any]:
    """A filter run forwards and then backwards: no lag, for it knows where the price goes."""
    forwards = mean_of(bars.close, 5)
    return np.asarray(mean_of(forwards[::-1].copy(), 5)[::-1] - mean_of(bars.close, 9))


PLANTS: tuple[Signal, ...] = (
    future_close,
    bar_at_its_start,
    high_before_it_was_made,
    centred_window,
    shifted_label,
    resampled_stamped_at_start,
    final_volume,
    fitted_on_everything,
    filled_backwards,
    smoothed_both_ways,
)


class NoParams(api.Params, frozen=True, kw_only=True):
    timeframe: Annotated[str, Knob("length of a bar")] = "1m"


class Notebook(Strategy):
    """Trades a column of signals that was computed from the table it was given."""

    name: ClassVar[str] = "notebook"
    summary: ClassVar[str] = "for these tests"
    params_type: ClassVar[type[api.Params]] = NoParams
    table: ClassVar[BarColumns]
    signal: ClassVar[Signal]

    def __init__(self, params: api.Params, instrument: Any) -> None:
        self.lots = 40
        self.signs = np.sign(type(self).signal(type(self).table)).astype(int)

    @property
    def wake(self) -> WakeFilter:
        return WakeFilter(timeframe="1m")

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        row = int(np.searchsorted(type(self).table.start_ns, bar.start_ns))
        missing = int(self.signs[row]) * self.lots - ctx.position_lots
        if ctx.orders or not missing:
            return
        if missing > 0:
            ctx.buy(missing, tif=TimeInForce.IOC)
        else:
            ctx.sell(-missing, tif=TimeInForce.IOC)


def changes_of(signal: Signal, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """(instants tried, changes) of a notebook with this signal."""
    monkeypatch.setitem(catalogue.STRATEGIES, "notebook", Notebook)
    monkeypatch.setattr(Notebook, "signal", staticmethod(signal), raising=False)
    trial = Trial(DATA, "notebook", {"timeframe": "1m"}, Scenario())

    def run(cut_ns: int | None) -> list[Decision]:
        table = BARS if cut_ns is None else cut_bars(BARS, cut_ns)
        monkeypatch.setattr(Notebook, "table", table, raising=False)
        return decisions_of(trial.events(cut_ns))

    tried, changes = find_changes(run, CUTS)
    return tried, len(changes)


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_signal_passes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tried, changes = changes_of(HONEST[name], monkeypatch)
    assert tried >= 4
    assert changes == 0


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_look_ahead_is_caught(plant: Signal, monkeypatch: pytest.MonkeyPatch) -> None:
    tried, changes = changes_of(plant, monkeypatch)
    assert tried >= 4
    assert changes >= 1


# -- fills that are too kind -----------------------------------------------------------------------

TREND = {"timeframe": "1m", "fast": "2", "slow": "5"}
GRID = {
    "levels": "2",
    "interval_ticks": "20",
    "half_spread_ticks": "10",
    "qty": "0.01",
    "max_position": "1",
    "every_ms": "15000",
}


class FillsAtTheSignalsPrice(SimExchange):
    """Orders fill at the price that they were decided by, not at the touch they find."""

    def _fill(self, answer: list[int], latency_ns: int) -> Fill:
        fill = super()._fill(answer, latency_ns)
        if fill.is_maker:
            return fill
        sign = self._exchange.orders.item(answer[3], k.O_SIDE)
        return msgspec.structs.replace(fill, price_ticks=fill.price_ticks - sign)


class FillsBeforeTheOrderIsThere(SimExchange):
    def _fill(self, answer: list[int], latency_ns: int) -> Fill:
        fill = super()._fill(answer, latency_ns)
        return msgspec.structs.replace(fill, venue_ns=fill.venue_ns - 20_000_000)


def fills_of(
    strategy: str, params: dict[str, str], exchange: type[SimExchange] = SimExchange
) -> tuple[int, list[str]]:
    trial = Trial(DATA, strategy, params, Scenario(), exchange=exchange)
    events = trial.events(None)
    fills = sum(type(event).__name__ == "OrderFilled" for event in events)
    return fills, trial.impossible_fills(events)


@pytest.mark.parametrize(("strategy", "params"), [("trend", TREND), ("grid", GRID)])
def test_fills_of_the_real_world_are_possible(strategy: str, params: dict[str, str]) -> None:
    fills, impossible = fills_of(strategy, params)
    assert fills > 10
    assert impossible == []


@pytest.mark.parametrize("world", [FillsAtTheSignalsPrice, FillsBeforeTheOrderIsThere])
def test_fills_at_the_signals_price_or_time_are_caught(world: type[SimExchange]) -> None:
    fills, impossible = fills_of("trend", TREND, world)
    assert len(impossible) == fills > 10


def test_a_touch_that_fills_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades through the queue: being touched is enough, as if nobody stood in front."""
    honest = BarFeed._rows

    def kind(self: BarFeed, bars: BarColumns, prices: Int64s) -> Rows:
        rows = honest(self, bars, prices)
        is_trade = rows["kind"] == k.ROW_TRADE
        rows["side"][is_trade] *= -1
        return rows

    before, _ = fills_of("grid", GRID)
    monkeypatch.setattr(BarFeed, "_rows", kind)
    fills, impossible = fills_of("grid", GRID)
    assert fills > before
    assert len(impossible) > 10
    assert all("did not go through" in line for line in impossible)


# -- shipped strategies ------------------------------------------------------------------------


def test_the_grid_on_ticks_does_not_look_ahead() -> None:
    generator = MarketGenerator(5, block_ns=120_000_000_000)
    rows = generator.next_block()
    assert rows is not None
    params = {**GRID, "interval_ticks": "2", "half_spread_ticks": "2", "every_ms": "700"}
    trial = Trial((generator.instrument, rows), "grid", params, Scenario())
    tried, changes = find_changes(lambda cut_ns: decisions_of(trial.events(cut_ns)), 12)
    assert (tried, changes) == (12, [])


def test_the_command_finds_the_shipped_trend_clean(tmp_path: Any) -> None:
    from tests.support.bar_walks import write_csv

    path = write_csv(tmp_path / "BTCUSDT_PERP.csv", BARS)
    request = CheckRequest("trend", {"fast": "3", "slow": "9", "qty": "0.1"}, [path], cuts=12)
    report = check_strategy(request)
    assert report.is_clean
    assert report.document["instants_tried"] == 12
    assert report.document["fills_checked"] > 10
    assert not report.document["looks_ahead"]


# -- the parts -----------------------------------------------------------------------------------


def test_decisions_are_compared_up_to_the_cut_only() -> None:
    whole = [Decision(1, "buy"), Decision(5, "sell"), Decision(9, "buy")]
    assert first_change(whole, whole[:2], 5) is None
    assert first_change(whole, [*whole[:2], Decision(7, "sell")], 6) is None
    change = first_change(whole, whole[:1], 5)
    assert change is not None
    assert (change.whole, change.part) == (whole[1], None)
    more = first_change(whole[:1], whole[:2], 5)
    assert more is not None
    assert more.part == whole[1]


def test_cuts_are_spread_and_hold_the_last() -> None:
    decisions = [Decision(ts, "x") for ts in range(100) for _ in range(2)]
    assert chosen_cuts(decisions, 4) == [24, 49, 74, 99]
    assert chosen_cuts(decisions[:4], 4) == [0, 1]
    assert chosen_cuts([], 4) == []


def test_a_bar_that_has_begun_is_its_open_alone() -> None:
    at_ns = int(BARS.start_ns[10])
    cut = cut_bars(BARS, at_ns)
    assert len(cut.start_ns) == 11
    assert cut.open[-1] == cut.high[-1] == cut.low[-1] == cut.close[-1] == BARS.open[10]
    assert cut.volume[-1] <= 1
    assert cut.close[:-1].tolist() == BARS.close[:10].tolist()
    assert cut_bars(BARS, at_ns - 1).close.tolist()[:9] == BARS.close[:9].tolist()
    assert Decimal(len(cut_bars(BARS, at_ns - 1).start_ns)) == 10
