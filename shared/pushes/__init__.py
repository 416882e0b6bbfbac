"""Pushes: open snapshots that other systems fill by requests, and commit as a whole."""
