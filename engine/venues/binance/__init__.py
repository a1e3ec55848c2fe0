"""Binance spot and USD-M futures: requests, answers and streams as they are on the wire."""
