"""Helpers for HTTP: bodies, forms, encodings, ranges, parameters, pagination. They know no use case."""
