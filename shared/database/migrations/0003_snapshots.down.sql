ALTER TABLE projects DROP COLUMN snapshot_id;
DROP TABLE segments, entries, snapshots, objects;
