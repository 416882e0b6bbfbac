"""Middleware, which runs around all handlers. It reads the attributes of routes, and knows no handler."""
