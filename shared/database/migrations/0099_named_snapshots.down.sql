DROP TABLE named_snapshots;
