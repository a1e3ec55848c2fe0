"""Backtests, sweeps and reports: what is tried on the past. Sits above `runtime`."""
