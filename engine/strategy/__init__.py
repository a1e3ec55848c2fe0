"""Bots: the runner, the helm, and the shipped strategies, one file each."""
