"""The market file: candles that can be fetched or aggregated again, so losing it loses nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from engine.domain.snapshots import BarRow
from engine.store import database
from engine.store.database import MARKET


class MarketFile:
    """Bars by instrument and timeframe. Belongs to one thread at a time.

    Raises LedgerError when the file cannot be opened or written; the remedy is to delete it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with database.translated(MARKET, path):
            if not path.exists():
                database.create(path, MARKET, {})
            self._connection: sqlite3.Connection = database.open_writer(path, MARKET)

    def insert_bars(self, instrument_id: str, timeframe_ns: int, bars: Sequence[BarRow]) -> None:
        """Add `bars`; one that is there already is replaced by its newer version."""
        rows = [
            (
                instrument_id,
                timeframe_ns,
                bar.start_ns,
                bar.open,
                bar.high,
                bar.low,
                bar.close,
                bar.volume,
            )
            for bar in bars
        ]
        with (
            database.translated(MARKET, self._path),
            database.transaction(self._connection),
        ):
            self._connection.executemany(
                "INSERT OR REPLACE INTO bar VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    def read_bars(
        self, instrument_id: str, timeframe_ns: int, start_ns: int, end_ns: int
    ) -> list[BarRow]:
        """Bars that start in [start_ns, end_ns), oldest first."""
        query = """
            SELECT start_ns, open_ticks, high_ticks, low_ticks, close_ticks, volume_lots FROM bar
            WHERE instrument_id = ? AND timeframe_ns = ? AND start_ns >= ? AND start_ns < ?
            ORDER BY start_ns
        """
        with database.translated(MARKET, self._path):
            rows = self._connection.execute(query, (instrument_id, timeframe_ns, start_ns, end_ns))
            return [
                BarRow(start_ns=start, open=open_, high=high, low=low, close=close, volume=volume)
                for start, open_, high, low, close, volume in rows
            ]

    def close(self) -> None:
        self._connection.close()
