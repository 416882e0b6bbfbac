-- The schema of today, made from the migrations by `make schema`: do not edit it. Tables are in the order of
-- their making; above each are the migrations that say why it is so. The functions that triggers call are in
-- functions.sql.


-- 0001_accounts, 0011_bots_and_visible_groups, 0014_projects_limit, 0114_blocked_users
CREATE TABLE users (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    username       text NOT NULL,
    name           text NOT NULL,
    email          text,
    is_admin       boolean NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT now(),
    bot            boolean NOT NULL DEFAULT false,
    projects_limit integer NOT NULL DEFAULT 100000,
    blocked        boolean NOT NULL DEFAULT false,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_projects_limit_check CHECK (projects_limit >= 0)
);
CREATE UNIQUE INDEX users_username ON users (lower(username));


-- 0001_accounts, 0023_tokens_of_user, 0112_openid_connect
CREATE TABLE tokens (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    user_id     bigint NOT NULL,
    name        text NOT NULL,
    digest      bytea NOT NULL,
    scopes      text[] NOT NULL DEFAULT '{api}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    revoked_at  timestamptz,
    for_session boolean NOT NULL DEFAULT false,
    CONSTRAINT tokens_pkey PRIMARY KEY (id),
    CONSTRAINT tokens_digest_key UNIQUE (digest),
    CONSTRAINT tokens_digest_check CHECK (length(digest) = 32),
    CONSTRAINT tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE INDEX tokens_for_session ON tokens (id)
    WHERE for_session;
CREATE INDEX tokens_user ON tokens (user_id);


-- 0001_accounts, 0007_project_archived, 0011_bots_and_visible_groups
CREATE TABLE namespaces (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    kind        text NOT NULL,
    parent_id   bigint,
    owner_id    bigint,
    path        text NOT NULL,
    name        text NOT NULL,
    full_path   text NOT NULL,
    full_name   text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    description text NOT NULL DEFAULT '',
    visibility  smallint NOT NULL DEFAULT 0,
    CONSTRAINT namespaces_pkey PRIMARY KEY (id),
    CONSTRAINT namespaces_owner_id_key UNIQUE (owner_id),
    CONSTRAINT namespaces_check CHECK ((kind = 'user') = (owner_id IS NOT NULL)),
    CONSTRAINT namespaces_check1 CHECK (kind = 'group' OR parent_id IS NULL),
    CONSTRAINT namespaces_check2 CHECK (kind = 'group' OR visibility = 20),
    CONSTRAINT namespaces_kind_check CHECK (kind IN ('user', 'group')),
    CONSTRAINT namespaces_visibility_check CHECK (visibility IN (0, 10, 20)),
    CONSTRAINT namespaces_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users(id) ON DELETE CASCADE,
    CONSTRAINT namespaces_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES namespaces(id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX namespaces_full_path ON namespaces (lower(full_path));
CREATE INDEX namespaces_parent ON namespaces (parent_id);
CREATE TRIGGER limit_visibility BEFORE INSERT OR UPDATE OF parent_id, visibility ON namespaces
    FOR EACH ROW EXECUTE FUNCTION limit_visibility();
CREATE TRIGGER place_namespace BEFORE INSERT OR UPDATE OF parent_id, path, name ON namespaces
    FOR EACH ROW EXECUTE FUNCTION place_namespace();


-- 0002_projects, 0003_snapshots, 0007_project_archived, 0066_plans, 0090_last_activity
CREATE TABLE projects (
    id               bigint GENERATED ALWAYS AS IDENTITY,
    namespace_id     bigint NOT NULL,
    creator_id       bigint,
    path             text NOT NULL,
    name             text NOT NULL,
    description      text,
    visibility       smallint NOT NULL DEFAULT 0,
    overrides        jsonb NOT NULL DEFAULT '{}',
    created_at       timestamptz NOT NULL DEFAULT now(),
    snapshot_id      bigint,
    archived         boolean NOT NULL DEFAULT false,
    last_activity_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT projects_pkey PRIMARY KEY (id),
    CONSTRAINT projects_visibility_check CHECK (visibility IN (0, 10, 20)),
    CONSTRAINT projects_creator_id_fkey FOREIGN KEY (creator_id) REFERENCES users(id) ON DELETE SET NULL,
    CONSTRAINT projects_namespace_id_fkey FOREIGN KEY (namespace_id) REFERENCES namespaces(id) ON DELETE CASCADE,
    CONSTRAINT projects_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE SET NULL
);
CREATE UNIQUE INDEX projects_name ON projects (namespace_id, name);
CREATE UNIQUE INDEX projects_path ON projects (namespace_id, lower(path));
CREATE INDEX projects_snapshot ON projects (snapshot_id);
CREATE TRIGGER place_project BEFORE INSERT OR UPDATE OF namespace_id, path ON projects
    FOR EACH ROW EXECUTE FUNCTION place_project();
CREATE TRIGGER touch_project BEFORE UPDATE ON projects
    FOR EACH ROW WHEN (old.* IS DISTINCT FROM new.*) EXECUTE FUNCTION touch_project();


-- 0002_projects, 0007_project_archived, 0031_what_a_project_hides
CREATE TABLE memberships (
    user_id      bigint NOT NULL,
    namespace_id bigint,
    project_id   bigint,
    access_level smallint NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   date,
    CONSTRAINT memberships_user_id_namespace_id_key UNIQUE (user_id, namespace_id),
    CONSTRAINT memberships_user_id_project_id_key UNIQUE (user_id, project_id),
    CONSTRAINT memberships_access_level_check CHECK (access_level IN (10, 15, 20, 30, 40, 50)),
    CONSTRAINT memberships_check CHECK (num_nonnulls(namespace_id, project_id) = 1),
    CONSTRAINT memberships_namespace_id_fkey FOREIGN KEY (namespace_id) REFERENCES namespaces(id) ON DELETE CASCADE,
    CONSTRAINT memberships_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE,
    CONSTRAINT memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE INDEX memberships_namespace ON memberships (namespace_id);
CREATE INDEX memberships_project ON memberships (project_id);


-- 0003_snapshots, 0064_block_checksums, 0066_plans, 0076_damaged_objects
CREATE TABLE objects (
    id         bigint GENERATED ALWAYS AS IDENTITY,
    key        text NOT NULL,
    kind       text NOT NULL,
    state      text NOT NULL DEFAULT 'writing',
    size       bigint,
    sha256     bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    touched_at timestamptz NOT NULL DEFAULT now(),
    crc32s     bytea,
    seen_at    timestamptz,
    CONSTRAINT objects_pkey PRIMARY KEY (id),
    CONSTRAINT objects_key_key UNIQUE (key),
    CONSTRAINT objects_check CHECK (state <> 'stored' OR size IS NOT NULL),
    CONSTRAINT objects_kind_check CHECK (kind IN ('upload', 'pack', 'blob', 'archive')),
    CONSTRAINT objects_state_check CHECK (state IN ('writing', 'stored', 'damaged', 'deleting'))
);
CREATE UNIQUE INDEX objects_blob ON objects (sha256)
    WHERE kind = 'blob' AND state = 'stored';
CREATE INDEX objects_touched ON objects (touched_at);
CREATE TRIGGER suspect_new_objects AFTER INSERT ON objects REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION suspect_new_objects();


-- 0003_snapshots, 0017_pushes, 0031_what_a_project_hides, 0065_runs, 0066_plans, 0072_manifests, 0086_snapshot_people
CREATE TABLE snapshots (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    project_id     bigint,
    created_at     timestamptz NOT NULL DEFAULT now(),
    committed_at   timestamptz,
    part_of        bigint,
    features       jsonb,
    layout         smallint,
    body_size      bigint,
    body_raw_size  bigint,
    body_crc32     bigint,
    entries        bigint,
    document       bytea,
    read_until     timestamptz,
    content_sha256 bytea,
    people         bigint,
    CONSTRAINT snapshots_pkey PRIMARY KEY (id),
    CONSTRAINT snapshots_part_of_fkey FOREIGN KEY (part_of) REFERENCES snapshots(id) ON DELETE CASCADE,
    CONSTRAINT snapshots_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE SET NULL
);
CREATE INDEX snapshots_part_of ON snapshots (part_of);
CREATE INDEX snapshots_project ON snapshots (project_id);


-- 0003_snapshots, 0069_entries_in_order
CREATE TABLE entries (
    snapshot_id bigint NOT NULL,
    name        text COLLATE "C" NOT NULL,
    kind        text NOT NULL,
    mtime       bigint NOT NULL,
    object_id   bigint,
    position    bigint NOT NULL DEFAULT 0,
    stored_size bigint NOT NULL DEFAULT 0,
    raw_size    bigint NOT NULL DEFAULT 0,
    crc32       bigint NOT NULL DEFAULT 0,
    sha256      bytea,
    lines       bigint NOT NULL DEFAULT 0,
    CONSTRAINT entries_pkey PRIMARY KEY (snapshot_id, name),
    CONSTRAINT entries_check CHECK (raw_size = 0 OR object_id IS NOT NULL),
    CONSTRAINT entries_kind_check CHECK (kind IN ('directory', 'relation', 'blob')),
    CONSTRAINT entries_object_id_fkey FOREIGN KEY (object_id) REFERENCES objects(id),
    CONSTRAINT entries_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE CASCADE
);
CREATE INDEX entries_object ON entries (object_id, "position");
CREATE TRIGGER suspect_objects AFTER DELETE ON entries REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION suspect_objects();


-- 0003_snapshots, 0008_relation_exports
CREATE TABLE segments (
    snapshot_id bigint NOT NULL,
    name        text COLLATE "C" NOT NULL,
    first_line  bigint NOT NULL,
    lines       bigint NOT NULL,
    position    bigint NOT NULL,
    stored_size bigint NOT NULL,
    raw_size    bigint NOT NULL,
    crc32       bigint NOT NULL,
    CONSTRAINT segments_pkey PRIMARY KEY (snapshot_id, name, first_line, "position"),
    CONSTRAINT segments_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE CASCADE
);


-- 0004_jobs, 0009_job_outcome, 0010_relation_imports, 0015_job_lists_and_idempotency, 0016_events, 0020_job_error_code, 0021_fair_claims, 0022_job_retention, 0061_uploads, 0062_kept_addresses, 0063_remote_imports, 0073_small_imports, 0074_attempt_errors, 0075_jobs_by_error, 0079_overwrites_left, 0083_git_imports, 0084_github_imports, 0095_peer_imports, 0096_schedules, 0097_peer_exports, 0107_jobs_by_kind, 0110_resumable_uploads, 0115_moves_of_jobs, 0117_former_jobs
CREATE TABLE jobs (
    id                bigint GENERATED ALWAYS AS IDENTITY,
    kind              text NOT NULL,
    state             text NOT NULL DEFAULT 'queued',
    project_id        bigint NOT NULL,
    user_id           bigint,
    correlation_id    text NOT NULL,
    payload           jsonb NOT NULL DEFAULT '{}',
    object_id         bigint,
    snapshot_id       bigint,
    attempt           integer NOT NULL DEFAULT 0,
    max_attempts      integer NOT NULL,
    not_before        timestamptz NOT NULL DEFAULT now(),
    published_at      timestamptz,
    lease             bigint NOT NULL DEFAULT 0,
    lease_expires_at  timestamptz,
    worker            text,
    progress          jsonb NOT NULL DEFAULT '{}',
    error             text,
    created_at        timestamptz NOT NULL DEFAULT now(),
    started_at        timestamptz,
    finished_at       timestamptz,
    outcome           jsonb,
    traceparent       text,
    error_code        text,
    parent_id         bigint,
    errors            jsonb NOT NULL DEFAULT '[]',
    upload_id         bigint,
    canceled_by       bigint,
    retry_of          bigint,
    former_project_id bigint,
    CONSTRAINT jobs_pkey PRIMARY KEY (id),
    CONSTRAINT jobs_check CHECK ((state = 'running') = (lease_expires_at IS NOT NULL)),
    CONSTRAINT jobs_check1 CHECK ((state IN ('finished', 'failed', 'canceled')) = (finished_at IS NOT NULL)),
    CONSTRAINT jobs_kind_check CHECK (kind IN ('import', 'export', 'relation_import', 'upload', 'remote_import', 'small_import', 'git_import', 'github_import', 'peer_import', 'backup', 'peer_export')),
    CONSTRAINT jobs_state_check CHECK (state IN ('queued', 'running', 'finished', 'failed', 'canceled')),
    CONSTRAINT jobs_object_id_fkey FOREIGN KEY (object_id) REFERENCES objects(id) ON DELETE SET NULL,
    CONSTRAINT jobs_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES jobs(id) ON DELETE SET NULL,
    CONSTRAINT jobs_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE,
    CONSTRAINT jobs_retry_of_fkey FOREIGN KEY (retry_of) REFERENCES jobs(id) ON DELETE SET NULL,
    CONSTRAINT jobs_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE SET NULL,
    CONSTRAINT jobs_upload_id_fkey FOREIGN KEY (upload_id) REFERENCES uploads(id) ON DELETE SET NULL,
    CONSTRAINT jobs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE SET NULL
);
CREATE INDEX jobs_addresses ON jobs (id)
    WHERE COALESCE(payload #>> '{source,url}', payload #>> '{upload,url}') IS NOT NULL;
CREATE INDEX jobs_claims ON jobs (kind, COALESCE(user_id, 0::bigint), not_before, id)
    WHERE state = 'queued';
CREATE INDEX jobs_finished ON jobs (finished_at, id)
    WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_in_state ON jobs (state, (- id));
CREATE INDEX jobs_leases ON jobs (lease_expires_at)
    WHERE state = 'running';
CREATE INDEX jobs_object ON jobs (object_id);
CREATE INDEX jobs_of_error ON jobs (error_code, (- id))
    WHERE error_code IS NOT NULL;
CREATE INDEX jobs_of_kind ON jobs (kind, state, (- id));
CREATE INDEX jobs_of_project ON jobs (project_id, (- id));
CREATE INDEX jobs_of_user ON jobs (user_id, (- id));
CREATE INDEX jobs_overwrites ON jobs (finished_at)
    WHERE (payload ->> 'replaces') IS NOT NULL AND (state IN ('failed', 'canceled'));
CREATE INDEX jobs_parent ON jobs (parent_id)
    WHERE parent_id IS NOT NULL;
CREATE INDEX jobs_project ON jobs (project_id, kind, id DESC);
CREATE INDEX jobs_queued ON jobs (not_before)
    WHERE state = 'queued';
CREATE UNIQUE INDEX jobs_relation_import ON jobs (project_id)
    WHERE kind = 'relation_import' AND (state IN ('queued', 'running'));
CREATE INDEX jobs_retries ON jobs (retry_of)
    WHERE retry_of IS NOT NULL;
CREATE INDEX jobs_running ON jobs (kind, COALESCE(user_id, 0::bigint))
    WHERE state = 'running';
CREATE INDEX jobs_snapshot ON jobs (snapshot_id);
CREATE INDEX jobs_upload ON jobs (upload_id)
    WHERE upload_id IS NOT NULL;
CREATE TRIGGER delete_github_pages AFTER UPDATE OF state ON jobs
    FOR EACH ROW WHEN (new.kind = 'github_import' AND old.finished_at IS NULL AND new.finished_at IS NOT NULL) EXECUTE FUNCTION delete_github_pages();
CREATE TRIGGER write_event_of_deleted_job AFTER DELETE ON jobs
    FOR EACH ROW WHEN (old.finished_at IS NULL) EXECUTE FUNCTION write_event_of_deleted_job();
CREATE TRIGGER write_job_event AFTER INSERT OR UPDATE OF state, progress ON jobs
    FOR EACH ROW EXECUTE FUNCTION write_job_event();
CREATE TRIGGER write_last_word AFTER DELETE ON jobs
    FOR EACH ROW EXECUTE FUNCTION write_last_word();


-- 0004_jobs, 0015_job_lists_and_idempotency
CREATE TABLE failed_relations (
    id                   bigint GENERATED ALWAYS AS IDENTITY,
    job_id               bigint NOT NULL,
    lease                bigint NOT NULL,
    relation             text NOT NULL,
    line_number          bigint,
    source               text NOT NULL,
    exception_class      text NOT NULL,
    exception_message    text NOT NULL,
    external_identifiers jsonb NOT NULL DEFAULT '{}',
    created_at           timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT failed_relations_pkey PRIMARY KEY (id),
    CONSTRAINT failed_relations_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs(id) ON DELETE CASCADE
);
CREATE INDEX failed_relations_job ON failed_relations (job_id, lease, id);


-- 0004_jobs, 0013_archives_of_jobs, 0066_plans, 0067_digests, 0068_archive_seal, 0072_manifests
CREATE TABLE archives (
    id              bigint GENERATED ALWAYS AS IDENTITY,
    project_id      bigint NOT NULL,
    user_id         bigint NOT NULL,
    job_id          bigint NOT NULL,
    object_id       bigint,
    file_name       text NOT NULL,
    size            bigint NOT NULL,
    sha256          bytea,
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    snapshot_id     bigint,
    head            bytea,
    tail            bytea,
    crc32           bigint,
    etag            text,
    read_after      timestamptz NOT NULL DEFAULT now(),
    documents       text,
    manifest_sha256 bytea,
    CONSTRAINT archives_pkey PRIMARY KEY (id),
    CONSTRAINT archives_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs(id) ON DELETE CASCADE,
    CONSTRAINT archives_object_id_fkey FOREIGN KEY (object_id) REFERENCES objects(id),
    CONSTRAINT archives_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE,
    CONSTRAINT archives_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id),
    CONSTRAINT archives_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE INDEX archives_etag ON archives (etag);
CREATE INDEX archives_expiry ON archives (expires_at);
CREATE UNIQUE INDEX archives_job ON archives (job_id);
CREATE INDEX archives_object ON archives (object_id);
CREATE INDEX archives_owner ON archives (project_id, user_id, job_id DESC);
CREATE INDEX archives_snapshot ON archives (snapshot_id);
CREATE INDEX archives_unread ON archives (read_after)
    WHERE sha256 IS NULL;
CREATE TRIGGER suspect_objects AFTER DELETE ON archives REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION suspect_objects();


-- 0005_rate_limits
CREATE UNLOGGED TABLE rate_limits (
    key        text NOT NULL,
    window_end timestamptz NOT NULL,
    used       integer NOT NULL,
    CONSTRAINT rate_limits_pkey PRIMARY KEY (key)
);


-- 0006_application_settings
CREATE TABLE application_settings (
    name       text NOT NULL,
    value      jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT application_settings_pkey PRIMARY KEY (name)
);


-- 0007_project_archived
CREATE TABLE old_paths (
    full_path  text NOT NULL,
    project_id bigint NOT NULL,
    CONSTRAINT old_paths_pkey PRIMARY KEY (full_path),
    CONSTRAINT old_paths_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE
);
CREATE INDEX old_paths_project ON old_paths (project_id);


-- 0008_relation_exports, 0070_relation_archives
CREATE TABLE relation_exports (
    project_id  bigint NOT NULL,
    user_id     bigint NOT NULL,
    snapshot_id bigint,
    batched     boolean NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    archives    jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT relation_exports_pkey PRIMARY KEY (project_id, user_id),
    CONSTRAINT relation_exports_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE,
    CONSTRAINT relation_exports_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE CASCADE,
    CONSTRAINT relation_exports_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE INDEX relation_exports_snapshot ON relation_exports (snapshot_id);
CREATE INDEX relation_exports_user ON relation_exports (user_id);


-- 0012_web_sessions, 0108_listed_sessions
CREATE TABLE web_sessions (
    digest       bytea NOT NULL,
    token_id     bigint NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    id           bigint GENERATED ALWAYS AS IDENTITY,
    last_used_at timestamptz NOT NULL DEFAULT now(),
    renewed_at   timestamptz NOT NULL DEFAULT now(),
    former       bytea,
    address      text,
    browser      text,
    CONSTRAINT web_sessions_pkey PRIMARY KEY (digest),
    CONSTRAINT web_sessions_former_key UNIQUE (former),
    CONSTRAINT web_sessions_id_key UNIQUE (id),
    CONSTRAINT web_sessions_digest_check CHECK (length(digest) = 32),
    CONSTRAINT web_sessions_former_check CHECK (length(former) = 32),
    CONSTRAINT web_sessions_token_id_fkey FOREIGN KEY (token_id) REFERENCES tokens(id) ON DELETE CASCADE
);
CREATE INDEX web_sessions_expiry ON web_sessions (expires_at);
CREATE INDEX web_sessions_token ON web_sessions (token_id);


-- 0015_job_lists_and_idempotency, 0078_life_of_key_holders
CREATE TABLE idempotency_keys (
    digest       bytea NOT NULL,
    user_id      bigint NOT NULL,
    fingerprint  bytea NOT NULL,
    content      bytea,
    holder       uuid NOT NULL,
    locked_until timestamptz NOT NULL,
    status       integer,
    headers      jsonb,
    body         bytea,
    expires_at   timestamptz NOT NULL,
    life         integer,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (digest),
    CONSTRAINT idempotency_keys_digest_check CHECK (length(digest) = 32),
    CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
CREATE INDEX idempotency_keys_user ON idempotency_keys (user_id);


-- 0016_events
CREATE TABLE events (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    name           text NOT NULL,
    job_id         bigint NOT NULL,
    project_id     bigint NOT NULL,
    subject        text NOT NULL,
    correlation_id text NOT NULL,
    traceparent    text,
    data           jsonb NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at   timestamptz,
    CONSTRAINT events_pkey PRIMARY KEY (id)
);
CREATE INDEX events_job ON events (job_id, id);
CREATE INDEX events_published ON events (published_at);
CREATE INDEX events_unpublished ON events (id)
    WHERE published_at IS NULL;
CREATE TRIGGER queue_webhook_deliveries AFTER INSERT ON events
    FOR EACH ROW EXECUTE FUNCTION queue_webhook_deliveries();


-- 0016_events
CREATE TABLE commands (
    user_id    bigint NOT NULL,
    source     text NOT NULL,
    message_id text NOT NULL,
    digest     bytea NOT NULL,
    answer     jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT commands_pkey PRIMARY KEY (user_id, source, message_id),
    CONSTRAINT commands_digest_check CHECK (length(digest) = 32),
    CONSTRAINT commands_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE INDEX commands_created ON commands (created_at);


-- 0017_pushes
CREATE TABLE pushes (
    snapshot_id bigint NOT NULL,
    base_id     bigint,
    entries     bigint NOT NULL DEFAULT 0,
    raw_size    bigint NOT NULL DEFAULT 0,
    changes     bigint NOT NULL DEFAULT 0,
    attributes  jsonb,
    expires_at  timestamptz NOT NULL,
    CONSTRAINT pushes_pkey PRIMARY KEY (snapshot_id),
    CONSTRAINT pushes_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE CASCADE
);


-- 0018_webhooks, 0042_sealed_webhooks, 0051_slow_webhooks
CREATE TABLE webhooks (
    id                bigint GENERATED ALWAYS AS IDENTITY,
    project_id        bigint,
    url               text NOT NULL DEFAULT '',
    events            text[] NOT NULL,
    description       text NOT NULL DEFAULT '',
    secret            bytea NOT NULL DEFAULT '\x'::bytea,
    old_secret        bytea,
    old_secret_until  timestamptz,
    disabled_reason   text,
    created_at        timestamptz NOT NULL DEFAULT now(),
    failures          integer NOT NULL DEFAULT 0,
    failing_since     timestamptz,
    resume_at         timestamptz NOT NULL DEFAULT now(),
    sender            uuid,
    sending_until     timestamptz NOT NULL DEFAULT now(),
    shown_url         text,
    sealed_url        bytea,
    sealed_secret     bytea,
    sealed_old_secret bytea,
    timeouts          integer NOT NULL DEFAULT 0,
    CONSTRAINT webhooks_pkey PRIMARY KEY (id),
    CONSTRAINT webhooks_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE
);
CREATE INDEX webhooks_project ON webhooks (project_id, id);


-- 0018_webhooks
CREATE TABLE webhook_deliveries (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    webhook_id  bigint NOT NULL,
    job_id      bigint NOT NULL,
    event       jsonb NOT NULL,
    state       text NOT NULL DEFAULT 'pending',
    attempts    jsonb NOT NULL DEFAULT '[]',
    tries       integer NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL DEFAULT now(),
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_deliveries_state_check CHECK (state IN ('pending', 'delivered', 'failed')),
    CONSTRAINT webhook_deliveries_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES webhooks(id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_at, id)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_at);
CREATE INDEX webhook_deliveries_of_job ON webhook_deliveries (webhook_id, job_id, id)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, id);


-- 0021_fair_claims
CREATE TABLE job_turns (
    kind       text NOT NULL,
    user_id    bigint NOT NULL,
    last_claim bigint NOT NULL,
    CONSTRAINT job_turns_pkey PRIMARY KEY (kind, user_id)
);
CREATE INDEX job_turns_newest ON job_turns (kind, last_claim);


-- 0021_fair_claims, 0109_seen_services
CREATE TABLE job_workers (
    kind    text NOT NULL,
    name    text NOT NULL,
    slots   integer NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    version text,
    CONSTRAINT job_workers_pkey PRIMARY KEY (kind, name),
    CONSTRAINT job_workers_slots_check CHECK (slots > 0)
);


-- 0041_secrets_canary
CREATE TABLE secrets_canary (
    is_only boolean NOT NULL DEFAULT true,
    sealed  bytea NOT NULL,
    CONSTRAINT secrets_canary_pkey PRIMARY KEY (is_only),
    CONSTRAINT secrets_canary_is_only_check CHECK (is_only)
);


-- 0065_runs
CREATE TABLE runs (
    snapshot_id bigint NOT NULL,
    start       bigint NOT NULL,
    name        text COLLATE "C",
    lead        bytea NOT NULL,
    object_id   bigint,
    position    bigint NOT NULL,
    size        bigint NOT NULL,
    raw_size    bigint NOT NULL,
    crc32       bigint NOT NULL,
    CONSTRAINT runs_pkey PRIMARY KEY (snapshot_id, start),
    CONSTRAINT runs_check CHECK (size = 0 OR object_id IS NOT NULL),
    CONSTRAINT runs_object_id_fkey FOREIGN KEY (object_id) REFERENCES objects(id),
    CONSTRAINT runs_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE CASCADE
);
CREATE INDEX runs_object ON runs (object_id);
CREATE TRIGGER suspect_objects AFTER DELETE ON runs REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION suspect_objects();


-- 0071_packed_files
CREATE TABLE packed_files (
    snapshot_id bigint NOT NULL,
    object_id   bigint NOT NULL,
    position    bigint NOT NULL,
    size        bigint NOT NULL,
    raw_size    bigint NOT NULL,
    crc32       bigint NOT NULL,
    files       bigint NOT NULL,
    CONSTRAINT packed_files_pkey PRIMARY KEY (snapshot_id, object_id, "position"),
    CONSTRAINT packed_files_object_id_fkey FOREIGN KEY (object_id) REFERENCES objects(id) ON DELETE CASCADE,
    CONSTRAINT packed_files_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE CASCADE
);
CREATE INDEX packed_files_object ON packed_files (object_id);


-- 0077_scrub
CREATE TABLE scrub (
    is_only   boolean NOT NULL DEFAULT true,
    object_id bigint NOT NULL DEFAULT 0,
    position  bigint NOT NULL DEFAULT 0,
    began_at  timestamptz NOT NULL DEFAULT now(),
    ended_at  timestamptz,
    findings  bigint NOT NULL DEFAULT 0,
    CONSTRAINT scrub_pkey PRIMARY KEY (is_only),
    CONSTRAINT scrub_is_only_check CHECK (is_only)
);


-- 0080_suspects
CREATE TABLE suspects (
    id        bigint GENERATED ALWAYS AS IDENTITY,
    object_id bigint NOT NULL,
    due_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT suspects_pkey PRIMARY KEY (id)
);
CREATE INDEX suspects_due ON suspects (due_at);


-- 0081_last_words
CREATE TABLE last_words (
    job_id         bigint NOT NULL,
    name           text NOT NULL,
    project_id     bigint NOT NULL,
    subject        text NOT NULL,
    correlation_id text NOT NULL,
    traceparent    text,
    data           jsonb NOT NULL,
    created_at     timestamptz NOT NULL,
    first_at       timestamptz NOT NULL,
    started_at     timestamptz,
    CONSTRAINT last_words_pkey PRIMARY KEY (job_id)
);
CREATE INDEX last_words_age ON last_words (created_at);


-- 0085_github_pages
CREATE TABLE github_pages (
    job_id  bigint NOT NULL,
    list    text COLLATE "C" NOT NULL,
    page    integer NOT NULL,
    cursor  text NOT NULL,
    next    text,
    etag    text,
    items   integer NOT NULL,
    size    integer NOT NULL,
    fetched jsonb NOT NULL,
    error   text,
    body    bytea,
    CONSTRAINT github_pages_pkey PRIMARY KEY (job_id, list, page),
    CONSTRAINT github_pages_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs(id) ON DELETE CASCADE
);


-- 0086_snapshot_people
CREATE TABLE snapshot_people (
    snapshot_id  bigint NOT NULL,
    source_id    bigint NOT NULL,
    username     text,
    name         text,
    public_email text,
    records      jsonb NOT NULL,
    CONSTRAINT snapshot_people_pkey PRIMARY KEY (snapshot_id, source_id),
    CONSTRAINT snapshot_people_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE CASCADE
);


-- 0087_people_maps, 0088_people_maps_of_projects
CREATE TABLE people_maps (
    id           bigint GENERATED ALWAYS AS IDENTITY,
    namespace_id bigint,
    project_id   bigint,
    people       text NOT NULL,
    rows         integer NOT NULL,
    author       text NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT people_maps_pkey PRIMARY KEY (id),
    CONSTRAINT people_maps_namespace_id_key UNIQUE (namespace_id),
    CONSTRAINT people_maps_project_id_key UNIQUE (project_id),
    CONSTRAINT people_maps_check CHECK (num_nonnulls(project_id, namespace_id) = 1),
    CONSTRAINT people_maps_namespace_id_fkey FOREIGN KEY (namespace_id) REFERENCES namespaces(id) ON DELETE CASCADE,
    CONSTRAINT people_maps_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE
);


-- 0091_mapped_snapshots
CREATE TABLE mapped_snapshots (
    base_id     bigint NOT NULL,
    digest      bytea NOT NULL,
    snapshot_id bigint NOT NULL,
    CONSTRAINT mapped_snapshots_pkey PRIMARY KEY (base_id),
    CONSTRAINT mapped_snapshots_base_id_fkey FOREIGN KEY (base_id) REFERENCES snapshots(id) ON DELETE CASCADE,
    CONSTRAINT mapped_snapshots_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE CASCADE
);
CREATE INDEX mapped_snapshots_snapshot ON mapped_snapshots (snapshot_id);


-- 0092_selected_snapshots
CREATE TABLE selected_snapshots (
    base_id     bigint NOT NULL,
    digest      bytea NOT NULL,
    snapshot_id bigint NOT NULL,
    CONSTRAINT selected_snapshots_pkey PRIMARY KEY (base_id),
    CONSTRAINT selected_snapshots_base_id_fkey FOREIGN KEY (base_id) REFERENCES snapshots(id) ON DELETE CASCADE,
    CONSTRAINT selected_snapshots_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE CASCADE
);
CREATE INDEX selected_snapshots_snapshot ON selected_snapshots (snapshot_id);


-- 0093_quarantine
CREATE TABLE quarantined_lines (
    snapshot_id bigint NOT NULL,
    id          bigint NOT NULL,
    name        text COLLATE "C" NOT NULL,
    line        bigint NOT NULL,
    code        text NOT NULL,
    reason      text NOT NULL,
    size        bigint NOT NULL,
    bytes       bytea,
    CONSTRAINT quarantined_lines_pkey PRIMARY KEY (snapshot_id, id),
    CONSTRAINT quarantined_lines_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE CASCADE
);


-- 0094_destinations
CREATE TABLE destinations (
    id                 bigint GENERATED ALWAYS AS IDENTITY,
    user_id            bigint NOT NULL,
    name               text NOT NULL,
    kind               text NOT NULL,
    settings           jsonb NOT NULL,
    sealed_credentials bytea NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT destinations_pkey PRIMARY KEY (id),
    CONSTRAINT destinations_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX destinations_name ON destinations (user_id, lower(name));


-- 0095_peer_imports, 0097_peer_exports
CREATE TABLE peer_transfers (
    job_id    bigint NOT NULL,
    begun_at  timestamptz NOT NULL DEFAULT now(),
    heard_at  timestamptz NOT NULL DEFAULT now(),
    asked_at  timestamptz,
    asks      integer NOT NULL DEFAULT 0,
    remote_id bigint,
    size      bigint NOT NULL DEFAULT 0,
    CONSTRAINT peer_transfers_pkey PRIMARY KEY (job_id),
    CONSTRAINT peer_transfers_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs(id) ON DELETE CASCADE
);


-- 0096_schedules, 0100_peer_schedules, 0101_relations_of_schedules
CREATE TABLE schedules (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    user_id        bigint NOT NULL,
    destination_id bigint NOT NULL,
    name           text NOT NULL,
    cron           text NOT NULL,
    time_zone      text NOT NULL,
    selection      jsonb NOT NULL,
    retention      jsonb NOT NULL,
    next_run_at    timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    into_group     text,
    relations      jsonb,
    CONSTRAINT schedules_pkey PRIMARY KEY (id),
    CONSTRAINT schedules_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destinations(id),
    CONSTRAINT schedules_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE INDEX schedules_destination ON schedules (destination_id);
CREATE INDEX schedules_due ON schedules (next_run_at)
    WHERE next_run_at IS NOT NULL;
CREATE UNIQUE INDEX schedules_name ON schedules (user_id, lower(name));


-- 0096_schedules, 0116_cancelers_of_runs
CREATE TABLE schedule_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    schedule_id bigint NOT NULL,
    due_at      timestamptz NOT NULL,
    cause       text NOT NULL,
    missed      integer NOT NULL DEFAULT 0,
    state       text NOT NULL DEFAULT 'queued',
    is_canceled boolean NOT NULL DEFAULT false,
    error       text,
    error_code  text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    finished_at timestamptz,
    canceled_by bigint,
    CONSTRAINT schedule_runs_pkey PRIMARY KEY (id),
    CONSTRAINT schedule_runs_schedule_id_due_at_key UNIQUE (schedule_id, due_at),
    CONSTRAINT schedule_runs_check CHECK ((state IN ('finished', 'partial', 'failed', 'canceled')) = (finished_at IS NOT NULL)),
    CONSTRAINT schedule_runs_state_check CHECK (state IN ('queued', 'running', 'closing', 'finished', 'partial', 'failed', 'canceled')),
    CONSTRAINT schedule_runs_schedule_id_fkey FOREIGN KEY (schedule_id) REFERENCES schedules(id) ON DELETE CASCADE
);
CREATE INDEX schedule_runs_finished ON schedule_runs (finished_at)
    WHERE finished_at IS NOT NULL;
CREATE UNIQUE INDEX schedule_runs_open ON schedule_runs (schedule_id)
    WHERE finished_at IS NULL;
CREATE TRIGGER write_run_event AFTER UPDATE OF state ON schedule_runs
    FOR EACH ROW WHEN (old.state <> new.state) EXECUTE FUNCTION write_run_event();


-- 0096_schedules, 0100_peer_schedules, 0104_ages_of_backups
CREATE TABLE run_projects (
    id               bigint GENERATED ALWAYS AS IDENTITY,
    run_id           bigint NOT NULL,
    project_id       bigint,
    path             text NOT NULL,
    state            text NOT NULL DEFAULT 'waiting',
    job_id           bigint,
    why              text,
    code             text,
    file             text,
    size             bigint,
    sha256           bytea,
    manifest_sha256  bytea,
    finished_at      timestamptz,
    remote_id        bigint,
    last_activity_at timestamptz,
    CONSTRAINT run_projects_pkey PRIMARY KEY (id),
    CONSTRAINT run_projects_run_id_path_key UNIQUE (run_id, path),
    CONSTRAINT run_projects_state_check CHECK (state IN ('waiting', 'queued', 'done', 'skipped', 'failed', 'canceled')),
    CONSTRAINT run_projects_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs(id) ON DELETE SET NULL,
    CONSTRAINT run_projects_run_id_fkey FOREIGN KEY (run_id) REFERENCES schedule_runs(id) ON DELETE CASCADE
);
CREATE INDEX run_projects_good ON run_projects (project_id, finished_at)
    WHERE state IN ('done', 'skipped');
CREATE INDEX run_projects_job ON run_projects (job_id)
    WHERE job_id IS NOT NULL;
CREATE INDEX run_projects_state ON run_projects (run_id, state, id);


-- 0096_schedules, 0098_signed_backups, 0101_relations_of_schedules
CREATE TABLE backups (
    id               bigint GENERATED ALWAYS AS IDENTITY,
    destination_id   bigint NOT NULL,
    schedule_id      bigint,
    run_project_id   bigint,
    project_id       bigint NOT NULL,
    path             text NOT NULL,
    file             text NOT NULL,
    made_at          timestamptz NOT NULL,
    last_activity_at timestamptz,
    size             bigint,
    sha256           bytea,
    manifest_sha256  bytea,
    stored_at        timestamptz,
    signature        bytea,
    relations        jsonb,
    recipients       text[] NOT NULL DEFAULT '{}',
    encryption       jsonb,
    CONSTRAINT backups_pkey PRIMARY KEY (id),
    CONSTRAINT backups_destination_id_file_key UNIQUE (destination_id, file),
    CONSTRAINT backups_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destinations(id) ON DELETE CASCADE,
    CONSTRAINT backups_run_project_id_fkey FOREIGN KEY (run_project_id) REFERENCES run_projects(id) ON DELETE SET NULL,
    CONSTRAINT backups_schedule_id_fkey FOREIGN KEY (schedule_id) REFERENCES schedules(id) ON DELETE SET NULL
);
CREATE INDEX backups_on_their_way ON backups (schedule_id)
    WHERE stored_at IS NULL;
CREATE INDEX backups_project ON backups (schedule_id, project_id, made_at);
CREATE INDEX backups_run_project ON backups (run_project_id)
    WHERE run_project_id IS NOT NULL;


-- 0099_named_snapshots
CREATE TABLE named_snapshots (
    base_id     bigint NOT NULL,
    snapshot_id bigint,
    CONSTRAINT named_snapshots_pkey PRIMARY KEY (base_id),
    CONSTRAINT named_snapshots_base_id_fkey FOREIGN KEY (base_id) REFERENCES snapshots(id) ON DELETE CASCADE,
    CONSTRAINT named_snapshots_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id) ON DELETE CASCADE
);
CREATE INDEX named_snapshots_snapshot ON named_snapshots (snapshot_id);


-- 0100_peer_schedules, 0102_relations_of_peer_copies
CREATE TABLE peer_copies (
    schedule_id      bigint NOT NULL,
    source_id        bigint NOT NULL,
    path             text NOT NULL,
    remote_id        bigint,
    last_activity_at timestamptz,
    asked_at         timestamptz NOT NULL,
    relations        jsonb,
    CONSTRAINT peer_copies_pkey PRIMARY KEY (schedule_id, source_id),
    CONSTRAINT peer_copies_schedule_id_fkey FOREIGN KEY (schedule_id) REFERENCES schedules(id) ON DELETE CASCADE
);


-- 0103_kept_groups
CREATE TABLE group_documents (
    namespace_id bigint NOT NULL,
    document     bytea NOT NULL,
    CONSTRAINT group_documents_pkey PRIMARY KEY (namespace_id),
    CONSTRAINT group_documents_namespace_id_fkey FOREIGN KEY (namespace_id) REFERENCES namespaces(id) ON DELETE CASCADE
);


-- 0103_kept_groups
CREATE TABLE group_lines (
    namespace_id bigint NOT NULL,
    relation     text NOT NULL,
    number       integer NOT NULL,
    line         bytea NOT NULL,
    CONSTRAINT group_lines_pkey PRIMARY KEY (namespace_id, relation, number),
    CONSTRAINT group_lines_namespace_id_fkey FOREIGN KEY (namespace_id) REFERENCES namespaces(id) ON DELETE CASCADE
);


-- 0105_group_exports
CREATE TABLE group_exports (
    namespace_id bigint NOT NULL,
    user_id      bigint NOT NULL,
    expires_at   timestamptz NOT NULL,
    CONSTRAINT group_exports_pkey PRIMARY KEY (namespace_id, user_id),
    CONSTRAINT group_exports_namespace_id_fkey FOREIGN KEY (namespace_id) REFERENCES namespaces(id) ON DELETE CASCADE,
    CONSTRAINT group_exports_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE INDEX group_exports_expires ON group_exports (expires_at);
CREATE INDEX group_exports_user ON group_exports (user_id);


-- 0106_sent_parts
CREATE TABLE sent_parts (
    job_id bigint NOT NULL,
    number integer NOT NULL,
    etag   text NOT NULL,
    CONSTRAINT sent_parts_pkey PRIMARY KEY (job_id, number),
    CONSTRAINT sent_parts_etag_check CHECK (length(etag) >= 1 AND length(etag) <= 1024),
    CONSTRAINT sent_parts_number_check CHECK (number >= 1 AND number <= 10000),
    CONSTRAINT sent_parts_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs(id) ON DELETE CASCADE
);


-- 0109_seen_services
CREATE TABLE maintenance_runs (
    task    text NOT NULL,
    run_at  timestamptz NOT NULL,
    seconds real NOT NULL,
    amount  bigint NOT NULL,
    error   text,
    CONSTRAINT maintenance_runs_pkey PRIMARY KEY (task)
);


-- 0110_resumable_uploads, 0113_parts_of_uploads
CREATE TABLE uploads (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    user_id        bigint,
    size           bigint,
    received       bigint NOT NULL DEFAULT 0,
    metadata       text NOT NULL DEFAULT '',
    is_partial     boolean NOT NULL DEFAULT false,
    epoch          bigint NOT NULL DEFAULT 0,
    writer         bigint,
    writer_seen_at timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz NOT NULL,
    used_at        timestamptz,
    parts          bigint[],
    CONSTRAINT uploads_pkey PRIMARY KEY (id),
    CONSTRAINT uploads_check CHECK (received >= 0 AND received <= size),
    CONSTRAINT uploads_metadata_check CHECK (length(metadata) <= 4096),
    CONSTRAINT uploads_size_check CHECK (size >= 0),
    CONSTRAINT uploads_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE SET NULL
);
CREATE INDEX uploads_unused ON uploads (expires_at)
    WHERE used_at IS NULL;
CREATE INDEX uploads_used ON uploads (used_at)
    WHERE used_at IS NOT NULL;
CREATE INDEX uploads_user ON uploads (user_id, id);


-- 0110_resumable_uploads
CREATE TABLE upload_pieces (
    upload_id bigint NOT NULL,
    position  bigint NOT NULL,
    size      bigint NOT NULL,
    object_id bigint NOT NULL,
    CONSTRAINT upload_pieces_pkey PRIMARY KEY (upload_id, "position"),
    CONSTRAINT upload_pieces_position_check CHECK ("position" >= 0),
    CONSTRAINT upload_pieces_size_check CHECK (size > 0),
    CONSTRAINT upload_pieces_object_id_fkey FOREIGN KEY (object_id) REFERENCES objects(id),
    CONSTRAINT upload_pieces_upload_id_fkey FOREIGN KEY (upload_id) REFERENCES uploads(id) ON DELETE CASCADE
);
CREATE INDEX upload_pieces_object ON upload_pieces (object_id);
CREATE TRIGGER suspect_objects AFTER DELETE ON upload_pieces REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION suspect_objects();


-- 0111_direct_uploads
CREATE TABLE direct_uploads (
    upload_id bigint NOT NULL,
    object_id bigint NOT NULL,
    part_size bigint NOT NULL,
    write_id  text,
    sha256    bytea,
    CONSTRAINT direct_uploads_pkey PRIMARY KEY (upload_id),
    CONSTRAINT direct_uploads_part_size_check CHECK (part_size > 0),
    CONSTRAINT direct_uploads_sha256_check CHECK (length(sha256) = 32),
    CONSTRAINT direct_uploads_object_id_fkey FOREIGN KEY (object_id) REFERENCES objects(id),
    CONSTRAINT direct_uploads_upload_id_fkey FOREIGN KEY (upload_id) REFERENCES uploads(id) ON DELETE CASCADE
);
CREATE INDEX direct_uploads_object ON direct_uploads (object_id);
CREATE TRIGGER suspect_objects AFTER DELETE ON direct_uploads REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION suspect_objects();


-- 0112_openid_connect
CREATE TABLE identities (
    issuer     text NOT NULL,
    subject    text NOT NULL,
    user_id    bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT identities_pkey PRIMARY KEY (issuer, subject),
    CONSTRAINT identities_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE INDEX identities_user ON identities (user_id);


-- made by migrate itself
CREATE TABLE schema_migrations (
    number     integer NOT NULL,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT schema_migrations_pkey PRIMARY KEY (number)
);


-- made by migrate itself
CREATE TABLE schema_functions (
    version   integer NOT NULL,
    digest    text NOT NULL,
    names     text[] NOT NULL,
    former    text NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now()
);


-- 0007_project_archived
CREATE VIEW live_memberships AS
 SELECT user_id,
    namespace_id,
    project_id,
    access_level,
    created_at,
    expires_at
   FROM memberships
  WHERE expires_at IS NULL OR expires_at > (now() AT TIME ZONE 'UTC')::date;
