"""`pilothouse backtest check`: does a strategy use what could not be known yet?"""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.output import ExitCode, print_error, print_json
from app.progress import Step

SHOWN = 5


def check(
    strategy: Annotated[str, typer.Argument(help="Name, as `pilothouse strategies` lists it.")],
    data: Annotated[
        list[Path],
        typer.Option(help="Capture, file of bars or catalogue folder; again for further parts."),
    ],
    param: Annotated[
        list[str] | None, typer.Option(help="Parameter as name=value; may be given again.")
    ] = None,
    cuts: Annotated[int, typer.Option(help="At how many decisions to end the data.")] = 25,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Look for look-ahead: what STRATEGY decides must not change when the data ends right there.

    Ends with 1 when it does, or when a fill on bars is one that the market did not give.
    """
    from app.cli.backtest import parse_assignments
    from app.lookahead import CheckRequest, check_strategy

    request = CheckRequest(strategy, parse_assignments(param or []), data, cuts=cuts)
    with _progress(strategy) as progress:
        report = check_strategy(request, progress)
    if json:
        print_json(report.document)
    else:
        _print(report.document)
    if not report.is_clean:
        print_error(f"{strategy} uses what could not be known yet")
        raise typer.Exit(ExitCode.FAILED)


@contextmanager
def _progress(strategy: str) -> Iterator[Callable[[int, int], None] | None]:
    if not sys.stderr.isatty() or os.environ.get("TERM", "") == "dumb":
        yield None
        return
    with Step(f"check {strategy}") as step:
        yield lambda done, count: step.show(f"{done} of {count} instants")


def _print(document: dict[str, Any]) -> None:
    strategy, tried = document["strategy"], document["instants_tried"]
    print(f"{strategy} on {document['instrument']}: {document['decisions']:,} decisions")
    if not tried:
        print("it decided nothing, so nothing was checked: other parameters or more data")
        return
    changes = document["changes"]
    print(f"data ended at {tried:,} of them: {len(changes):,} times it had decided otherwise")
    for change in changes[:SHOWN]:
        ends = dt.datetime.fromtimestamp(change["data_ends_ns"] // 1_000_000_000, dt.UTC)
        print(f"  data up to {ends:%Y-%m-%d %H:%M:%S} UTC")
        print(f"    on all data:    {_decision(change['on_all_data'])}")
        print(f"    on data so far: {_decision(change['on_data_so_far'])}")
    if document["fills_checked"]:
        wrong = document["impossible_fills"]
        print(f"fills: {document['fills_checked']:,}, impossible ones: {len(wrong):,}")
        for line in wrong[:SHOWN]:
            print(f"  {line}")


def _decision(decision: dict[str, Any] | None) -> str:
    return "nothing" if decision is None else f"{decision['words']} at {decision['ts_ns']} ns"
