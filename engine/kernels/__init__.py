"""Compiled hot loops: arrays and scalars in and out, no objects, no strings, no clock."""
