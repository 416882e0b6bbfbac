-- An import of a project that another GitLab or Crossdock exports is a kind of its own, with slots of its own.
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check, ADD CONSTRAINT jobs_kind_check
    CHECK (kind IN ('import', 'export', 'relation_import', 'upload', 'remote_import', 'small_import', 'git_import',
                    'github_import', 'peer_import'));

-- How far a job has come at that server, so that it goes on there whatever ended an attempt.
CREATE TABLE peer_transfers (
    job_id    bigint PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    begun_at  timestamptz NOT NULL DEFAULT now(),
    heard_at  timestamptz NOT NULL DEFAULT now(),
    asked_at  timestamptz,
    asks      integer NOT NULL DEFAULT 0,
    remote_id bigint
);
