"""Candles. Everything in the market file can be fetched or aggregated again."""

STATEMENTS = (
    """
    CREATE TABLE bar (
        instrument_id TEXT NOT NULL,
        timeframe_ns INTEGER NOT NULL,
        start_ns INTEGER NOT NULL,
        open_ticks INTEGER NOT NULL,
        high_ticks INTEGER NOT NULL,
        low_ticks INTEGER NOT NULL,
        close_ticks INTEGER NOT NULL,
        volume_lots INTEGER NOT NULL,
        PRIMARY KEY (instrument_id, timeframe_ns, start_ns)
    ) STRICT, WITHOUT ROWID
    """,
)
