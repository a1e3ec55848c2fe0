"""The protocols that the drill exchange speaks, one module each."""
