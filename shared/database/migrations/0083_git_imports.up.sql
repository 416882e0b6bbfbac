-- An import of a repository by git's protocol is a kind of its own, with slots of its own.
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check, ADD CONSTRAINT jobs_kind_check
    CHECK (kind IN ('import', 'export', 'relation_import', 'upload', 'remote_import', 'small_import', 'git_import'));
