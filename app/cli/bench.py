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
    "ingest": "tests.bench.ingest",
    "tick_to_order": "tests.bench.tick_to_order",
    "bars": "tests.bench.bars",
    "sweep": "tests.bench.sweep",
    "service": "tests.bench.service",
    "faces": "tests.bench.faces",
    "tui": "tests.bench.tui",
    "simulation": "tests.bench.simulation",
}


WITH_PEERS = ("replay", "bars", "sweep")

NEED_CAPTURE = {"replay", "import"}

HEADLINES = {
    "replay": "replay_grid",
    "import": "import",
    "commit": "commit_p50",
    "ingest": "times_mixed",
    "tick_to_order": "tick_to_order_p50",
    "bars": "bars_cross",
    "sweep": "sweep_all_cores",
    "service": "service_propagation_p99",
    "faces": "faces_order_max",
    "tui": "tui_key_p99",
    "simulation": "simulation_seeds",
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
    peers: Annotated[
        bool,
        typer.Option(
            "--peers",
            help="The same work by hftbacktest, vectorbt and backtesting.py, in turns with ours.",
        ),
    ] = False,
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
    if capture is not None:
        figures_module.need_capture(capture)
    if peers:
        _against_peers(name, context, as_json=json)
        return
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


def _against_peers(name: str, context: Any, *, as_json: bool) -> None:
    if name and name not in WITH_PEERS:
        raise BadInput("benchmark", name, f"with --peers known are: {', '.join(WITH_PEERS)}")
    module = importlib.import_module("tests.bench.peers")
    found = module.run_peers(context, (name,) if name else WITH_PEERS)
    if as_json:
        print_json({"name": "peers", "figures": found})
        return
    columns = ("name", "peer", "ours", "theirs", "times as fast", "min", "max", "runs", "same work")
    print_table(
        columns,
        [
            (
                f.name,
                f.peer,
                f"{f.ours_s * 1e3:,.1f} ms",
                f"{f.theirs_s * 1e3:,.1f} ms",
                *(f"{value:,.1f}" for value in (f.median, f.min, f.max)),
                f.runs,
                _both(f.ours_found, f.theirs_found),
            )
            for f in found
        ],
        right=columns[2:8],
    )


def _both(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """What both sides found, where both say it: `fills 1,055 / 1,055`."""
    shared = [key for key in ours if key in theirs]
    return ", ".join(f"{key} {ours[key]:,} / {theirs[key]:,}" for key in shared)


def _document(name: str, found: list[Any]) -> Any:
    """One benchmark: its headline figure, with all its figures below; several: a list."""
    if not name:
        return found
    headline = next(item for item in found if item.name == HEADLINES[name])
    return {**msgspec.to_builtins(headline), "name": name, "figures": found}
