-- When which projects are backed up where. A schedule is due at next_run_at; it is paused where that is null.
CREATE TABLE schedules (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id        bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    destination_id bigint NOT NULL REFERENCES destinations,
    name           text NOT NULL,
    cron           text NOT NULL,
    time_zone      text NOT NULL,
    selection      jsonb NOT NULL,
    retention      jsonb NOT NULL,
    next_run_at    timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX schedules_name ON schedules (user_id, lower(name));
CREATE INDEX schedules_destination ON schedules (destination_id);
CREATE INDEX schedules_due ON schedules (next_run_at) WHERE next_run_at IS NOT NULL;

-- A run of a schedule: one for each time that it is due, whoever sees first that it is, and one at a time. missed
-- counts the earlier times that it stands for.
CREATE TABLE schedule_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule_id bigint NOT NULL REFERENCES schedules ON DELETE CASCADE,
    due_at      timestamptz NOT NULL,
    cause       text NOT NULL,
    missed      integer NOT NULL DEFAULT 0,
    state       text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'closing', 'finished', 'partial', 'failed', 'canceled')),
    is_canceled boolean NOT NULL DEFAULT false,
    error       text,
    error_code  text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    finished_at timestamptz,
    UNIQUE (schedule_id, due_at),
    CHECK ((state IN ('finished', 'partial', 'failed', 'canceled')) = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX schedule_runs_open ON schedule_runs (schedule_id) WHERE finished_at IS NULL;
CREATE INDEX schedule_runs_finished ON schedule_runs (finished_at) WHERE finished_at IS NOT NULL;

-- What came of each project in a run. The row outlives the project and the job of its backup.
CREATE TABLE run_projects (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id          bigint NOT NULL REFERENCES schedule_runs ON DELETE CASCADE,
    project_id      bigint,
    path            text NOT NULL,
    state           text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'queued', 'done', 'skipped', 'failed', 'canceled')),
    job_id          bigint REFERENCES jobs ON DELETE SET NULL,
    why             text,
    code            text,
    file            text,
    size            bigint,
    sha256          bytea,
    manifest_sha256 bytea,
    finished_at     timestamptz,
    UNIQUE (run_id, path)
);
CREATE INDEX run_projects_state ON run_projects (run_id, state, id);
CREATE INDEX run_projects_job ON run_projects (job_id) WHERE job_id IS NOT NULL;

-- The archives that schedules have sent. A row without stored_at holds the name of one on its way. last_activity_at
-- is what the project had when the archive was planned: where it has not changed, nothing has.
CREATE TABLE backups (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    destination_id   bigint NOT NULL REFERENCES destinations ON DELETE CASCADE,
    schedule_id      bigint REFERENCES schedules ON DELETE SET NULL,
    run_project_id   bigint REFERENCES run_projects ON DELETE SET NULL,
    project_id       bigint NOT NULL,
    path             text NOT NULL,
    file             text NOT NULL,
    made_at          timestamptz NOT NULL,
    last_activity_at timestamptz,
    size             bigint,
    sha256           bytea,
    manifest_sha256  bytea,
    stored_at        timestamptz,
    UNIQUE (destination_id, file)
);
CREATE INDEX backups_project ON backups (schedule_id, project_id, made_at);
CREATE INDEX backups_run_project ON backups (run_project_id) WHERE run_project_id IS NOT NULL;
CREATE INDEX backups_on_their_way ON backups (schedule_id) WHERE stored_at IS NULL;

-- A backup is a kind of its own, with slots of its own.
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check, ADD CONSTRAINT jobs_kind_check
    CHECK (kind IN ('import', 'export', 'relation_import', 'upload', 'remote_import', 'small_import', 'git_import',
                    'github_import', 'peer_import', 'backup'));
