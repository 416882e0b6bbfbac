-- An import of all that GitHub has of a repository is a kind of its own, with slots of its own.
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check, ADD CONSTRAINT jobs_kind_check
    CHECK (kind IN ('import', 'export', 'relation_import', 'upload', 'remote_import', 'small_import', 'git_import',
                    'github_import'));
