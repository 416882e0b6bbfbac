"""Accounts: users, their tokens and sessions, namespaces and memberships."""
