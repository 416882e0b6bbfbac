"""The demonstration: imports an archive, exports the project, and compares both archives."""
