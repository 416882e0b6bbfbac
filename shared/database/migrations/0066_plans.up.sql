-- The first table that transactions of services lock of those below: no deadlock with them.
LOCK TABLE projects IN ACCESS EXCLUSIVE MODE;
-- A finished export is a plan: a snapshot, with what precedes and follows its body. One that an older version
-- made is an object. A head that is long is an object, too.
ALTER TABLE archives ALTER COLUMN object_id DROP NOT NULL, ALTER COLUMN sha256 DROP NOT NULL,
    ADD COLUMN snapshot_id bigint REFERENCES snapshots, ADD COLUMN head bytea, ADD COLUMN tail bytea,
    ADD COLUMN crc32 bigint, ADD COLUMN etag text;
CREATE INDEX archives_snapshot ON archives (snapshot_id);
-- When an export last asked the store for the object.
ALTER TABLE objects ADD COLUMN seen_at timestamptz;
-- Until when somebody reads the snapshot, whatever becomes of its project meanwhile.
ALTER TABLE snapshots ADD COLUMN read_until timestamptz, ALTER COLUMN project_id DROP NOT NULL,
    DROP CONSTRAINT snapshots_project_id_fkey,
    ADD CONSTRAINT snapshots_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects ON DELETE SET NULL;
