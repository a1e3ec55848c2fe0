"""A backtest in words and figures for people: what the command line and the HTML report show.

Made from the document alone, so a run of last year reads like one of today.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from engine.domain.money import plain
from engine.research.metrics import METRICS, Metric

MISSING = "-"
GROUPS = {"return": "Return", "risk": "Risk", "ratio": "Reward for risk", "trade": "Trades"}
TRIPS_SHOWN = 3
_SIGNIFICANT = 6


class Figure(NamedTuple):
    """One line: what it is, of the run, of cash, of buying and holding; "" where there is none."""

    title: str
    run: str
    cash: str = ""
    hold: str = ""


class Group(NamedTuple):
    title: str
    figures: list[Figure]


def number(value: Any, reason: str = "") -> str:
    """A number for people: six significant digits, whole thousands apart, never an exponent."""
    if value is None:
        return {"infinite": "∞", "minus infinite": "-∞"}.get(reason, MISSING)
    exact = Decimal(value)
    places = max(0, _SIGNIFICANT - 1 - max(exact.adjusted(), -_SIGNIFICANT))
    shown = round(exact, places) if exact.as_tuple().exponent else exact
    return f"{Decimal(plain(shown)):,f}"


def money(value: Decimal, settle: str) -> str:
    """An exact amount: every digit that the ledger has."""
    return f"{Decimal(plain(value)):,f} {settle}"


def duration(span_ns: int) -> str:
    """In its two greatest units: "5 min 44 s", "31 d"."""
    seconds, found = Decimal(span_ns) / 1_000_000_000, []
    for word, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            found.append(f"{int(seconds // size)} {word}")
            seconds %= size
    if len(found) < 2 and (seconds >= 1 or not found):
        found.append(f"{int(seconds)} s" if found else f"{plain(round(seconds, 3))} s")
    return " ".join(found[:2])


def verdict(document: Mapping[str, Any]) -> str:
    """The result in one sentence, beside what doing nothing and holding would have come to."""
    settle, equity = document["settle"], Decimal(document["equity"])
    metrics = document["metrics"]
    hold = Decimal(metrics["benchmark_buy_and_hold"])
    held = number(document["benchmarks"]["buy_and_hold"]["total_return_pct"])
    span = duration(document["end_ns"] - document["start_ns"])
    if not equity:
        ours = f"Neither gained nor lost {settle}"
    else:
        share = number(metrics["total_return_pct"])
        ours = f"{_gain(equity)} {money(abs(equity), settle)} ({share} %)"
    return (
        f"{ours} "
        f"in {span}; cash: 0; buying and holding {_gain(hold).lower()} "
        f"{money(abs(hold), settle)} ({held} %)"
    )


def _gain(amount: Decimal) -> str:
    return "Gained" if amount > 0 else "Lost" if amount < 0 else "Earned"


def headlines(document: Mapping[str, Any]) -> list[Figure]:
    """What is looked at first, each beside its benchmarks."""
    settle, metrics = document["settle"], document["metrics"]
    cash, hold = document["benchmarks"]["cash"], document["benchmarks"]["buy_and_hold"]
    missing = document["metrics_missing"]
    held = Decimal(metrics["benchmark_buy_and_hold"])

    def compared(title: str, name: str, unit: str = "") -> Figure:
        return Figure(
            title,
            _with_unit(number(metrics[name], missing.get(name, "")), unit),
            _with_unit(number(cash.get(name)), unit) if name in cash else "",
            _with_unit(number(hold.get(name)), unit) if name in hold else "",
        )

    rows = [
        Figure("Profit or loss", money(document["equity"], settle), f"0 {settle}",
               money(held, settle)),
        compared("Total return", "total_return_pct", "%"),
        compared("Deepest drawdown", "max_drawdown_of_peak_pct", "%"),
        compared("Sharpe ratio", "sharpe"),
        Figure("Before fees", money(metrics["profit_before_fees"], settle)),
        Figure("Fees", money(document["fees"], settle)),
    ]  # fmt: skip
    if document["funding"]:
        rows.append(Figure("Funding", money(document["funding"], settle)))
    after_5s = _with_unit(number(document["fills_quality"]["adverse_selection_bp"]), "bp")
    at_end = f"{plain(document['position'])} at {plain(document['mid'])}"
    rows += [
        Figure("Orders, fills, denied", _counts(document, "orders", "fills", "denied")),
        Figure("Resting fills, 5 s later", after_5s),
        compared("Time in the market", "exposure_pct", "%"),
        Figure("Position at the end", at_end),
    ]  # fmt: skip
    return rows


def warnings(document: Mapping[str, Any]) -> list[str]:
    """What the limits of the account did to the run: one who reads the result must know."""
    lines = [
        f"{count:,} orders denied by the limit {limit}"
        for limit, count in document.get("denied_by", {}).items()
    ]
    reached = document.get("limits_reached", [])
    for one in reached[:TRIPS_SHOWN]:
        after = duration(one["ts_ns"] - document["start_ns"])
        words = f"limit {one['limit']} of {one['limit_value']} reached after {after}"
        lines.append(f"{words}, with {one['value']}: the engine stepped in")
    if len(reached) > TRIPS_SHOWN:
        lines.append(f"account limits reached {len(reached) - TRIPS_SHOWN:,} times more")
    return lines


def metric_groups(document: Mapping[str, Any]) -> Iterator[Group]:
    """Every metric of the table that has a value, with its unit; groups without any left out."""
    for key, title in GROUPS.items():
        figures = [_figure(metric, document) for metric in METRICS if metric.group == key]
        known = [one for one in figures if one is not None]
        if known:
            yield Group(title, known)


def missing_metrics(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Reason -> titles of the metrics that are not given for it."""
    titles = {metric.name: metric.title for metric in METRICS}
    found: dict[str, list[str]] = {}
    for name, reason in document["metrics_missing"].items():
        if "infinite" not in reason:
            found.setdefault(reason, []).append(titles.get(name, name))
    return found


def _figure(metric: Metric, document: Mapping[str, Any]) -> Figure | None:
    value = document["metrics"].get(metric.name)
    reason = document["metrics_missing"].get(metric.name, "")
    if value is None and "infinite" not in reason:
        return None
    unit = {"money": document["settle"], "count": "", "a √year": ""}.get(metric.unit, metric.unit)
    cash = document["benchmarks"]["cash"].get(metric.name)
    hold = document["benchmarks"]["buy_and_hold"].get(metric.name)
    return Figure(
        metric.title,
        _with_unit(number(value, reason), unit),
        "" if cash is None else _with_unit(number(cash), unit),
        "" if hold is None else _with_unit(number(hold), unit),
    )


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}".rstrip() if text != MISSING else text


def _counts(document: Mapping[str, Any], *names: str) -> str:
    return ", ".join(f"{document[name]:,}" for name in names)


def realism(document: Mapping[str, Any]) -> list[str]:
    """The same run under kinder and harsher assumptions, one a line; nothing if it was not asked.

    Fewer fills are not always worse: a strategy that loses on each loses less. So the lines are
    not sorted by profit, and a result that hangs on the assumptions shows as a wide span.
    """
    lines = []
    for name, found in document.get("realism", {}).items():
        chance, adverse = found["fill_probability_pct"], found["adverse_selection_bp"]
        told = [f"{_signed(found['equity'])} {document['settle']}", f"{found['fills']} fills"]
        if chance is not None:
            told.append(f"{float(chance):.1f} % of orders filled")
        if adverse is not None:
            told.append(f"{float(adverse):+.2f} bp after 5 s")
        title = "this run" if name == "run" else name
        lines.append(f"{title}: {', '.join(told)}")
    return lines


def _signed(amount: Decimal) -> str:
    return f"{'+' if amount > 0 else ''}{plain(round(Decimal(amount), 2))}"


def assumptions(document: Mapping[str, Any]) -> list[str]:
    """Under which the figures hold, one a line."""
    tried = document.get("tried", 1)
    return [
        *([f"chosen from {tried:,} parameter sets"] if tried > 1 else []),
        document["scenario"],
        f"ratios from returns by {document['metrics_basis']}, riskless rate 0, 365 days a year",
        *document.get("assumptions", []),
    ]
