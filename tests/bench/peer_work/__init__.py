"""Programs that run inside a peer's own environment: they import the peer, and nothing of ours.

Each is started with a folder of data, prints `{"ready": version}`, and then for each line
`{"work": name}` on its input does that work once and prints `{"seconds": s, "check": {...}}`. What
is loaded, converted, built or compiled is not in the seconds.
"""
