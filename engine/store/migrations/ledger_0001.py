"""The append-only event table.

The triggers make the file itself refuse what the journal never does: changing or deleting an
event, leaving a gap, or adding one that does not continue the chain. `INSERT OR REPLACE` would
bypass a delete trigger; the insert trigger runs before it and stops it as a gap.
"""

STATEMENTS = (
    """
    CREATE TABLE meta (
        key TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # client_order_id and bot_id are filled in where the event names them; the body is the truth.
    """
    CREATE TABLE event (
        seq INTEGER NOT NULL PRIMARY KEY,
        ts_ns INTEGER NOT NULL,
        kind TEXT NOT NULL,
        client_order_id TEXT,
        bot_id TEXT,
        body BLOB NOT NULL,
        prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
        hash BLOB NOT NULL CHECK (length(hash) = 32)
    ) STRICT
    """,
    """
    CREATE INDEX event_by_order ON event (client_order_id) WHERE client_order_id IS NOT NULL
    """,
    # An id is intended once, for ever: the same id in two placements could be two orders.
    """
    CREATE UNIQUE INDEX event_intent ON event (client_order_id) WHERE kind = 'OrderIntended'
    """,
    "CREATE INDEX event_fill ON event (ts_ns) WHERE kind = 'OrderFilled'",
    "CREATE INDEX event_equity ON event (ts_ns) WHERE kind = 'EquityMarked'",
    """
    CREATE TRIGGER event_append BEFORE INSERT ON event
    WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event)
        OR NEW.prev_hash <> coalesce(
            (SELECT hash FROM event ORDER BY seq DESC LIMIT 1), NEW.prev_hash)
    BEGIN
        SELECT RAISE(ABORT, 'events are append-only: this one does not continue the chain');
    END
    """,
    """
    CREATE TRIGGER event_update BEFORE UPDATE ON event
    BEGIN
        SELECT RAISE(ABORT, 'events are append-only: they are never changed');
    END
    """,
    """
    CREATE TRIGGER event_delete BEFORE DELETE ON event
    BEGIN
        SELECT RAISE(ABORT, 'events are append-only: they are never deleted');
    END
    """,
)
