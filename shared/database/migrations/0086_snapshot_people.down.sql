DROP TABLE snapshot_people;
ALTER TABLE snapshots DROP COLUMN people;
