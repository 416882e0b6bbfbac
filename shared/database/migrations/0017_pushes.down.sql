DELETE FROM snapshots WHERE part_of IS NOT NULL OR (committed_at IS NULL AND id IN (SELECT snapshot_id FROM pushes));
ALTER TABLE snapshots DROP COLUMN part_of;
DROP TABLE pushes;
