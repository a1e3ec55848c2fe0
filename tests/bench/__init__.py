"""Benchmarks, run by `pilothouse bench`; never part of the test run.

A benchmark is a module with `run(context) -> list[Figure]`. Each measures several runs after a
warm-up that is not counted, and reports the median: the machine is shared and noisy.
"""
