"""`pilothouse backtest ...`: run a strategy over recorded data."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from msgspec import Struct

from app.cli import check, results, sweep
from app.cli.files import check_targets, write_rows
from app.cli.output import print_error, print_json
from app.cli.venue_options import (
    PLAIN,
    AllowGaps,
    Capital,
    Fills,
    LatencyMs,
    Maker,
    Models,
    Queue,
    ScenarioName,
    Taker,
    venue_of,
)
from app.progress import Step
from engine.domain.errors import BadInput
from engine.domain.money import parse_decimal

if TYPE_CHECKING:
    from app.backtest_many import BotWish
    from app.backtests import BacktestReport, BacktestRequest, Progress
    from engine.runtime.backtest import TraceRow
    from engine.runtime.order_rows import OrderRow
    from engine.store.results import StoredRun

app = typer.Typer(no_args_is_help=True)


app.command("sweep")(sweep.sweep)
app.command("check")(check.check)
app.command("list")(results.list_runs)
app.command("show")(results.show)
app.command("export")(results.export)
app.command("report")(results.report)
app.command("remove")(results.remove)


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
    bot: Annotated[
        list[str] | None,
        typer.Option(
            help="A further bot, as 'STRATEGY[@INSTRUMENT] name=value ...'; again for more."
        ),
    ] = None,
    scenario: ScenarioName = PLAIN,
    model: Models = None,
    latency_ms: LatencyMs = "",
    queue: Queue = "",
    fills: Fills = "",
    maker: Maker = "",
    taker: Taker = "",
    path: Annotated[
        str,
        typer.Option(
            help="Order of prices within a bar: worst-first (default), best-first, "
            "low-first, high-first."
        ),
    ] = "",
    allow_gaps: AllowGaps = False,
    capital: Capital = "",
    trades: Annotated[
        Path | None, typer.Option(help="Write one row per fill to this .csv or .parquet file.")
    ] = None,
    orders: Annotated[
        Path | None, typer.Option(help="Write one row per order to this .csv or .parquet file.")
    ] = None,
    equity: Annotated[
        Path | None,
        typer.Option(help="Write one row per sample of equity to this .csv or .parquet file."),
    ] = None,
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
    realism: Annotated[
        bool,
        typer.Option("--realism", help="Run it under optimistic and pessimistic scenarios too."),
    ] = False,
    tried: Annotated[
        int, typer.Option(min=1, help="How many parameter sets this one was chosen from.")
    ] = 1,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Run STRATEGY over recorded order books and trades, with queues, latency and fees.

    With --bot, or with --data of several instruments, one account holds several bots.
    """
    from app.backtest_many import BotWish, has_many, parse_bot
    from app.backtests import BacktestRequest, run_backtest, save_run
    from engine.research.metrics import Basis
    from engine.sim.bar_feed import parse_path

    request = BacktestRequest(
        strategy=strategy,
        params=parse_assignments(param or []),
        data=data,
        scenario=venue_of(scenario, model, latency_ms, queue, fills, maker, taker),
        capital=parse_decimal("--capital", capital) if capital else None,
        keep_trace=trace is not None,
        keep_orders=orders is not None,
        basis=Basis.SAMPLE if per_sample else Basis.DAY,
        path=parse_path(path) if path else None,
        with_bounds=realism,
        allow_gaps=allow_gaps,
        tried=tried,
    )
    targets = {"--trades": trades, "--orders": orders, "--equity": equity, "--trace": trace}
    check_targets(data, {**targets, "--report": report})
    if bot or has_many(data):
        wishes = [BotWish(strategy, request.params)]
        wishes += [parse_bot(text, parse_assignments) for text in bot or []]
        if report is not None:
            raise BadInput("--report", str(report), "is of one bot: see `pilothouse backtest list`")
        if realism:
            raise BadInput("--realism", "several bots", "is for one bot on one instrument")
        _run_many(request, wishes, targets, save=save, json=json)
        return
    with progress_of(strategy) as progress:
        done = run_backtest(request, progress)
    if json:
        print_json(done.document)
    else:
        results.print_document(done.document)
    # What was asked for stands on the screen by now, whatever happens to the files.
    _write(done, done.kept, targets)
    if report is not None:
        results.write_report(report, done.kept)
    if save:
        run_id = save_run(done.kept)
        if not json:
            print(f"\nkept as {run_id[: results.SHORT_ID]}: see `pilothouse backtest list`")


def _run_many(
    request: BacktestRequest,
    wishes: Sequence[BotWish],
    targets: Mapping[str, Path | None],
    *,
    save: bool,
    json: bool,
) -> None:
    from app.backtest_many import run_many
    from app.backtests import save_run

    with progress_of(" + ".join(wish.strategy for wish in wishes)) as progress:
        done = run_many(request, wishes, progress)
    if json:
        print_json(done.document)
    else:
        results.print_account(done.document)
    for part in done.bots:
        rows = _Rows(part.result.order_rows, part.result.trace)
        own = {option: path and _of_bot(path, part.bot_id) for option, path in targets.items()}
        check_targets(request.data, own)
        _write(rows, part.kept, own)
        if save:
            run_id = save_run(part.kept)
            if not json:
                print(f"{part.bot_id}: kept as {run_id[: results.SHORT_ID]}")


def _of_bot(path: Path, bot_id: str) -> Path:
    """`trades.csv` as `trades.grid-1.csv`."""
    return path.with_name(f"{path.stem}.{bot_id}{path.suffix}")


class _Rows(NamedTuple):
    orders: Sequence[OrderRow]
    trace: Sequence[TraceRow]


def _write(
    done: BacktestReport | _Rows, kept: StoredRun, targets: Mapping[str, Path | None]
) -> None:
    from engine.runtime.backtest import TraceRow
    from engine.runtime.order_rows import OrderRow
    from engine.store.results import EquityPoint, ResultFill

    tables: dict[str, tuple[type[Struct], Sequence[Struct]]] = {
        "--trades": (ResultFill, kept.fills),
        "--orders": (OrderRow, done.orders),
        "--equity": (EquityPoint, kept.equity),
        "--trace": (TraceRow, done.trace),
    }
    for option, path in targets.items():
        if path is not None:
            write_rows(path, *tables[option])


@contextmanager
def progress_of(strategy: str) -> Iterator[Progress | None]:
    """A live line on a terminal with the time left; elsewhere nothing, since stderr is for errors
    there. Says so when Ctrl+C ends the work."""
    try:
        if not sys.stderr.isatty() or os.environ.get("TERM", "") == "dumb":
            yield None
            return
        started_s = time.perf_counter()
        with Step(f"backtest {strategy}") as step:

            def show(share: float, rows: int) -> None:
                passed_s = time.perf_counter() - started_s
                left = f", {passed_s * (1 - share) / share:.0f} s left" if share > 0.02 else ""
                step.show(f"{share:.0%}, {rows:,} rows{left}")

            yield show
    except KeyboardInterrupt:
        print_error("interrupted: nothing was kept or written")
        raise


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
