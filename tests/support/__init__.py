"""Builders, fakes behind ports, and the way to the recorded data."""
