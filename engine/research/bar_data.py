"""Files of bars as something to trade on: whole ticks and lots, and the instrument they are of."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from engine.archive.bar_files import is_bar_file
from engine.archive.catalogue import list_recordings
from engine.archive.instruments import known_instruments, split_symbol
from engine.archive.ohlcv import BARS, PRICES, BarTable, import_bars, list_bars, load_bars
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import MONEY, plain
from engine.kernels.layout import Int64s
from engine.market.timeframe import parse_timeframe
from engine.sim.bar_feed import BarColumns
from engine.wire.decimals import common_step

DEFAULT_LOT = Decimal("0.00001")
"""Where the volumes tell no step."""
_TICKS_SENSIBLE = 1_000_000_000
"""Prices of more ticks than this carry a source's rounding noise, not a venue's step."""
_DIGITS = 6
"""Digits kept of noisy prices."""


class BarData(NamedTuple):
    instrument: Instrument
    bars: BarColumns
    timeframe: str
    words: str
    """Where it came from, in short words."""
    notes: tuple[str, ...]
    """What was assumed about the data."""


def is_bar_data(paths: Sequence[Path]) -> bool:
    """Whether `paths` name bars: files of them, or folders that hold bars and no recording.

    BadInput when some do and some do not.
    """
    kinds = {path: _holds_bars(path) for path in paths}
    if len(set(kinds.values())) > 1:
        odd = next(path for path, holds in kinds.items() if holds)
        raise BadInput("--data", str(odd), "holds bars, the others do not; one kind per run")
    return any(kinds.values())


def load_bar_data(paths: Sequence[Path]) -> BarData:
    """Bars of one instrument and timeframe from one file or several that follow one another.

    BadInput, in one line, for other instruments or timeframes, overlaps, and damaged files.
    """
    tables = sorted(
        (_read_table(file) for path in paths for file in _files_of(path)),
        key=lambda table: table.meta.start_ns,
    )
    first = tables[0].meta
    for before, after in pairwise(table.meta for table in tables):
        for field in ("instrument_id", "timeframe"):
            one, other = getattr(before, field), getattr(after, field)
            if one != other:
                raise BadInput("--data", f"{one} and {other}", f"one {field} per run")
        if after.start_ns <= before.end_ns:
            raise BadInput("--data", after.source, f"overlaps {before.source}; name each bar once")
    tick, tick_note = _common_tick(tables)
    known = known_instruments().get(first.instrument_id)
    lot, lot_note = _common_lot(tables, known)
    period_ns = parse_timeframe(first.timeframe)
    columns = {name: _joined(tables, name, tick, ROUND_HALF_EVEN) for name in PRICES}
    start_ns = _joined(tables, "start_ns", None, "")
    if (start_ns % period_ns).any():
        raise BadInput(
            "--data", first.source, f"bars do not begin on the UTC grid of {first.timeframe}"
        )
    bars = BarColumns(period_ns, start_ns, volume=_volume(tables, lot), **columns)
    names = ", ".join(table.meta.source for table in tables)
    notes = (tick_note, lot_note, _gap_note(bars))
    return BarData(
        instrument=_instrument(first.instrument_id, known, tick, lot),
        bars=bars,
        timeframe=first.timeframe,
        words=f"{first.timeframe} bars of {first.instrument_id} from {names}",
        notes=tuple(note for note in notes if note),
    )


def _gap_note(bars: BarColumns) -> str:
    steps = np.diff(bars.start_ns) // bars.period_ns
    missing = int(steps.sum()) - len(steps)
    if not missing:
        return ""
    gaps = int(np.count_nonzero(steps > 1))
    return f"{missing:,} bars are missing in {gaps:,} gaps: nothing happens in them"


def period_of(data: BarData, timeframe: str) -> int:
    """`timeframe` in ns; BadInput when whole bars do not make it up."""
    period_ns = parse_timeframe(timeframe)
    if period_ns % data.bars.period_ns:
        remedy = f"the bars are of {data.timeframe}: name that or a multiple of it"
        raise BadInput("timeframe", timeframe, remedy)
    return period_ns


# -- finding -----------------------------------------------------------------------------------


def _holds_bars(path: Path) -> bool:
    if not path.is_dir():
        return is_bar_file(path)
    is_recording = (path / "meta.json").is_file() or bool(list_recordings(path))
    return not is_recording and bool(_bar_files_in(path))


def _bar_files_in(folder: Path) -> list[Path]:
    """Of a catalogue, of the `bars` in it, or of one instrument there."""
    found = [entry.path for entry in list_bars(folder)]
    found += [entry.path for entry in list_bars(folder.parent)] if folder.name == BARS else []
    return found or sorted(folder.glob("[!.]*.parquet"))


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = _bar_files_in(path)
    if len(found) > 1:
        names = ", ".join(str(file.relative_to(path)) for file in found[:5])
        raise BadInput("--data", str(path), f"holds several files of bars: {names}; name one")
    return found


def _read_table(path: Path) -> BarTable:
    """An imported file as it is; a foreign one is imported into a place that is then let go."""
    if path.suffix == ".parquet" and path.is_file():
        # A table that is not one of ours is imported below, which says what is wrong with it.
        with contextlib.suppress(BadInput):
            return load_bars(path)
    with tempfile.TemporaryDirectory() as folder:
        try:
            return load_bars(import_bars(path, Path(folder)).path)
        except BadInput as error:
            if error.field != "--symbol":
                raise
            remedy = "is named after no symbol: pilothouse data import it with --symbol first"
            raise BadInput("--data", str(path), remedy) from None


# -- steps -------------------------------------------------------------------------------------


def _common_tick(tables: Sequence[BarTable]) -> tuple[Decimal, str]:
    """The tick that all prices are multiples of, or one that rounds the noise away, and a note."""
    ticks = [table.meta.tick for table in tables if table.meta.tick is not None]
    highest = max(Decimal(_highest(table)) for table in tables)
    if len(ticks) == len(tables):
        tick = common_step(plain(one) for one in ticks)
        assert tick is not None
        if highest <= _TICKS_SENSIBLE * tick:
            return tick, ""
    tick = Decimal(1).scaleb(highest.adjusted() + 1 - _DIGITS)
    return tick, f"prices are rounded to a tick of {plain(tick)}"


def _highest(table: BarTable) -> Decimal:
    highs, tick = table.columns["high"], table.meta.tick
    if tick is None:
        return max(map(Decimal, highs))
    return MONEY.multiply(Decimal(int(highs.max())), tick)


def _common_lot(tables: Sequence[BarTable], known: Instrument | None) -> tuple[Decimal, str]:
    lots = [table.meta.lot for table in tables]
    known_lots = [lot for lot in lots if lot is not None]
    if len(known_lots) == len(lots):
        lot = common_step(plain(one) for one in known_lots)
        assert lot is not None
        return lot, ""
    lot = known.lot if known is not None else DEFAULT_LOT
    if all("volume" in table.columns for table in tables):
        return lot, f"volumes are rounded down to a lot of {plain(lot)}"
    return lot, f"the lot is taken to be {plain(lot)}, and every touch to be deep enough"


# -- columns -----------------------------------------------------------------------------------


def _joined(tables: Sequence[BarTable], name: str, step: Decimal | None, rounding: str) -> Int64s:
    parts = [_whole(table.columns[name], table.meta.tick, step, rounding) for table in tables]
    return np.concatenate(parts)


def _volume(tables: Sequence[BarTable], lot: Decimal) -> Int64s:
    parts = []
    for table in tables:
        if "volume" not in table.columns:
            parts.append(np.full(table.meta.rows, -1, np.int64))
        else:
            parts.append(_whole(table.columns["volume"], table.meta.lot, lot, ROUND_FLOOR))
    return np.concatenate(parts)


def _whole(values: Any, held: Decimal | None, step: Decimal | None, rounding: str) -> Int64s:
    """A column in units of `step`; `held` is the unit it is in, None for decimal text."""
    if step is None or held == step:
        return np.ascontiguousarray(values, np.int64)
    if held is not None:
        ratio = MONEY.divide(held, step)
        if ratio == int(ratio):
            return np.ascontiguousarray(values, np.int64) * int(ratio)
        numbers = (MONEY.multiply(Decimal(int(value)), held) for value in values)
    else:
        numbers = (Decimal(value) for value in values)
    return np.array(
        [int(MONEY.divide(number, step).to_integral_value(rounding)) for number in numbers],
        np.int64,
    )


# -- instrument --------------------------------------------------------------------------------


def _instrument(
    instrument_id: str, known: Instrument | None, tick: Decimal, lot: Decimal
) -> Instrument:
    """The listed one with the steps of the data, else one made from its name: a perpetual where
    the name says so, else spot (which cannot be sold short)."""
    if known is not None:
        return msgspec.structs.replace(known, tick=tick, lot=lot)
    venue, _, symbol = instrument_id.partition(".")
    try:
        base, quote = split_symbol(symbol)
    except BadInput:
        remedy = "ends in no known quote currency; import the bars with --symbol VENUE.BASEQUOTE"
        raise BadInput("--data", instrument_id, remedy) from None
    is_perpetual = "PERP" in symbol or venue.endswith(("usdm", "perp", "linear"))
    return Instrument(
        instrument_id=instrument_id,
        venue=venue,
        symbol=symbol,
        kind=InstrumentKind.LINEAR if is_perpetual else InstrumentKind.SPOT,
        base=base,
        quote=quote,
        tick=tick,
        lot=lot,
    )
