"""`pilothouse backtest sweep`: a strategy with every combination of some parameter values."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.live_table import LiveTable
from app.cli.output import ExitCode, print_error, print_json, print_table
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
from engine.domain.errors import BadInput
from engine.domain.money import parse_decimal, plain

if TYPE_CHECKING:
    from app.sweeps import Progress, SweepReport
    from engine.research.sweep import SetResult

LIVE_ROWS = 5
FIGURES = ("fills", "equity", "fees", "max_drawdown", "profit_pct", "reaches_limits")


def sweep(
    strategy: Annotated[str, typer.Argument(help="Name, as `pilothouse strategies` lists it.")],
    data: Annotated[
        list[Path],
        typer.Option(help="Capture, file of bars or catalogue folder; again for further parts."),
    ],
    param: Annotated[
        list[str],
        typer.Option(help="name=a:b:step (b included), name=1,2,3 or name=value; again for more."),
    ],
    workers: Annotated[int, typer.Option(help="How many at once; default: all cores.")] = 0,
    top: Annotated[int, typer.Option(help="How many of the best to show.")] = 10,
    sort: Annotated[
        str, typer.Option(help="equity, profit_pct, fills, fees or max_drawdown.")
    ] = "equity",
    resume: Annotated[
        Path | None, typer.Option(help="Keep finished sets here, and go on from what is there.")
    ] = None,
    patience: Annotated[
        int,
        typer.Option(help="Stop when so many sets in a row bring no better one; 0: run them all."),
    ] = 0,
    out: Annotated[Path | None, typer.Option(help="Write one row per set to this CSV.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Bars too through the full engine, limits and all.")
    ] = False,
    path: Annotated[
        str,
        typer.Option(
            help="Path within a bar, with --full: worst-first, best-first, low-first, high-first."
        ),
    ] = "worst-first",
    scenario: ScenarioName = PLAIN,
    model: Models = None,
    latency_ms: LatencyMs = "",
    queue: Queue = "",
    fills: Fills = "",
    maker: Maker = "",
    taker: Taker = "",
    allow_gaps: AllowGaps = False,
    capital: Capital = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Run STRATEGY with every combination of the parameters, on all cores, and rank them.

    Ends with 1 when a set failed, with 130 when Ctrl+C ended it; what is done is shown and kept.
    """
    from app.sweeps import SweepRequest, default_workers, run_sweep
    from engine.sim.bar_feed import parse_path

    request = SweepRequest(
        strategy=strategy,
        axes=param,
        data=data,
        scenario=venue_of(scenario, model, latency_ms, queue, fills, maker, taker),
        capital=parse_decimal("--capital", capital) if capital else None,
        workers=workers or default_workers(),
        sort=sort,
        top=top,
        resume=resume,
        through_engine=full,
        path=parse_path(path),
        patience=patience,
        allow_gaps=allow_gaps,
    )
    _check_files(data, out, resume)
    with _progress(strategy, sort) as progress:
        report = run_sweep(request, progress)
    if out is not None:
        _write(out, report.results)
    if json:
        print_json(report.document)
    else:
        _print(report)
    _leave(report, resume)


def _check_files(data: Sequence[Path], out: Path | None, resume: Path | None) -> None:
    """Refuse files that cannot be written, or that are needed, before the work, not after it."""
    taken = {path.resolve() for path in data}
    for option, path in (("--out", out), ("--resume", resume)):
        if path is None:
            continue
        if path.resolve() in taken:
            raise BadInput(option, str(path), "is named twice; name another file")
        taken.add(path.resolve())
        folder = path.absolute().parent
        if path.is_dir() or not folder.is_dir():
            raise BadInput(option, str(path), "is a folder, or its folder does not exist")
        if not os.access(folder, os.W_OK):
            raise BadInput(option, str(path), "its folder cannot be written; choose another")


@contextmanager
def _progress(strategy: str, sort: str) -> Iterator[Progress | None]:
    """A live table of the best on a terminal; elsewhere nothing: stderr is for errors there."""
    if not sys.stderr.isatty() or os.environ.get("TERM", "") == "dumb":
        yield None
        return
    from engine.research.sweep import ranked

    started_s = time.perf_counter()
    best: list[SetResult] = []
    with LiveTable(sys.stderr) as live:

        def show(done: int, count: int, found: Sequence[SetResult]) -> None:
            passed_s = time.perf_counter() - started_s
            left_s = passed_s * (count - done) / max(1, done)
            best[:] = ranked([*best, *found], sort)[:LIVE_ROWS]
            head = f"sweep {strategy}  {done:,} of {count:,} sets  {passed_s:.0f} s"
            live.show([f"{head}, {left_s:.0f} s left", *_live_rows(best)])

        yield show


def _live_rows(best: Sequence[SetResult]) -> list[str]:
    """The best so far, in columns."""
    if not best:
        return []
    titles = [*best[0].params, "fills", "equity", "max drawdown"]
    cells = [
        [*one.params.values(), f"{one.fills:,}", plain(one.equity), plain(one.max_drawdown)]
        for one in best
    ]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    return [
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
        for row in [titles, *cells]
    ]


def _leave(report: SweepReport, resume: Path | None) -> None:
    document = report.document
    if report.was_interrupted:
        done, count = document["finished"], document["sets"]
        words = f"kept in {resume}" if resume else "nothing is kept without --resume FILE"
        print_error(f"interrupted: {done} of {count} sets are done, {words}")
        raise typer.Exit(ExitCode.INTERRUPTED)
    if document["failed"]:
        first = next(result for result in report.results if result.error)
        words = ", ".join(f"{name}={value}" for name, value in first.params.items())
        print_error(
            f"{document['failed']} of {document['sets']} sets failed: {words}: {first.error}"
        )
        raise typer.Exit(ExitCode.FAILED)


def _write(path: Path, results: Sequence[SetResult]) -> None:
    from app.cli.files import write_csv

    names = list(results[0].params) if results else []
    rows = (
        [*result.params.values(), *(getattr(result, name) for name in FIGURES), result.error]
        for result in results
    )
    write_csv(path, ",".join([*names, *FIGURES, "error"]), rows)


def _print(report: SweepReport) -> None:
    document, chosen = report.document, report.document["selection"]
    names = list(report.top[0].params) if report.top else []
    varied = [name for name in names if len({one.params[name] for one in report.results}) > 1]
    rows = [
        (
            *(result.params[name] for name in varied),
            f"{result.fills:,}",
            *(plain(getattr(result, name)) for name in FIGURES[1:-1]),
            "yes" if result.reaches_limits else "",
        )
        for result in report.top
    ]
    titles = (*varied, *(name.replace("_", " ") for name in FIGURES))
    print_table(titles, rows, right=titles[:-1])
    print()
    print(f"{document['strategy']} on {document['instrument']}, money in {document['settle']}")
    print(f"{document['finished']:,} of {document['sets']:,} sets, by {document['sort']}")
    if document["stopped_early"]:
        print(f"stopped early: {document['stopped_early']}")
    if document["skipped"]:
        print(f"{document['skipped']:,} left out: {document['skipped_why']}")
    if report.top:
        share, median = plain(chosen["profitable_pct"]), plain(chosen["median_equity"])
        print(f"median set {median}, {share} % of the sets profitable")
    limited = sum(one.reaches_limits for one in report.results)
    if limited:
        print(f"note: {limited:,} sets reach an account limit: run them with --full")
    for line in (chosen["note"], *document["assumptions"]):
        print(f"note: {line}")
