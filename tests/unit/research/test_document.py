"""The document of a run says what the ledger says, and every figure beside its benchmark."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.backtests import BacktestReport, BacktestRequest, run_backtest
from engine.research import curve, words
from engine.research.document import decode_document
from engine.research.metrics import METRICS, Basis
from engine.research.periods import BINS_MAX, _bins
from engine.sim.bar_feed import BarPath
from engine.sim.scenario import Scenario
from tests.support.bar_walks import hours, walk, write_csv

LISTED = [
    "strategy", "params", "rows", "start_ns", "end_ns", "orders", "fills", "denied", "position",
    "cash", "fees", "equity", "metrics",
]  # fmt: skip


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seventy days of hours."""
    folder = tmp_path_factory.mktemp("bars")
    return write_csv(folder / "BTCUSDT_PERP.csv", hours(walk(8, 1700, step_ticks=800)))


def run(bars: Path, **more: Any) -> BacktestReport:
    request = {"qty": "1", "fast": "3", "slow": "9"}
    return run_backtest(BacktestRequest("trend", request, [bars], Scenario(), **more))


@pytest.fixture(scope="module")
def report(bars: Path) -> BacktestReport:
    return run(bars)


@pytest.fixture(scope="module")
def document(report: BacktestReport) -> dict[str, Any]:
    return decode_document(report.kept.document)


def test_it_holds_what_scripts_depend_on(document: dict[str, Any]) -> None:
    assert set(LISTED) <= set(document)


def test_the_same_input_gives_the_same_bytes(report: BacktestReport, bars: Path) -> None:
    again = run(bars)
    assert again.kept == report.kept
    assert again.kept.run_id == report.kept.run_id


def test_money_adds_up(document: dict[str, Any]) -> None:
    parts = document["cash"] + document["inventory"] - document["fees"] - document["funding"]
    assert parts == document["equity"]
    figures = document["metrics"]
    assert figures["profit_before_fees"] == document["equity"] + document["fees"]
    returned = Decimal(100) * document["equity"] / document["capital"]
    assert float(figures["total_return_pct"]) == pytest.approx(float(returned), rel=1e-9)
    assert float(figures["turnover"]) == pytest.approx(
        float(figures["traded_notional"] / document["capital"]), rel=1e-9
    )


def test_forty_figures_of_a_run_that_is_long_enough(document: dict[str, Any]) -> None:
    assert len(METRICS) >= 40
    given = [one.name for one in METRICS if document["metrics"][one.name] is not None]
    assert set(document["metrics_missing"]) == {one.name for one in METRICS} - set(given)
    assert set(document["metrics_missing"]) == {"skill_after_selection_pct"}
    assert document["metrics_missing"]["skill_after_selection_pct"].startswith("too little")


def test_a_run_that_is_too_short_says_so(tmp_path: Path) -> None:
    bars = write_csv(tmp_path / "BTCUSDT_PERP.csv", walk(8, 100))
    document = decode_document(run(bars).kept.document)
    missing = document["metrics_missing"]
    assert document["metrics"]["sharpe"] is None
    assert missing["sharpe"] == "too little: needs 30 daily returns, has 1"
    assert "30 days" in missing["cagr_pct"]
    by_reason = words.missing_metrics(document)
    assert "Sharpe ratio" in by_reason[missing["sharpe"]]


def test_a_choice_among_many_costs_credibility(bars: Path, document: dict[str, Any]) -> None:
    chosen = decode_document(run(bars, tried=200).kept.document)
    assert chosen["metrics_missing"] == {}
    alone = document["metrics"]["skill_probability_pct"]
    assert chosen["metrics"]["skill_probability_pct"] == alone
    assert chosen["metrics"]["skill_after_selection_pct"] < alone
    assert (document["tried"], chosen["tried"]) == (1, 200)


def test_samples_instead_of_days_are_said_and_not_annualised(tmp_path: Path) -> None:
    bars = write_csv(tmp_path / "BTCUSDT_PERP.csv", walk(8, 100))
    document = decode_document(run(bars, basis=Basis.SAMPLE).kept.document)
    assert document["metrics_basis"] == "sample"
    assert document["metrics"]["sharpe"] is not None
    returns = curve.returns_of(np.array([10_000_000 + float(p.profit) for p in points_of(bars)]))
    expected = returns.mean() / returns.std(ddof=1)
    assert float(document["metrics"]["sharpe"]) == pytest.approx(expected, rel=1e-6)


def points_of(bars: Path) -> list[Any]:
    return list(run(bars).kept.equity)


def test_holding_is_worth_what_the_price_did(document: dict[str, Any]) -> None:
    held = document["benchmarks"]["buy_and_hold"]
    moved = document["metrics"]["market_return_pct"]
    assert float(held["total_return_pct"]) == pytest.approx(float(moved), abs=1e-6)
    assert document["metrics"]["benchmark_buy_and_hold"] == pytest.approx(
        document["capital"] * moved / 100, rel=Decimal("1e-5")
    )
    assert held["sharpe"] is not None
    assert set(document["benchmarks"]["cash"].values()) == {0}


def test_each_headline_stands_beside_cash_and_holding(document: dict[str, Any]) -> None:
    lines = {figure.title: figure for figure in words.headlines(document)}
    for title in ("Profit or loss", "Total return", "Deepest drawdown"):
        assert lines[title].cash.startswith("0 ")
        assert lines[title].hold not in ("", words.MISSING)
    assert words.money(document["equity"], "USDT") == lines["Profit or loss"].run
    assert f"{abs(document['equity']):,f} USDT" in words.verdict(document)
    assert "buying and holding" in words.verdict(document)


def test_months_compound_to_the_whole(document: dict[str, Any]) -> None:
    assert [one["month"] for one in document["months"]] == ["2024-01", "2024-02", "2024-03"]
    for key, whole in (
        ("return_pct", document["metrics"]["total_return_pct"]),
        ("buy_and_hold_pct", document["benchmarks"]["buy_and_hold"]["total_return_pct"]),
    ):
        grown = np.prod([1 + float(one[key]) / 100 for one in document["months"]])
        assert 100 * (grown - 1) == pytest.approx(float(whole), rel=1e-8)


def test_the_histogram_counts_every_day(document: dict[str, Any]) -> None:
    histogram = document["histogram"]
    assert histogram["period"] == "day"
    assert sum(histogram["counts"]) + histogram["unchanged"] == 71
    assert len(histogram["edges_pct"]) == len(histogram["counts"]) + 1
    assert 0 in histogram["edges_pct"]


@pytest.mark.parametrize(
    "values",
    [[1.0], [-1e-7], [0.1] * 9, [5.0, 5.001, 5.002], [-3.0, *[0.001] * 500, 4.0], [1e-12, -1e3]],
)
def test_bins_hold_whatever_comes(values: list[float]) -> None:
    edges, counts = _bins(np.array(values))
    assert sum(counts) == len(values)
    assert 1 <= len(counts) <= BINS_MAX + 2
    assert edges == sorted(set(edges))


def test_the_path_within_a_bar_is_stated(bars: Path, document: dict[str, Any]) -> None:
    assert "path within a bar: worst-first" in document["assumptions"]
    optimistic = run(bars, path=BarPath.BEST_FIRST)
    assert "path within a bar: best-first" in optimistic.document["assumptions"]
    assert optimistic.kept.run_id != run(bars).kept.run_id


def test_samples_begin_with_the_run_and_never_go_back(report: BacktestReport) -> None:
    times = [point.ts_ns for point in report.kept.equity]
    assert times[0] == report.document["start_ns"]
    assert times[-1] == report.document["end_ns"]
    assert times == sorted(times)
    assert report.kept.equity[0].profit == 0
    assert report.kept.equity[-1].profit == report.document["equity"]


@pytest.mark.parametrize(
    ("span_ns", "text"),
    [
        (344_807_351_435, "5 min 44 s"),
        (1_500_000, "0.002 s"),
        (59_000_000_000, "59 s"),
        (3_600_000_000_000, "1 h"),
        (2_159_025_000_000_000, "24 d 23 h"),
        (60_000_000_000, "1 min"),
    ],
)
def test_durations(span_ns: int, text: str) -> None:
    assert words.duration(span_ns) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1234567.891"), "1,234,568"),
        (Decimal("-0.0000123456789"), "-0.0000123457"),
        (Decimal("12.3456789"), "12.3457"),
        (Decimal(-100), "-100"),
        (0, "0"),
        (None, "-"),
    ],
)
def test_numbers_for_people(value: Any, text: str) -> None:
    assert words.number(value) == text
