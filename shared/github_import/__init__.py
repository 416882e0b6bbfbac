"""Imports from GitHub: what its API answers is kept page by page, and mapped when all of it is there."""
