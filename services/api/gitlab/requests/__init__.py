"""Parses parameters into typed requests, with GitLab's rules, for HTTP and commands."""
