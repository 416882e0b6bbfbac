"""Manifests: the names, sizes and digests of all files of an archive, as canonical JSON."""
