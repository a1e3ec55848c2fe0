"""What we do about the market: state, risk gate, orders, positions."""
