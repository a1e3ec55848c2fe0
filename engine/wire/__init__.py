"""Venues' messages as bytes: typed structs and decimal text, shared by feeds and recordings."""
