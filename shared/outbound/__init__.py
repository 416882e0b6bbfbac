"""Requests to addresses that users give: what the application settings permit, and clients that obey."""
