"""Live venues: accounts to trade on and feeds to watch, over ccxt and plain sockets.

The only package that imports ccxt, and it does so when a venue starts, never before. What a venue
does differently is data (`quirks`); how first-class venues are read is a dialect (`binance`).
Nothing here decides: what the venue said becomes claims and outcomes, `engine.runtime` acts.
"""
