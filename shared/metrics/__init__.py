"""Prometheus metrics, kept in a registry that wiring makes.

How many series there are is bounded: labels take their values from sets that the code knows (kinds, results,
operations, GitLab's relations, route templates, methods, the statuses we answer), and what is in no such set
counts as ``other``. No label holds what a user may choose: no path, name, id or address.
"""
