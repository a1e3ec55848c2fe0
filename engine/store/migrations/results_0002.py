"""Of a fill: its order's place in the line, and its way to the venue. Unknown of old ones."""

STATEMENTS = (
    "ALTER TABLE fill ADD COLUMN queue_left TEXT",
    "ALTER TABLE fill ADD COLUMN level_volume TEXT",
    "ALTER TABLE fill ADD COLUMN latency_ms REAL",
)
