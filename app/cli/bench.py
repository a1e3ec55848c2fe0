"""`pilothouse bench`: measures this machine; runs from a source checkout."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from app.cli.output import print_json, print_table
from app.progress import Step
from engine.domain.errors import BadInput, WorkFailed

app = typer.Typer()

BENCHMARKS = {
    "replay": "tests.bench.replay",
    "import": "tests.bench.import_",
    "commit": "tests.bench.commit",
    "bars": "tests.bench.bars",
    "sweep": "tests.bench.sweep",
    "service": "tests.bench.service",
    "tui": "tests.bench.tui",
}


NEED_CAPTURE = {"replay", "import"}

HEADLINES = {
    "replay": "replay_kernel",
    "import": "import",
    "commit": "commit_p50",
    "bars": "bars_cross",
    "sweep": "sweep_all_cores",
    "service": "service_propagation_p99",
    "tui": "tui_key_p99",
}
"""The figure that `--json` puts at the top when one benchmark was asked for."""


@app.command("bench")
def bench(
    name: Annotated[
        str, typer.Argument(help=f"{', '.join(BENCHMARKS)}; nothing for all of them.")
    ] = "",
    runs: Annotated[int, typer.Option(help="Counted runs, after one warm-up.", min=1)] = 5,
    capture: Annotated[
        Path | None, typer.Option(help="Recording to work on; default: the shared USD-M capture.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure: median, minimum and maximum of several runs after a warm-up."""
    if name and name not in BENCHMARKS:
        raise BadInput("benchmark", name, f"known are: {', '.join(BENCHMARKS)}")
    if importlib.util.find_spec("tests.bench") is None:
        raise WorkFailed("bench: the benchmarks are part of the source checkout: run it there")
    figures_module = importlib.import_module("tests.bench.figures")
    shared: Path = figures_module.SHARED
    default = shared / "data" / "captures" / "binance" / "usdm_btcusdt_20240808.gz"
    context = figures_module.Context(runs=runs, capture=capture or default)
    names = [name] if name else list(BENCHMARKS)
    if not NEED_CAPTURE.isdisjoint(names):
        figures_module.need_capture(context.capture)
    found = []
    for asked in names:
        with Step(f"bench {asked}"):
            found += importlib.import_module(BENCHMARKS[asked]).run(context)
    if json:
        print_json(_document(name, found))
        return
    columns = ("name", "unit", "median", "min", "max", "runs", "n")
    print_table(
        columns,
        [
            (f.name, f.unit, *(f"{value:,.3f}" for value in (f.median, f.min, f.max)), f.runs, f.n)
            for f in found
        ],
        right=columns[2:],
    )


def _document(name: str, found: list[Any]) -> Any:
    """One benchmark: its headline figure, with all its figures below; several: a list."""
    if not name:
        return found
    headline = next(item for item in found if item.name == HEADLINES[name])
    return {**msgspec.to_builtins(headline), "name": name, "figures": found}
