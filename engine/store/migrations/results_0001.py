"""Backtests that were run: the document, and beside it the fills and the equity curve.

A run is known by the hash of its document, so one that is run again is the same row. Amounts are
decimal text; markouts are basis points and may be missing.
"""

STATEMENTS = (
    """
    CREATE TABLE run (
        id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 64),
        saved_ns INTEGER NOT NULL,
        document BLOB NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE fill (
        run_id TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        ts_ns INTEGER NOT NULL,
        side TEXT NOT NULL,
        price TEXT NOT NULL,
        qty TEXT NOT NULL,
        fee TEXT NOT NULL,
        maker INTEGER NOT NULL,
        queue_ahead TEXT NOT NULL,
        order_id TEXT NOT NULL,
        queue_rank REAL,
        deep_queue INTEGER NOT NULL,
        toxic INTEGER,
        volume_resting TEXT NOT NULL,
        markout_1s_bp REAL,
        markout_5s_bp REAL,
        markout_60s_bp REAL,
        PRIMARY KEY (run_id, number)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE equity (
        run_id TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        ts_ns INTEGER NOT NULL,
        profit TEXT NOT NULL,
        hold TEXT NOT NULL,
        mid TEXT NOT NULL,
        position TEXT NOT NULL,
        PRIMARY KEY (run_id, number)
    ) STRICT, WITHOUT ROWID
    """,
)
