"""Schedules: when which projects are backed up where, and the runs that do it."""
