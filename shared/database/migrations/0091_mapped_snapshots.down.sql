DROP TABLE mapped_snapshots;
