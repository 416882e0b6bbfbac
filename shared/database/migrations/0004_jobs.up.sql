-- A job row is the truth and the outbox. Its moves are listed in shared/jobs/states.py.
CREATE TABLE jobs (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind             text        NOT NULL CHECK (kind IN ('import', 'export')),
    state            text        NOT NULL DEFAULT 'queued'
                     CHECK (state IN ('queued', 'running', 'finished', 'failed', 'canceled')),
    project_id       bigint      NOT NULL REFERENCES projects ON DELETE CASCADE,
    user_id          bigint      REFERENCES users ON DELETE SET NULL,
    correlation_id   text        NOT NULL,
    payload          jsonb       NOT NULL DEFAULT '{}',
    -- The uploaded archive of an import.
    object_id        bigint      REFERENCES objects ON DELETE SET NULL,
    -- The snapshot that an import writes, or that an export reads from its first attempt on.
    snapshot_id      bigint      REFERENCES snapshots ON DELETE SET NULL,
    attempt          integer     NOT NULL DEFAULT 0,
    max_attempts     integer     NOT NULL,
    not_before       timestamptz NOT NULL DEFAULT now(),
    published_at     timestamptz,
    -- The fencing token: it grows with every claim, and every write of the job names it.
    lease            bigint      NOT NULL DEFAULT 0,
    lease_expires_at timestamptz,
    worker           text,
    progress         jsonb       NOT NULL DEFAULT '{}',
    error            text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    finished_at      timestamptz,
    CHECK ((state = 'running') = (lease_expires_at IS NOT NULL)),
    CHECK ((state IN ('finished', 'failed', 'canceled')) = (finished_at IS NOT NULL))
);
CREATE INDEX jobs_project ON jobs (project_id, kind, id DESC);
CREATE INDEX jobs_queued ON jobs (not_before) WHERE state = 'queued';
CREATE INDEX jobs_leases ON jobs (lease_expires_at) WHERE state = 'running';
CREATE INDEX jobs_object ON jobs (object_id);
CREATE INDEX jobs_snapshot ON jobs (snapshot_id);

CREATE TABLE failed_relations (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id               bigint      NOT NULL REFERENCES jobs ON DELETE CASCADE,
    -- The claim that found it: only those of the job's last claim count.
    lease                bigint      NOT NULL,
    relation             text        NOT NULL,
    line_number          bigint,
    source               text        NOT NULL,
    exception_class      text        NOT NULL,
    exception_message    text        NOT NULL,
    external_identifiers jsonb       NOT NULL DEFAULT '{}',
    created_at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX failed_relations_job ON failed_relations (job_id, id DESC);

-- A finished export. GitLab keeps one for each user and project; a new request removes it.
CREATE TABLE archives (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id bigint      NOT NULL REFERENCES projects ON DELETE CASCADE,
    user_id    bigint      NOT NULL REFERENCES users ON DELETE CASCADE,
    job_id     bigint      NOT NULL REFERENCES jobs ON DELETE CASCADE,
    object_id  bigint      NOT NULL REFERENCES objects,
    file_name  text        NOT NULL,
    size       bigint      NOT NULL,
    sha256     bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX archives_owner ON archives (project_id, user_id);
CREATE INDEX archives_object ON archives (object_id);
CREATE INDEX archives_expiry ON archives (expires_at);
CREATE INDEX archives_job ON archives (job_id);
