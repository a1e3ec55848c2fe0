"""`pilothouse data ...`: import, list and check recorded market data."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.output import ExitCode, print_error, print_json, print_table
from app.paths import locate
from engine.domain.errors import BadInput
from engine.domain.money import parse_decimal, plain

if TYPE_CHECKING:
    from engine.archive.catalogue import Imported
    from engine.archive.check import Report
    from engine.archive.importer import Overrides
    from engine.archive.ohlcv import ImportedBars

app = typer.Typer(no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The catalogue; default: the data folder's.")
]

RECORDING_COLUMNS = ("instrument", "from", "to", "seconds", "depth", "trades", "ticker", "gaps")
BARS_COLUMNS = ("bars of", "timeframe", "from", "to", "bars", "gaps", "missing", "tick", "lot")


@app.callback()
def data() -> None:
    """Import, list and check recorded market data."""


@app.command("import")
def import_data(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SRC...",
            help="A raw Binance capture, all its parts, or files of bars (CSV, feather, Parquet).",
        ),
    ],
    out: Out = None,
    tick: Annotated[str, typer.Option(help="Price step, when table and data mislead.")] = "",
    lot: Annotated[str, typer.Option(help="Size step, when table and data mislead.")] = "",
    symbol: Annotated[
        str, typer.Option(help="Captures: BASE/QUOTE. Bars: VENUE.SYMBOL; default: file name.")
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what is there of the same instrument.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring captures or bars into the catalogue, as typed Parquet files with integer prices.

    Bars need the columns open, high, low, close, one of timestamp_ms, timestamp, time, date,
    datetime, open_time (start of the bar, UTC), and mostly volume.
    """
    from engine.archive.bar_files import is_bar_file
    from engine.archive.importer import Overrides

    catalogue = _catalogue(out)
    overrides = Overrides(_step("--tick", tick), _step("--lot", lot), symbol)
    bar_files = [path for path in sources if is_bar_file(path)]
    if bar_files and len(bar_files) < len(sources):
        raise BadInput("SRC", str(bar_files[0]), "holds bars, the others do not; import it alone")
    if bar_files:
        _report_import([], _import_bars(bar_files, catalogue, overrides, replace), json)
        return
    from engine.archive.catalogue import import_capture

    imported = import_capture(sources, catalogue, overrides, replace=replace, progress=_progress)
    _report_import([imported], [], json)


@app.command("record")
def record(
    venue: Annotated[str, typer.Argument(metavar="VENUE", help="binance_spot or binance_usdm.")],
    symbols: Annotated[list[str], typer.Argument(metavar="SYMBOL...", help="As BTCUSDT.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the captures go; default: here.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="Stop after so long; 0: until Ctrl+C.", min=0)
    ] = 0.0,
    drill: Annotated[
        bool, typer.Option("--drill", help="From the drill exchange on this machine.")
    ] = False,
    json: Json = False,
) -> None:
    """Record a venue's public depth and trades as they come, for `data import`."""
    from app.record import record_market

    def say(words: str) -> None:
        typer.echo(words, err=True)

    names = [symbol.upper() for symbol in symbols]
    found = record_market(venue, names, out or Path(), seconds, say, is_drill=drill)
    if json:
        print_json(found)
        return
    print_table(
        ("file", "depth", "trades", "snapshots", "refused"),
        [(item.file, item.depth, item.trades, item.snapshots, item.refused) for item in found],
        right=("depth", "trades", "snapshots", "refused"),
    )


@app.command("list")
def list_data(out: Out = None, json: Json = False) -> None:
    """What the catalogue holds."""
    from engine.archive.catalogue import list_recordings
    from engine.archive.ohlcv import list_bars

    catalogue = _catalogue(out)
    if out is not None and not out.is_dir():
        raise BadInput("--out", str(out), "no such folder")
    recordings, bars = list_recordings(catalogue), list_bars(catalogue)
    if not json and not recordings and not bars:
        print(f"{catalogue} is empty. Fill it with: pilothouse data import FILE")
        return
    _report(recordings, bars, json)


@app.command("check")
def check_data(
    path: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="A recording in the catalogue, or a raw capture."),
    ],
    json: Json = False,
) -> None:
    """Look for gaps, crossed or one-sided books, backward time, repeats; compare with the ticker.

    Ends with 1 when the recording has defects.
    """
    from engine.archive.bar_files import is_bar_file
    from engine.archive.catalogue import load_recording
    from engine.archive.check import check_recording

    for one in path:
        if is_bar_file(one):
            raise BadInput("PATH", str(one), "holds bars; pilothouse data import checks them")
    report = check_recording(load_recording(path))
    if json:
        print_json(report)
    else:
        _print_check(report)
    if report.defects:
        raise typer.Exit(ExitCode.FAILED)


def _catalogue(out: Path | None) -> Path:
    return out if out is not None else locate().data / "catalogue"


def _step(option: str, text: str) -> Decimal | None:
    if not text:
        return None
    step = parse_decimal(option, text)
    if step <= 0:
        raise BadInput(option, text, "must be greater than zero")
    return step


def _import_bars(
    paths: Sequence[Path], catalogue: Path, overrides: Overrides, replace: bool
) -> list[ImportedBars]:
    from engine.archive.ohlcv import import_bars

    if overrides.symbol and len(paths) > 1:
        raise BadInput(
            "--symbol", overrides.symbol, "names one file of bars; import them one by one"
        )
    return [import_bars(path, catalogue, overrides, replace=replace) for path in paths]


def _progress(lines: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{lines:,} lines", end="", file=sys.stderr, flush=True)


# -- printing ----------------------------------------------------------------------------------


def _report_import(
    recordings: Sequence[Imported], bars: Sequence[ImportedBars], json: bool
) -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    for recording in recordings:
        for notice in recording.meta.notices:
            print_error(f"note: {notice}")
    _report(recordings, bars, json)
    if not json:
        for path in [*(entry.path for entry in recordings), *(entry.path for entry in bars)]:
            print(f"written to {path}")


def _report(recordings: Sequence[Imported], bars: Sequence[ImportedBars], json: bool) -> None:
    if json:
        print_json({"recordings": _documents(recordings), "bars": _documents(bars)})
        return
    if recordings:
        rows = [_recording_row(entry) for entry in recordings]
        print_table(RECORDING_COLUMNS, rows, right=RECORDING_COLUMNS[3:])
    if recordings and bars:
        print()
    if bars:
        print_table(BARS_COLUMNS, [_bars_row(entry) for entry in bars], right=BARS_COLUMNS[4:])


def _documents(entries: Sequence[Imported | ImportedBars]) -> list[dict[str, Any]]:
    import msgspec

    return [{"path": str(entry.path), **msgspec.to_builtins(entry.meta)} for entry in entries]


def _recording_row(entry: Imported) -> list[str]:
    meta = entry.meta
    facts = [meta.streams[name] for name in ("depth", "trades", "ticker")]
    start_ns = min((fact.start_ns for fact in facts if fact.rows), default=0)
    end_ns = max(fact.end_ns for fact in facts)
    return [
        meta.instrument.instrument_id,
        _utc(start_ns),
        _utc(end_ns),
        str((end_ns - start_ns) // 1_000_000_000),
        *(f"{fact.rows:,}" for fact in facts),
        str(meta.counts.gaps),
    ]


def _bars_row(entry: ImportedBars) -> list[str]:
    meta = entry.meta
    steps = ["text" if step is None else plain(step) for step in (meta.tick, meta.lot)]
    times = [_utc(meta.start_ns), _utc(meta.end_ns)]
    counts = [f"{meta.rows:,}", str(meta.gaps), str(meta.bars_missing)]
    return [meta.instrument_id, meta.timeframe, *times, *counts, *steps]


def _utc(ts_ns: int) -> str:
    if not ts_ns:
        return "-"
    moment = dt.datetime.fromtimestamp(ts_ns // 1_000_000_000, dt.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _print_check(report: Report) -> None:
    names = ("rows", "messages", "gaps", "crossed", "one_sided", "backward", "repeated")
    rows = [
        (name, *(f"{getattr(stream, field):,}" for field in names), _utc(stream.start_ns))
        for name, stream in report.streams.items()
    ]
    titles = ("stream", *(name.replace("_", " ") for name in names), "from (UTC)")
    print(report.instrument_id)
    print_table(titles, rows, right=titles[1:-1])
    match = report.ticker_match
    print()
    print(f"book against ticker: {match.equal:,} of {match.checked:,} diffs give the same touch")
    print(
        f"snapshots {report.snapshots}, diffs before the first {report.early}, "
        f"stale diffs left out {report.stale}, sizes rounded to a lot {report.off_lot}"
    )
    for notice in report.notices:
        print(f"note: {notice}")
    for defect in report.defects:
        print(f"DEFECT {defect}")
    print("defects found" if report.defects else "no defects")
