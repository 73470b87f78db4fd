"""Public services: a catalogue, and whether each answers."""
