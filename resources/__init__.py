"""Data, not code: read with `importlib.resources`."""
