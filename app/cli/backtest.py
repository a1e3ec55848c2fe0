"""`pilothouse backtest ...`: run a strategy over recorded data."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import astuple

from app.cli import results, sweep
from app.cli.files import check_targets, write_csv
from app.cli.output import print_json
from engine.domain.errors import BadInput
from engine.domain.money import parse_decimal

app = typer.Typer(no_args_is_help=True)


app.command("sweep")(sweep.sweep)
app.command("list")(results.list_runs)
app.command("show")(results.show)
app.command("export")(results.export)
app.command("report")(results.report)


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
    scenario: Annotated[
        str, typer.Option(help="plain, optimistic, realistic, pessimistic, or a .toml file.")
    ] = "plain",
    model: Annotated[
        list[str] | None,
        typer.Option(help="One assumption as key=value, see the manual: fills; again for more."),
    ] = None,
    latency_ms: Annotated[
        str, typer.Option(help="Order entry and response latency, each, in ms; plain: 10.")
    ] = "",
    queue: Annotated[
        str,
        typer.Option(
            help="Queue model: risk-averse (plain), trades-only, power-prob-N, log-prob-1, -2."
        ),
    ] = "",
    fills: Annotated[
        str, typer.Option(help="Fills of resting orders: whole, or partial (plain).")
    ] = "",
    maker: Annotated[
        str, typer.Option(help="Maker fee rate, negative for a rebate; plain: 0.0002.")
    ] = "",
    taker: Annotated[str, typer.Option(help="Taker fee rate; plain: 0.0005.")] = "",
    capital: Annotated[
        str, typer.Option(help="In the settle asset; default 10,000,000, or 1,000 in coin.")
    ] = "",
    trades: Annotated[Path | None, typer.Option(help="Write one row per fill to this CSV.")] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Write one row per wake-up of the strategy to this CSV.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a report that needs no network to this HTML file.")
    ] = None,
    save: Annotated[
        bool, typer.Option("--save/--no-save", help="Keep the result for `backtest list`.")
    ] = True,
    per_sample: Annotated[
        bool,
        typer.Option("--per-sample", help="Ratios of the samples, not of days, not annualised."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Run STRATEGY over recorded order books and trades, with queues, latency and fees."""
    from app.backtests import BacktestRequest, run_backtest, save_run
    from app.scenarios import scenario_of
    from engine.research.metrics import Basis

    request = BacktestRequest(
        strategy=strategy,
        params=parse_assignments(param or []),
        data=data,
        scenario=scenario_of(
            scenario,
            model or [],
            {
                "latency": latency_ms,
                "queue": queue,
                "fills": fills,
                "maker": maker,
                "taker": taker,
            },
        ),
        capital=parse_decimal("--capital", capital) if capital else None,
        keep_trace=trace is not None,
        basis=Basis.SAMPLE if per_sample else Basis.DAY,
    )
    check_targets(data, {"--trades": trades, "--trace": trace, "--report": report})
    done = run_backtest(request, _progress if sys.stderr.isatty() else None)
    if trades is not None:
        header = "ts_ns,side,price,qty,fee,maker,queue_ahead,order_id"
        write_csv(trades, header, map(astuple, done.trades))
    if trace is not None:
        write_csv(trace, "ts_ns,mid,position,cash,fee,fills", map(astuple, done.trace))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if json:
        print_json(done.document)
    else:
        results.print_document(done.document)
    # What was asked for stands on the screen by now, whatever happens to the files.
    if report is not None:
        results.write_report(report, done.kept)
    if save:
        run_id = save_run(done.kept)
        if not json:
            print(f"kept as {run_id[: results.SHORT_ID]}: see `pilothouse backtest list`")


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


def _progress(rows: int) -> None:
    print(f"\r{rows:,} rows", end="", file=sys.stderr, flush=True)
