"""Everything that is checked by running it. CONTRIBUTING.md says which folder is for what."""
