-- An upload that has not ended becomes an export with an upload, which makes its archive anew.
DELETE FROM jobs WHERE kind = 'upload' AND finished_at IS NOT NULL;
UPDATE jobs SET kind = 'export', object_id = NULL WHERE kind = 'upload';
ALTER TABLE jobs DROP COLUMN parent_id, DROP CONSTRAINT jobs_kind_check,
    ADD CONSTRAINT jobs_kind_check CHECK (kind IN ('import', 'export', 'relation_import'));
