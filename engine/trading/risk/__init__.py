"""Limits nobody can bypass: the gate every order passes, and the monitor that watches losses."""
