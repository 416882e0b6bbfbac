"""Relations: the NDJSON files of a GitLab archive, cut into lines and checked one record at a time."""
