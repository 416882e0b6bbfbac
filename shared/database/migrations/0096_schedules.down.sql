DELETE FROM jobs WHERE kind = 'backup';
DELETE FROM job_turns WHERE kind = 'backup';
DELETE FROM job_workers WHERE kind = 'backup';
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check, ADD CONSTRAINT jobs_kind_check
    CHECK (kind IN ('import', 'export', 'relation_import', 'upload', 'remote_import', 'small_import', 'git_import',
                    'github_import', 'peer_import'));
DROP TABLE backups, run_projects, schedule_runs, schedules;
