"""The metrics of a backtest: one table of names, units, needs and functions.

Formulas and sources stand with the functions: `returns`, `drawdown`, `benchmark`, `round_trips`.
What is the same for all: simple returns of marked equity, open profit and starting capital
included; days, 365 to the year; ddof 1; the riskless rate is 0, said here and nowhere hidden. A
figure for which there is too little to go by is None with the reason, never a number.

Checked to 1e-10 against empyrical-reloaded 0.7.1 (E) and quantstats 0.0.86 (Q) on 20 seeded series,
see tests/unit/research/test_metrics_oracle.py. Same definition: total, annual growth, volatility,
deepest drawdown, Sharpe, Sortino, omega, tail ratio (E, Q), downside deviation, value at risk,
expected shortfall, Calmar, beta (E), skewness, kurtosis, gain to pain, best and worst day and
month, profit factor, payoff, hit rate, Kelly, losses in a row (Q). Deliberately different:

| figure             | theirs                                          | ours                      |
|--------------------|-------------------------------------------------|---------------------------|
| alpha              | E compounds it: (1 + a)^365 - 1                 | a x 365, as Jensen        |
| information ratio  | E, Q: of one day                                | x sqrt(365)               |
| ulcer index        | Q divides by n - 1, without the start           | mean over all points      |
| martin ratio       | Q: total return / ulcer                         | annual growth / ulcer     |
| Treynor ratio      | Q: total return / beta                          | 365 x mean / beta         |
| probability of     | Q puts excess kurtosis where the paper has the  | the paper's formula       |
| skill (PSR)        | plain one: (g4 - 6) / 4 for (g4 - 1) / 4        |                           |
| value at risk, ES  | Q: quantile and tail of a fitted normal         | of the returns themselves |
| positive days      | Q leaves days without a change out              | all days                  |
| annual growth      | E: n / 365 periods                              | time from start to end    |
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

import numpy as np

from engine.domain.instrument import Instrument, InstrumentKind
from engine.kernels.layout import Float64s
from engine.research import benchmark, curve, drawdown, returns, round_trips
from engine.research.curve import monthly, returns_of
from engine.research.round_trips import Execution, RoundTrip
from engine.runtime.backtest import BacktestResult
from engine.sim.bar_feed import UNKNOWN_LOTS

DAYS_A_YEAR = 365.0
DAY_NS = 86_400_000_000_000
RF = 0.0
"""Riskless return of a period."""


class Basis(enum.StrEnum):
    """Which returns the ratios are made of."""

    DAY = "day"
    SAMPLE = "sample"
    """From sample to sample, and not annualised: for looking at short runs, not for judging."""


class Inputs:
    """What the metrics are functions of."""

    def __init__(
        self,
        result: BacktestResult,
        instrument: Instrument,
        capital: Decimal,
        basis: Basis = Basis.DAY,
        tried: int = 1,
        *,
        is_holding: bool = False,
    ) -> None:
        """`tried`: how many parameter sets this one was chosen from, itself included.
        `is_holding`: what only looks at equity sees that of who bought at the start and held."""
        self.result = result
        self.capital = float(capital)
        self.instrument = instrument
        self.samples = curve.sampled(result, instrument, capital)
        self.days = curve.daily(result, instrument, capital)
        if is_holding:
            self.samples = self.samples._replace(equity=self.samples.hold)
            self.days = self.days._replace(equity=self.days.hold)
        self.tried = tried
        self.basis = basis
        periods = self.days if basis is Basis.DAY else self.samples
        self.returns = periods.returns
        self.market = periods.hold_returns
        self.per_year = DAYS_A_YEAR if basis is Basis.DAY else 1.0
        self.span_days = (result.end_ns - result.start_ns) / DAY_NS

    @property
    def equity(self) -> Float64s:
        return self.samples.equity

    @cached_property
    def months(self) -> Float64s:
        return returns_of(monthly(self.days).equity)

    @cached_property
    def growth(self) -> float:
        """Compound annual growth, over the time from start to end."""
        whole = self.equity[-1] / self.equity[0] - 1.0
        return returns.annualised(float(whole), self.span_days / DAYS_A_YEAR)

    @property
    def luck(self) -> float:
        """Standard deviation of the Sharpe ratio, of one period, of sets without any skill."""
        return 1.0 / math.sqrt(max(1, len(self.returns) - 1))

    # -- trades --------------------------------------------------------------------------------

    @cached_property
    def executions(self) -> list[Execution]:
        return [
            Execution(row.ts_ns, float(row.qty) * row.side.sign, float(row.price), float(row.fee))
            for row in self.result.trades
        ]

    @cached_property
    def trips(self) -> list[RoundTrip]:
        return round_trips.round_trips(
            self.executions,
            contract_size=float(self.instrument.contract_size),
            is_inverse=self.is_inverse,
            lot=float(self.instrument.lot),
        )

    @cached_property
    def profits(self) -> Float64s:
        return np.array([trip.profit for trip in self.trips])

    @property
    def is_inverse(self) -> bool:
        return self.instrument.kind is InstrumentKind.INVERSE

    @cached_property
    def excursions(self) -> tuple[float, float]:
        return round_trips.excursions(self.trips, self.samples.ts_ns, self.samples.mids)

    @cached_property
    def slippage(self) -> float:
        """What takers paid over the mid at which they had decided, in the settle asset."""
        lot, half_tick = float(self.instrument.lot), float(self.instrument.tick) / 2
        size = float(self.instrument.contract_size) * lot
        paid = 0.0
        for mark in self.result.marks:
            if mark.is_maker or not mark.intended_x2:
                continue
            price, mid = mark.price_ticks * 2 * half_tick, mark.intended_x2 * half_tick
            worth = 1 / mid - 1 / price if self.is_inverse else price - mid
            paid += mark.sign * mark.lots * size * worth
        return paid

    def of_gross(self, cost: float) -> float:
        """`cost` as a share of the profit or loss before fees, funding and slippage."""
        result = self.result
        kept = float(result.equity + result.fees + result.funding)
        return returns.ratio(cost, abs(kept + self.slippage))

    @property
    def exposure(self) -> float:
        start_ns, end_ns = self.result.start_ns, self.result.end_ns
        return round_trips.exposure(self.executions, start_ns, end_ns, float(self.instrument.lot))

    @property
    def participation(self) -> float:
        """Our lots / those of the market; NaN where the bars did not tell."""
        lots, trades = self.result.market_lots, self.result.market_trades
        if not 0 < lots < trades * UNKNOWN_LOTS:
            return math.nan
        return sum(mark.lots for mark in self.result.marks) / lots

    def count(self, kind: str) -> float:
        counts: Mapping[str, float] = {
            "returns": len(self.returns),
            "days": self.span_days,
            "whole days": len(self.days.ts_ns) - 1 if self.span_days >= 1 else 0,
            "months": len(self.months) if self.span_days >= 28 else 0,
            "trades": len(self.trips),
            "parameter sets tried": self.tried,
            "fills": len(self.result.trades),
        }
        return counts[kind]


class Need(NamedTuple):
    kind: str
    """A word of `Inputs.count`."""
    least: int


class Metric(NamedTuple):
    name: str
    """In documents; ends in _pct where the unit is %."""
    title: str
    group: str
    unit: str
    sense: int
    """1: more is better; -1: less is; 0: neither."""
    need: Need | None
    compute: Callable[[Inputs], float]
    """In fractions where the unit is %."""
    has_benchmark: bool = False
    """Whether buying and holding has such a figure too."""


class Value(NamedTuple):
    value: float | None
    """In the metric's unit. Infinity is a value; None is none."""
    reason: str = ""
    """Why there is none."""


_MONTH = Need("days", 30)
_PERIODS = Need("returns", 30)
_TRADE = Need("trades", 1)
_FEW_TRADES = Need("trades", 10)


def _row(
    group: str, need: Need | None, *, both: bool = False
) -> Callable[[str, str, str, int, Callable[[Inputs], float]], Metric]:
    def row(
        name: str, title: str, unit: str, sense: int, compute: Callable[[Inputs], float]
    ) -> Metric:
        return Metric(name, title, group, unit, sense, need, compute, both)

    return row


_total = _row("return", None, both=True)
_grown = _row("return", _MONTH, both=True)
_day = _row("return", Need("whole days", 2), both=True)
_month = _row("return", Need("months", 2), both=True)
_risk = _row("risk", _PERIODS, both=True)
_fall = _row("risk", None, both=True)
_ratio = _row("ratio", _PERIODS, both=True)
_growth_ratio = _row("ratio", _MONTH, both=True)
_against = _row("ratio", _PERIODS)
_trade = _row("trade", _TRADE)
_trades = _row("trade", _FEW_TRADES)
_cost = _row("trade", Need("fills", 1))
_from_sets = _row("ratio", Need("parameter sets tried", 2))
_always = _row("trade", None)

METRICS: Sequence[Metric] = (
    _total("total_return_pct", "Total return", "%", 1, lambda x: x.equity[-1] / x.equity[0] - 1),
    _grown("cagr_pct", "Annual growth", "%", 1, lambda x: x.growth),
    _day("daily_mean_pct", "Mean day", "%", 1, lambda x: returns.mean(x.days.returns)),
    _day("best_day_pct", "Best day", "%", 1, lambda x: x.days.returns.max()),
    _day("worst_day_pct", "Worst day", "%", 1, lambda x: x.days.returns.min()),
    _month("best_month_pct", "Best month", "%", 1, lambda x: x.months.max()),
    _month("worst_month_pct", "Worst month", "%", 1, lambda x: x.months.min()),
    _day("positive_days_pct", "Positive days", "%", 1,
         lambda x: returns.positive_share(x.days.returns)),
    _risk("volatility_pct", "Volatility a year", "%", -1,
          lambda x: returns.volatility(x.returns, x.per_year)),
    _risk("downside_pct", "Downside deviation a year", "%", -1,
          lambda x: returns.downside(x.returns, RF) * math.sqrt(x.per_year)),
    _fall("max_drawdown_of_peak_pct", "Deepest drawdown", "%", -1,
          lambda x: drawdown.deepest(x.equity)),
    _fall("max_drawdown_days", "Longest drawdown", "days", -1,
          lambda x: drawdown.longest(x.equity, x.samples.ts_ns)),
    _fall("average_drawdown_pct", "Mean drawdown", "%", -1,
          lambda x: drawdown.average(x.equity)),
    _fall("ulcer_index_pct", "Ulcer index", "%", -1, lambda x: drawdown.ulcer(x.equity)),
    _fall("pain_index_pct", "Pain index", "%", -1, lambda x: drawdown.pain(x.equity)),
    _risk("value_at_risk_95_pct", "Value at risk, 95 %", "%", 1,
          lambda x: returns.value_at_risk(x.returns)),
    _risk("expected_shortfall_95_pct", "Expected shortfall, 95 %", "%", 1,
          lambda x: returns.expected_shortfall(x.returns)),
    _risk("skewness", "Skewness", "", 1, lambda x: returns.skewness(x.returns)),
    _risk("kurtosis", "Excess kurtosis", "", -1, lambda x: returns.kurtosis(x.returns)),
    _risk("tail_ratio", "Tail ratio", "", 1, lambda x: returns.tail_ratio(x.returns)),
    _ratio("sharpe", "Sharpe ratio", "a √year", 1,
           lambda x: returns.sharpe(x.returns, x.per_year, RF)),
    _ratio("sharpe_error", "Sharpe ratio, standard error (HAC)", "a √year", -1,
           lambda x: returns.sharpe_error(x.returns, x.per_year, RF)),
    _ratio("skill_probability_pct", "Probability that Sharpe > 0", "%", 1,
           lambda x: returns.probabilistic_sharpe(x.returns, RF)),
    _from_sets("skill_after_selection_pct", "Probability that Sharpe > 0 after selection", "%", 1,
               lambda x: returns.deflated_sharpe(x.returns, x.tried, x.luck, RF)),
    _ratio("sortino", "Sortino ratio", "a √year", 1,
           lambda x: returns.sortino(x.returns, x.per_year, RF)),
    _growth_ratio("calmar", "Calmar ratio", "", 1,
                  lambda x: drawdown.calmar(x.growth, x.equity)),
    _ratio("omega", "Omega ratio", "", 1, lambda x: returns.omega(x.returns, RF)),
    _growth_ratio("sterling", "Sterling ratio", "", 1,
                  lambda x: drawdown.sterling(x.growth, x.equity)),
    _growth_ratio("burke", "Burke ratio", "", 1, lambda x: drawdown.burke(x.growth, x.equity)),
    _growth_ratio("martin", "Martin ratio", "", 1,
                  lambda x: drawdown.martin(x.growth, x.equity)),
    _ratio("gain_to_pain", "Gain to pain", "", 1, lambda x: returns.gain_to_pain(x.returns)),
    _against("information_ratio", "Information ratio", "a √year", 1,
             lambda x: benchmark.information_ratio(x.returns, x.market, x.per_year)),
    _against("alpha_pct", "Alpha a year", "%", 1,
             lambda x: benchmark.alpha(x.returns, x.market, x.per_year, RF)),
    _against("beta", "Beta", "", 0, lambda x: benchmark.beta(x.returns, x.market)),
    _against("treynor_pct", "Treynor ratio", "%", 1,
             lambda x: benchmark.treynor(x.returns, x.market, x.per_year, RF)),
    _always("trades", "Round trips", "count", 0, lambda x: len(x.trips)),
    _trade("hit_rate_pct", "Hit rate", "%", 1, lambda x: round_trips.hit_rate(x.profits)),
    _trade("profit_factor", "Profit factor", "", 1,
           lambda x: round_trips.profit_factor(x.profits)),
    _trade("payoff", "Payoff ratio", "", 1, lambda x: round_trips.payoff(x.profits)),
    _trade("expectancy", "Profit a round trip", "money", 1, lambda x: returns.mean(x.profits)),
    _trades("quality_number", "System quality number", "", 1,
            lambda x: round_trips.quality_number(x.profits)),
    _trades("kelly_pct", "Kelly share from trades", "%", 1,
            lambda x: round_trips.kelly(x.profits)),
    _trade("average_hold_s", "Mean time held", "s", 0,
           lambda x: float(np.mean([trip.end_ns - trip.start_ns for trip in x.trips])) / 1e9),
    _trade("losses_in_a_row", "Losses in a row", "count", -1,
           lambda x: round_trips.losses_in_a_row(x.profits)),
    _trade("adverse_excursion_bp", "Mean adverse excursion", "bp", -1,
           lambda x: x.excursions[0]),
    _trade("favourable_excursion_bp", "Mean favourable excursion", "bp", 1,
           lambda x: x.excursions[1]),
    _always("exposure_pct", "Time in the market", "%", 0, lambda x: x.exposure),
    _always("turnover", "Turnover", "x capital", 0,
            lambda x: float(x.result.traded_notional) / x.capital),
    _cost("fee_share_pct", "Fees of gross profit or loss", "%", -1,
          lambda x: x.of_gross(float(x.result.fees))),
    _cost("slippage_share_pct", "Slippage of gross", "%", -1, lambda x: x.of_gross(x.slippage)),
    _cost("funding_share_pct", "Funding of gross", "%", -1,
          lambda x: x.of_gross(float(x.result.funding))),
    _cost("participation_pct", "Share of the market's volume", "%", -1, lambda x: x.participation),
)  # fmt: skip


def measure(metric: Metric, inputs: Inputs) -> Value:
    """One metric, or why there is none."""
    need = metric.need
    if need is not None and (held := inputs.count(need.kind)) < need.least:
        words = need.kind
        if words == "returns":
            words = "daily returns" if inputs.basis is Basis.DAY else "samples"
        return Value(None, f"too little: needs {need.least} {words}, has {math.floor(held)}")
    value = float(metric.compute(inputs))
    if math.isnan(value):
        return Value(None, "undefined: nothing to divide by, or nothing known")
    return Value(value * 100 if metric.unit == "%" else value)


def measure_all(inputs: Inputs) -> dict[str, Value]:
    """Every metric by its name, in the order of the table."""
    return {metric.name: measure(metric, inputs) for metric in METRICS}


def measure_holding(inputs: Inputs) -> dict[str, Value]:
    """What of it makes sense for equity alone; for `Inputs` with `is_holding`."""
    return {metric.name: measure(metric, inputs) for metric in METRICS if metric.has_benchmark}
