"""Groups as archives: read, made into groups, kept with them, and written again."""
