"""What content must be to go into a snapshot, whether an archive or another system brings it."""
