-- To send a project to another GitLab or Crossdock is a kind of job of its own, with slots of its own.
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check, ADD CONSTRAINT jobs_kind_check
    CHECK (kind IN ('import', 'export', 'relation_import', 'upload', 'remote_import', 'small_import', 'git_import',
                    'github_import', 'peer_import', 'backup', 'peer_export'));

-- The bytes of the archive that was sent.
ALTER TABLE peer_transfers ADD COLUMN size bigint NOT NULL DEFAULT 0;
