"""Recorded market data: import, Parquet catalogue, checks. Knows no venue connection and no clock.

`load_rows` is the door for replays, `import_capture` and `import_bars` fill the catalogue,
`check_recording` judges a recording. pyarrow and pandas are imported only where they are used.
"""
