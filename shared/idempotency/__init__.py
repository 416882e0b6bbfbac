"""Requests that may be sent again and take effect once: their keys, and what was answered to them."""
