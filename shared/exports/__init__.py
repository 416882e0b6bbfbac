"""Exports that are kept for the users who asked for them: archives, and relations one by one."""
