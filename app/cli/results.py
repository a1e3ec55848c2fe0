"""`pilothouse backtest list|show|export|report|remove`: runs that were kept."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.files import check_targets, replacing, write_rows
from app.cli.output import print_json, print_table
from engine.domain.errors import UsageError

if TYPE_CHECKING:
    from engine.store.results import StoredRun

SHORT_ID = 12
RunId = Annotated[str, typer.Argument(metavar="ID", help="As listed; its first digits will do.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
LIST_COLUMNS = ("id", "kept", "strategy", "instrument", "time", "fills", "profit %", "hold %")


def list_runs(json: Json = False) -> None:
    """The runs that were kept, newest first."""
    from app.backtests import results_file
    from engine.research.document import decode_document
    from engine.research.words import duration, number
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
        figures = (brief["profit_pct"], brief["buy_and_hold_pct"])
        cells.append(
            (
                one.run_id[:SHORT_ID],
                _instant(one.saved_ns),
                brief["strategy"],
                brief["instrument"],
                duration(brief["end_ns"] - brief["start_ns"]),
                f"{brief['fills']:,}",
                *(number(figure) for figure in figures),
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
        write_rows(trades, ResultFill, run.fills)
    if equity is not None:
        write_rows(equity, EquityPoint, run.equity)


def report(
    run_id: RunId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The HTML file to write.")],
) -> None:
    """Write the report of one run: one file that needs no network."""
    check_targets([], {"FILE": file})
    write_report(file, _load(run_id))


def remove(
    run_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="As listed.")],
) -> None:
    """Forget runs that were kept."""
    from app.backtests import results_file
    from engine.store.results import find_id
    from engine.store.results import remove as remove_run

    path = results_file()
    found = [find_id(path, run_id) for run_id in run_ids]  # All are known before one goes.
    for run_id in dict.fromkeys(found):
        remove_run(path, run_id)
        print(f"removed {run_id[:SHORT_ID]}")


def write_report(path: Path, run: StoredRun) -> None:
    from engine.research.report import render

    with replacing(path) as target:
        target.write(render(run))


def print_document(document: dict[str, Any]) -> None:
    """What a person wants to read of it: the sentence, the headlines beside what doing nothing
    and holding came to, then every metric that the run is long enough for."""
    from engine.research import words

    start, end = (_instant(document[name]) for name in ("start_ns", "end_ns"))
    print(f"{document['strategy']} on {document['instrument']}, {start} to {end} UTC")
    print(words.verdict(document))
    for line in words.warnings(document):
        print(f"note: {line}")
    print()
    columns = ("figure", "run", "cash", "buy and hold")
    print_table(columns, words.headlines(document), right=columns[1:])
    for group in words.metric_groups(document):
        print()
        print_table((group.title, *columns[1:]), group.figures, right=columns[1:])
    print()
    for reason, titles in words.missing_metrics(document).items():
        print(f"not given ({reason}): {', '.join(titles)}")
    if document.get("liquidations"):
        print(f"LIQUIDATED by the venue {document['liquidations']} times: see --orders")
    for line in words.realism(document):
        print(f"realism, {line}")
    for line in words.assumptions(document):
        print(f"assumed: {line}")


def print_account(document: dict[str, Any]) -> None:
    """Several bots in one account: each in a line, and what they come to together."""
    from engine.research import words

    start, end = (_instant(document[name]) for name in ("start_ns", "end_ns"))
    settle, metrics = document["settle"], document["metrics"]
    print(f"{len(document['bots'])} bots on {', '.join(document['instruments'])}")
    print(f"{start} to {end} UTC, {document['rows']:,} rows\n")
    columns = ("bot", "instrument", "orders", "fills", "fees", "profit", "position")
    rows = [
        (
            bot["bot_id"],
            bot["instrument"],
            bot["orders"],
            bot["fills"],
            words.number(bot["fees"]),
            words.number(bot["equity"]),
            words.number(bot["position"]),
        )
        for bot in document["bots"]
    ]
    print_table(columns, rows, right=columns[2:])
    print()
    figures = [
        ("profit", words.money(document["equity"], settle)),
        ("profit, % of capital", words.number(metrics["profit_pct"])),
        ("cash", words.money(metrics["benchmark_cash"], settle)),
        ("buying and holding in equal parts", words.number(metrics["benchmark_buy_and_hold"])),
        ("deepest fall", words.number(metrics["max_drawdown"])),
        ("fees", words.money(document["fees"], settle)),
    ]
    print_table(("account", "value"), figures, right=("value",))


def _instant(ts_ns: int) -> str:
    return f"{dt.datetime.fromtimestamp(ts_ns // 1_000_000_000, dt.UTC):%Y-%m-%d %H:%M}"


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
