"""Traces of requests and jobs, which continue those of their callers (W3C Trace Context)."""
