"""Prometheus metrics, in a registry that wiring makes.

The number of series is bounded: labels take their values from sets that the code knows (kinds, results,
operations, GitLab's relations, route templates, methods, the statuses that we answer), and a value in no such
set counts as ``other``. No label has a value that a user may choose: no path, name, id or address.
"""
