"""Deterministic simulation: the live runtime against a fake venue on a virtual clock and a disk
whose power can be cut. One seed is one story; the same seed tells it again, step by step."""
