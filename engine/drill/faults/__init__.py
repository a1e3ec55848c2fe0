"""Faults of the drill exchange: a catalogue, plans over it, and who carries them out."""
