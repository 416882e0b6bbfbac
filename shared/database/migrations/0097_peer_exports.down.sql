-- Versions before have no such job, and nothing that would do it.
DELETE FROM jobs WHERE kind = 'peer_export';
DELETE FROM job_turns WHERE kind = 'peer_export';
DELETE FROM job_workers WHERE kind = 'peer_export';
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check, ADD CONSTRAINT jobs_kind_check
    CHECK (kind IN ('import', 'export', 'relation_import', 'upload', 'remote_import', 'small_import', 'git_import',
                    'github_import', 'peer_import', 'backup'));
ALTER TABLE peer_transfers DROP COLUMN size;
