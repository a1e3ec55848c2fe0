"""Frozen values and pure rules. Imports nothing of ours, awaits nothing, reads no clock."""
