"""Content coming in: the checks that it passes on its way into a snapshot, from archives and from pushes."""
