"""Traces of requests and jobs, which go on where their caller's began (W3C Trace Context)."""
