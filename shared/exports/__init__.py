"""Exports kept for the users who requested them: archives, and exports relation by relation."""
