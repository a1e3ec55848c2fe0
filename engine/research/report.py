"""The report of a run: one HTML file with charts to zoom into, which needs no network.

Made from what is stored of a run alone, so an old run can be looked at again; the same run gives
the same bytes. Styles and the drawing lie in `resources/report`. Whatever text comes from outside
(names of strategies, instruments, parameters) is cleaned and escaped, and a content security
policy lets the file run the one script whose hash it names, and load nothing.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape
from importlib import resources
from string import Template
from typing import Any

from engine.domain.order import Side
from engine.domain.text import clean
from engine.research import words
from engine.research.document import decode_document
from engine.store.results import EquityPoint, ResultFill, StoredRun

FILLS_MAX = 20_000
"""More make a file that no browser likes; the exports have them all."""
OFF_SCALE = 12
"""With a range so many times that of the run, buying and holding would press it flat."""
_SHORT_ID = 12
_NOT_KEPT = {
    "months": [],
    "histogram": {"period": "sample", "unchanged": 0, "edges_pct": [0, 1], "counts": [0]},
}
"""What documents of the first days lack."""
_QUALITY = (
    ("orders", "Orders", ""),
    ("filled_orders", "Orders with a fill", ""),
    ("fill_probability_pct", "Share of orders with a fill", "%"),
    ("maker_fills", "Fills of resting orders", ""),
    ("taker_fills", "Fills of taking orders", ""),
    ("adverse_selection_bp", "Resting fills: price after 5 s", "bp"),
    ("toxic_pct", "Resting fills that are toxic", "%"),
    ("deep_queue_pct", "Resting fills from a deep queue", "%"),
    ("volume_while_resting", "Traded by the market while resting", ""),
)


def render(run: StoredRun) -> str:
    """The whole file."""
    document = {**_NOT_KEPT, **decode_document(run.document)}
    every, fills = _thinned(run.fills)
    style, script = _asset("report.css"), _asset("report.js")
    data = _data(document, run.equity, fills)
    parts = {
        "style": style,
        "style_hash": _hash(style),
        "script": script,
        "script_hash": _hash(script),
        "data": _embedded(data),
        "title": _text(f"{document['strategy']} on {document['instrument']}"),
        "subtitle": _subtitle(document),
        "verdict": _text(words.verdict(document)),
        "warnings": "".join(
            f'<p class="warning">{_text(line)}</p>\n' for line in words.warnings(document)
        ),
        "cards": "".join(_card(figure) for figure in words.headlines(document)),
        "hold_note": _hold_note(data),
        "samples_note": f"{len(run.equity):,} samples of equity.",
        "settle": _text(document["settle"]),
        "period": _text(document["histogram"]["period"]),
        "histogram_note": _histogram_note(document["histogram"]),
        "months": _months(document["months"]),
        "figures": "".join(_group(group) for group in words.metric_groups(document)),
        "missing": _missing(document),
        "quality": _quality(document["fills_quality"]),
        "ranks": _ranks(document["fills_quality"]["by_queue_rank"]),
        "fills_note": _fills_note(len(run.fills), every),
        "params": _rows(document["params"].items()),
        "assumptions": "".join(f"<li>{_text(line)}</li>" for line in words.assumptions(document)),
        "run_id": _text(run.run_id[:_SHORT_ID]),
    }
    return Template(_asset("report.html")).substitute(parts)


def _asset(name: str) -> str:
    return (resources.files("resources") / "report" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(text: object) -> str:
    """Foreign text as HTML, in one line and of a length that fits."""
    return escape(clean(str(text)))


# -- data of the charts ----------------------------------------------------------------------------


def _thinned(fills: Sequence[ResultFill]) -> tuple[int, Sequence[ResultFill]]:
    every = max(1, -(-len(fills) // FILLS_MAX))
    return every, fills[::every]


def _data(
    document: dict[str, Any], equity: Sequence[EquityPoint], fills: Sequence[ResultFill]
) -> dict[str, Any]:
    """Columns, times in ms since the start. Floats: pixels are made of them, no sums."""
    start_ns: int = document["start_ns"]

    def since_ms(ts_ns: int) -> float:
        return round((ts_ns - start_ns) / 1e6, 3)

    profit = [float(point.profit) for point in equity]
    hold = [float(point.hold) for point in equity]
    return {
        "startMs": start_ns // 1_000_000,
        "settle": clean(document["settle"]),
        "capital": float(document["capital"]),
        "holdFits": not _extent(profit) or _extent(hold) <= OFF_SCALE * _extent(profit),
        "t": [since_ms(point.ts_ns) for point in equity],
        "profit": profit,
        "hold": hold,
        "mid": [float(point.mid) for point in equity],
        "position": [float(point.position) for point in equity],
        "fills": {
            "t": [since_ms(fill.ts_ns) for fill in fills],
            "buy": [int(fill.side is Side.BUY) for fill in fills],
            "price": [float(fill.price) for fill in fills],
            "qty": [float(fill.qty) for fill in fills],
            "fee": [float(fill.fee) for fill in fills],
            "maker": [int(fill.maker) for fill in fills],
            "rank": [fill.queue_rank for fill in fills],
            "after": [fill.markout_5s_bp for fill in fills],
        },
        "histogram": {
            "edges_pct": [float(edge) for edge in document["histogram"]["edges_pct"]],
            "counts": document["histogram"]["counts"],
        },
    }


def _extent(values: Sequence[float]) -> float:
    highest, lowest = max(values, default=0.0), min(values, default=0.0)
    return max(0.0, highest) - min(0.0, lowest)


def _embedded(data: dict[str, Any]) -> str:
    """JSON that no text inside can end the script element of."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


# -- words and tables ------------------------------------------------------------------------------


def _subtitle(document: dict[str, Any]) -> str:
    start, end = (_instant(document[name]) for name in ("start_ns", "end_ns"))
    capital = words.money(document["capital"], document["settle"])
    return _text(f"{start} to {end} UTC, {document['rows']:,} market rows, capital {capital}")


def _instant(ts_ns: int) -> str:
    return f"{dt.datetime.fromtimestamp(ts_ns // 1_000_000_000, dt.UTC):%Y-%m-%d %H:%M:%S}"


def _card(figure: words.Figure) -> str:
    beside = [("cash", figure.cash), ("buy and hold", figure.hold)]
    lines = "".join(f"<span>{name} {_text(value)}</span>" for name, value in beside if value)
    title = _text(figure.title)
    return f'<div class="card"><span>{title}</span><b>{_text(figure.run)}</b>{lines}</div>'


def _hold_note(data: dict[str, Any]) -> str:
    if data["holdFits"]:
        return ""
    return "buy and hold would press the run flat: click it to show it"


def _histogram_note(histogram: dict[str, Any]) -> str:
    unchanged = f"{histogram['unchanged']:,}"
    note = f"The outer bars hold whatever lies beyond. Not counted: {unchanged} without a change."
    if histogram["period"] == "sample":
        return note + " The run is too short for daily returns: these are from sample to sample."
    return note


def _months(months: list[dict[str, Any]]) -> str:
    """Years down, months across, the run above what buying and holding did."""
    by_year: dict[str, dict[int, dict[str, Any]]] = {}
    for one in months:
        year, month = one["month"].split("-")
        by_year.setdefault(year, {})[int(month)] = one
    head = "".join(f'<th class="n">{month}</th>' for month in range(1, 13))
    rows = [f'<tr><th></th>{head}<th class="n">whole</th></tr>']
    for year, found in by_year.items():
        for name, key in ((year, "return_pct"), ("hold", "buy_and_hold_pct")):
            cells = [found[month][key] if month in found else None for month in range(1, 13)]
            rows.append(f"<tr><th>{_text(name)}</th>{_cells([*cells, _compound(cells)])}</tr>")
    return f'<table class="months">{"".join(rows)}</table>'


def _compound(returns_pct: Iterable[Decimal | int | None]) -> Decimal:
    """What the months make together, in percent."""
    grown = Decimal(1)
    for one in returns_pct:
        grown *= 1 + Decimal(one or 0) / 100
    return 100 * (grown - 1)


def _cells(values: Iterable[Decimal | int | None]) -> str:
    cells = []
    for value in values:
        if value is None:
            cells.append("<td></td>")
            continue
        tone = "up" if value > 0 else "down" if value < 0 else "none"
        cells.append(f'<td class="{tone}">{_brief(Decimal(value))}</td>')
    return "".join(cells)


def _brief(percent: Decimal) -> str:
    """Two decimals, or two digits where that would show nothing."""
    if percent == 0 or abs(percent) >= Decimal("0.01"):
        return f"{percent:,.2f}"
    return words.number(Decimal(f"{percent:.1e}"))


def _group(group: words.Group) -> str:
    rows = [f'<tr class="group"><th colspan="4">{_text(group.title)}</th></tr>']
    for figure in group.figures:
        numbers = "".join(
            f'<td class="n">{_text(text)}</td>' for text in (figure.run, figure.cash, figure.hold)
        )
        rows.append(f"<tr><td>{_text(figure.title)}</td>{numbers}</tr>")
    return "".join(rows)


def _missing(document: dict[str, Any]) -> str:
    lines = [
        f"<li>{_text(reason)}: {escape(', '.join(titles))}</li>"
        for reason, titles in words.missing_metrics(document).items()
    ]
    return f'<div class="dim"><p>Not given:</p><ul>{"".join(lines)}</ul></div>' if lines else ""


def _quality(quality: dict[str, Any]) -> str:
    return _rows(
        (title, f"{words.number(quality[name])} {unit}".rstrip())
        for name, title, unit in _QUALITY
        if quality[name] is not None
    )


def _ranks(buckets: Iterable[dict[str, Any]]) -> str:
    rows = []
    for one in buckets:
        numbers = (one["fills"], one["markout_5s_bp"], one["toxic_pct"])
        cells = "".join(f'<td class="n">{_text(words.number(value))}</td>' for value in numbers)
        rows.append(f"<tr><td>{_text(one['rank'])}</td>{cells}</tr>")
    return "".join(rows)


def _rows(pairs: Iterable[tuple[object, object]]) -> str:
    return "".join(
        f'<tr><td>{_text(name)}</td><td class="n">{_text(value)}</td></tr>' for name, value in pairs
    )


def _fills_note(count: int, every: int) -> str:
    if every > 1:
        return f"{count:,} in all; every {every}th is charted and listed, exports hold all"
    return f"{count:,} in all; click one to see it on the charts"
