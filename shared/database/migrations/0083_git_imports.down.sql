-- Versions before have no such import: a queued one fails there, as what it finds at its address is no archive.
UPDATE jobs SET kind = 'remote_import', published_at = NULL WHERE kind = 'git_import';
DELETE FROM job_turns WHERE kind = 'git_import';
DELETE FROM job_workers WHERE kind = 'git_import';
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check, ADD CONSTRAINT jobs_kind_check
    CHECK (kind IN ('import', 'export', 'relation_import', 'upload', 'remote_import', 'small_import'));
