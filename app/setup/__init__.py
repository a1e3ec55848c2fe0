"""From a bare checkout to a running program. Standard library only, all of it."""
