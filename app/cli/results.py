"""`pilothouse backtest list|show|export|report`: runs that were kept."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import astuple

from app.cli.files import check_targets, replacing, write_csv, write_parquet
from app.cli.output import print_json, print_table
from engine.domain.errors import UsageError
from engine.domain.money import plain

if TYPE_CHECKING:
    import msgspec

    from engine.store.results import StoredRun

SHORT_ID = 12
RunId = Annotated[str, typer.Argument(metavar="ID", help="As listed; its first digits will do.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
LIST_COLUMNS = ("id", "kept", "strategy", "instrument", "minutes", "fills", "profit %", "hold %")
MISSING = "-"


def list_runs(json: Json = False) -> None:
    """The runs that were kept, newest first."""
    from app.backtests import results_file
    from engine.research.document import decode_document
    from engine.store.results import listed

    rows = [(one, decode_document(one.document)) for one in listed(results_file())]
    if json:
        print_json(
            [
                {"id": one.run_id, "saved_ns": one.saved_ns, **_brief(document)}
                for one, document in rows
            ]
        )
        return
    if not rows:
        print("no runs yet: `pilothouse backtest run` keeps each result")
        return
    cells = []
    for one, document in rows:
        brief = _brief(document)
        kept = dt.datetime.fromtimestamp(one.saved_ns // 1_000_000_000, dt.UTC)
        minutes = (brief["end_ns"] - brief["start_ns"]) / 60e9
        figures = (brief["profit_pct"], brief["buy_and_hold_pct"])
        cells.append(
            (
                one.run_id[:SHORT_ID],
                f"{kept:%Y-%m-%d %H:%M}",
                brief["strategy"],
                brief["instrument"],
                f"{minutes:,.1f}",
                f"{brief['fills']:,}",
                *(shown(figure) for figure in figures),
            )
        )
    print_table(LIST_COLUMNS, cells, right=LIST_COLUMNS[4:])


def show(run_id: RunId, json: Json = False) -> None:
    """The document of one run, as it was printed."""
    from engine.research.document import decode_document

    document = decode_document(_load(run_id).document)
    if json:
        print_json(document)
    else:
        print_document(document)


def export(
    run_id: RunId,
    trades: Annotated[
        Path | None, typer.Option(help="One row per fill, to a .csv or .parquet file.")
    ] = None,
    equity: Annotated[
        Path | None, typer.Option(help="One row per sample of equity, to .csv or .parquet.")
    ] = None,
) -> None:
    """Write the fills or the equity curve of one run to a file."""
    from engine.store.results import EquityPoint, ResultFill

    targets = {"--trades": trades, "--equity": equity}
    if not any(targets.values()):
        raise UsageError("backtest export: name a file with --trades or --equity")
    check_targets([], targets)
    run = _load(run_id)
    if trades is not None:
        _write_rows(trades, ResultFill, run.fills)
    if equity is not None:
        _write_rows(equity, EquityPoint, run.equity)


def report(
    run_id: RunId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The HTML file to write.")],
) -> None:
    """Write the report of one run: one file that needs no network."""
    check_targets([], {"FILE": file})
    write_report(file, _load(run_id))


def write_report(path: Path, run: StoredRun) -> None:
    from engine.research.report import render

    with replacing(path) as target:
        target.write(render(run))


def print_document(document: dict[str, Any]) -> None:
    """What a person wants to read of it: exact money, then every metric beside its benchmark."""
    head = [
        ("strategy", f"{document['strategy']} on {document['instrument']}"),
        ("market rows", f"{document['rows']:,}"),
        ("orders / fills / denied", "{orders} / {fills} / {denied}".format(**document)),
        ("position", plain(document["position"])),
        ("cash", plain(document["cash"])),
        ("inventory at the mid", plain(document["inventory"])),
        ("fees", plain(document["fees"])),
        ("profit or loss", f"{plain(document['equity'])} {document['settle']}"),
    ]
    hold = document["benchmarks"]["buy_and_hold"]
    missing = document["metrics_missing"]
    rows = [(name, value, "") for name, value in head]
    rows += [
        (
            name.replace("_", " "),
            shown(value, missing.get(name, "")),
            shown(hold.get(name), blank=""),
        )
        for name, value in document["metrics"].items()
        if value is not None or "infinite" in missing.get(name, "")
    ]
    quality = document["fills_quality"]
    names = ("fill_probability_pct", "adverse_selection_bp", "toxic_pct", "deep_queue_pct")
    rows += [(name.replace("_", " "), shown(quality[name]), "") for name in names]
    print_table(("figure", "value", "buy and hold"), rows, right=("value", "buy and hold"))
    short = {name: why for name, why in missing.items() if "infinite" not in why}
    for why in dict.fromkeys(short.values()):
        those = [name.replace("_", " ") for name, reason in short.items() if reason == why]
        print(f"not given ({why}): {', '.join(those)}")


def shown(value: Decimal | int | None, reason: str = "", blank: str = MISSING) -> str:
    """A number for people, to six places; "inf" where that is why it is missing."""
    if value is None:
        return {"infinite": "inf", "minus infinite": "-inf"}.get(reason, blank)
    number = Decimal(value)
    return plain(round(number, 6)) if number.as_tuple().exponent else plain(number)


def _brief(document: dict[str, Any]) -> dict[str, Any]:
    names = ("strategy", "instrument", "params", "scenario", "start_ns", "end_ns", "fills")
    return {name: document[name] for name in names} | {
        "equity": document["equity"],
        "settle": document["settle"],
        "profit_pct": document["metrics"]["profit_pct"],
        "buy_and_hold_pct": document["benchmarks"]["buy_and_hold"]["total_return_pct"],
    }


def _load(prefix: str) -> StoredRun:
    from app.backtests import results_file
    from engine.store.results import find_id, load

    path = results_file()
    return load(path, find_id(path, prefix))


def _write_rows(path: Path, kind: type[msgspec.Struct], rows: Sequence[msgspec.Struct]) -> None:
    if path.suffix.lower() == ".parquet":
        write_parquet(path, kind, rows)
    else:
        write_csv(path, ",".join(kind.__struct_fields__), map(astuple, rows))
