"""The equity curve of a backtest as arrays: at every sample, and at the end of every UTC day."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from engine.domain.instrument import Instrument, InstrumentKind
from engine.kernels.layout import Float64s, Int64s
from engine.research.benchmark import hold_equity
from engine.runtime.backtest import BacktestResult
from engine.runtime.recorder import Sample
from engine.runtime.trader import DAY_NS


class Curve(NamedTuple):
    """Marked equity, open profit included; the first point is the capital at the start."""

    ts_ns: Int64s
    equity: Float64s
    mids: Float64s
    """Price at each point."""
    hold: Float64s
    """Equity of who bought at the start and did nothing more."""

    @property
    def returns(self) -> Float64s:
        return returns_of(self.equity)

    @property
    def hold_returns(self) -> Float64s:
        return returns_of(self.hold)


def returns_of(equity: Float64s) -> Float64s:
    """e[i] / e[i - 1] - 1: simple returns, not logarithms. 0 after everything has been lost."""
    before, after = equity[:-1], equity[1:]
    safe = np.where(before > 0, before, 1.0)
    found: Float64s = np.where(before > 0, after / safe - 1.0, 0.0)
    return found


def sampled(result: BacktestResult, instrument: Instrument, capital: Decimal) -> Curve:
    """At the fixed market times of the recorder, and at the end."""
    return _curve(result.samples, result, instrument, capital)


def daily(result: BacktestResult, instrument: Instrument, capital: Decimal) -> Curve:
    """At UTC midnights. Days in a gap of the data are there, with nothing gained or lost; a first
    or last day of less than twelve hours is part of its neighbour."""
    marks = [*result.days, result.samples[-1]]
    if len(marks) > 1 and marks[0].ts_ns - result.start_ns < DAY_NS // 2:
        del marks[0]
    if len(marks) > 1 and marks[-1].ts_ns - marks[-2].ts_ns < DAY_NS // 2:
        del marks[-2]
    return _curve(marks, result, instrument, capital)


def monthly(days: Curve) -> Curve:
    """The last point of every month, after the start. The first and last month may be parts."""
    # What is marked at a midnight belongs to the day before.
    months = (days.ts_ns - 1).astype("datetime64[ns]").astype("datetime64[M]")
    is_last = np.append(months[1:] != months[:-1], True)
    is_last[0] = True
    return Curve(*(column[is_last] for column in days))


def _curve(
    samples: Sequence[Sample], result: BacktestResult, instrument: Instrument, capital: Decimal
) -> Curve:
    half_tick = float(instrument.tick) / 2
    profits = np.array([0.0, *(float(sample.profit) for sample in samples)])
    mids = np.array([float(result.first_mid), *(x.mid_x2 * half_tick for x in samples)])
    is_inverse = instrument.kind is InstrumentKind.INVERSE
    return Curve(
        ts_ns=np.array([result.start_ns, *(sample.ts_ns for sample in samples)], np.int64),
        equity=float(capital) + profits,
        mids=mids,
        hold=hold_equity(float(capital), mids, is_inverse=is_inverse),
    )
