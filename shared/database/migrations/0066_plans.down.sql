-- The first table that transactions of services lock of those below: no deadlock with them.
LOCK TABLE projects IN ACCESS EXCLUSIVE MODE;
-- Plans go: the services of the version before have their users export anew.
DELETE FROM archives WHERE object_id IS NULL OR tail IS NOT NULL;
ALTER TABLE archives DROP COLUMN snapshot_id, DROP COLUMN head, DROP COLUMN tail, DROP COLUMN crc32,
    DROP COLUMN etag, ALTER COLUMN object_id SET NOT NULL, ALTER COLUMN sha256 SET NOT NULL;
ALTER TABLE objects DROP COLUMN seen_at;
DELETE FROM snapshots WHERE project_id IS NULL;
ALTER TABLE snapshots DROP COLUMN read_until, ALTER COLUMN project_id SET NOT NULL,
    DROP CONSTRAINT snapshots_project_id_fkey,
    ADD CONSTRAINT snapshots_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects ON DELETE CASCADE;
