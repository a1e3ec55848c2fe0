"""Binance spot and USD-M: frames, sequence rule, addresses."""
