"""`pilothouse backtest ...`: run a strategy over recorded data."""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import astuple

from app.cli import sweep
from app.cli.output import print_json, print_table
from engine.domain.errors import BadInput, WorkFailed
from engine.domain.money import parse_decimal, plain

if TYPE_CHECKING:
    from app.backtests import BacktestReport

app = typer.Typer(no_args_is_help=True)


app.command("sweep")(sweep.sweep)


@app.callback()
def backtest() -> None:
    """Run a strategy over recorded data."""


@app.command("run")
def run(
    strategy: Annotated[str, typer.Argument(help="Name, as `pilothouse strategies` lists it.")],
    data: Annotated[
        list[Path], typer.Option(help="Capture or catalogue folder; again for further parts.")
    ],
    param: Annotated[
        list[str] | None, typer.Option(help="Parameter as name=value; may be given again.")
    ] = None,
    latency_ms: Annotated[
        str, typer.Option(help="Order entry and response latency, each, in ms.")
    ] = "10",
    queue: Annotated[str, typer.Option(help="Queue model: risk-averse, power-prob-N.")] = (
        "risk-averse"
    ),
    fills: Annotated[str, typer.Option(help="Fills of resting orders: whole or partial.")] = (
        "partial"
    ),
    maker: Annotated[str, typer.Option(help="Maker fee rate; negative is a rebate.")] = "0.0002",
    taker: Annotated[str, typer.Option(help="Taker fee rate.")] = "0.0005",
    capital: Annotated[
        str, typer.Option(help="In the settle asset; default 10,000,000, or 1,000 in coin.")
    ] = "",
    trades: Annotated[Path | None, typer.Option(help="Write one row per fill to this CSV.")] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Write one row per wake-up of the strategy to this CSV.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Run STRATEGY over recorded order books and trades, with queues, latency and fees."""
    from app.backtests import BacktestRequest, run_backtest
    from app.scenarios import scenario_of

    request = BacktestRequest(
        strategy=strategy,
        params=parse_assignments(param or []),
        data=data,
        scenario=scenario_of(latency_ms, queue, fills, maker, taker),
        capital=parse_decimal("--capital", capital) if capital else None,
        keep_trace=trace is not None,
    )
    check_targets(data, trades, trace)
    report = run_backtest(request, _progress if sys.stderr.isatty() else None)
    if trades is not None:
        header = "ts_ns,side,price,qty,fee,maker,queue_ahead,order_id"
        write_csv(trades, header, map(astuple, report.trades))
    if trace is not None:
        write_csv(trace, "ts_ns,mid,position,cash,fee,fills", map(astuple, report.trace))
    if json:
        print_json(report.document)
    else:
        _print_report(report)


def parse_assignments(texts: Sequence[str]) -> dict[str, str]:
    """`["a=1", "b=2"]` as a mapping; BadInput for anything that is not name=value."""
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name or not value.strip():
            raise BadInput("--param", text, "expected name=value")
        if name in values:
            raise BadInput("--param", text, f"{name} is given twice")
        values[name] = value.strip()
    return values


def check_targets(data: Sequence[Path], trades: Path | None, trace: Path | None) -> None:
    """Refuse files that cannot be written, or that are needed, before the work, not after it."""
    taken = {path.resolve(): "is what the backtest reads" for path in data}
    for option, path in (("--trades", trades), ("--trace", trace)):
        if path is None:
            continue
        if path.resolve() in taken:
            raise BadInput(option, str(path), f"{taken[path.resolve()]}; name another file")
        taken[path.resolve()] = "is the file of --trades"
        if path.is_dir():
            raise BadInput(option, str(path), "is a folder; name a file")
        folder = path.absolute().parent
        if not folder.is_dir():
            raise BadInput(option, str(path), "its folder does not exist")
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            words = f"its folder cannot be written ({error.strerror}); choose another"
            raise BadInput(option, str(path), words) from error


def write_csv(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    """All of it or nothing: written beside the target and moved over it."""
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(header.split(","))
                writer.writerows([_cell(value) for value in row] for row in rows)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise WorkFailed(f"{path}: {error.strerror}: choose another file") from error


def _cell(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bool):
        return int(value)
    return value


def _progress(rows: int) -> None:
    print(f"\r{rows:,} rows", end="", file=sys.stderr, flush=True)


def _print_report(report: BacktestReport) -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    document = report.document
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
    head += [(name.replace("_", " "), plain(value)) for name, value in document["metrics"].items()]
    print_table(("figure", "value"), head, right=("value",))
