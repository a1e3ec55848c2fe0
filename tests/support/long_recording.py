"""Recordings of any length, written straight into a catalogue."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from engine.archive import recording as rec
from engine.archive.catalogue import META, write_stream
from engine.kernels import layout as k
from engine.sim.generator import SIM_INSTRUMENT, MarketGenerator


def generated_rows(seconds: int, seed: int = 7) -> k.Rows:
    """The first rows of the generated market."""
    generator = MarketGenerator(seed)
    blocks = [generator.next_block() for _ in range(seconds)]
    return np.concatenate([block for block in blocks if block is not None])


def write_repeated(directory: Path, rows: k.Rows, times: int) -> Path:
    """`rows` one after the other, `times` times, as a recording below `directory`."""
    target = directory / SIM_INSTRUMENT.instrument_id
    target.mkdir(parents=True)
    length_ns = int(rows["ts_local_ns"][-1] - rows["ts_exch_ns"][0]) + 1_000_000
    is_trade = rows["kind"] == k.ROW_TRADE
    facts = {}
    for name, chosen in (("depth", ~is_trade), ("trades", is_trade), ("ticker", is_trade[:0])):
        picked = np.flatnonzero(chosen)
        pieces = [_columns(name, rows, picked, lap, length_ns) for lap in range(times)]
        write_stream(target, name, pieces)
        facts[name] = rec.StreamFacts(rows=len(picked) * times, messages=len(picked) * times)
    meta = rec.Meta(
        instrument=SIM_INSTRUMENT,
        sources=[],
        streams=facts,
        counts=rec.Counts(snapshots=times),
        notices=[],
    )
    (target / META).write_bytes(msgspec.json.encode(meta))
    return target


def _columns(name: str, rows: k.Rows, picked: k.Int64s, lap: int, length_ns: int) -> rec.Columns:
    columns = {one: np.zeros(len(picked), dtype) for one, dtype in rec.STREAMS[name].items()}
    columns["message"] = picked + lap * len(rows)
    for one in ("ts_exch_ns", "ts_local_ns"):
        columns[one] = rows[one][picked] + lap * length_ns
    for one in ("price_ticks", "qty_lots", "kind", "side"):
        if one in columns:
            columns[one] = rows[one][picked].astype(rec.STREAMS[name][one])
    return columns
