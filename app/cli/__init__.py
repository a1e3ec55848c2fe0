"""The command line: one file per command group. `main.py` says how a group is added."""
