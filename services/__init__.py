"""The programs: one folder each, wired in its own wiring.py."""
