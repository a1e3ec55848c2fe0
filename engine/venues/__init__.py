"""Live venues behind `engine.ports.live`: the only room that knows their wire and ccxt."""
