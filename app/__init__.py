"""Composition, and everything the front ends share. Imports no UI toolkit."""

VERSION = "0.1.0"
