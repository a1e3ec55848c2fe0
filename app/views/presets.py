"""Sets of keys to begin with. A person's own keymap.toml goes over the one that is chosen."""

DEFAULT_PRESET = "default"
PRESETS = (DEFAULT_PRESET, "vim")
