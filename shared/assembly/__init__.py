"""Putting files together out of what is stored: whole archives, and single relations."""
