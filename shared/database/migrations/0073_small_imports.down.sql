-- Queued ones are published anew, to the queue of imports.
UPDATE jobs SET kind = 'import', published_at = NULL WHERE kind = 'small_import';
DELETE FROM job_turns WHERE kind = 'small_import';
DELETE FROM job_workers WHERE kind = 'small_import';
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check, ADD CONSTRAINT jobs_kind_check
    CHECK (kind IN ('import', 'export', 'relation_import', 'upload', 'remote_import'));
