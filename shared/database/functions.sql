-- Version 16, for migration 115 and newer.
--
-- The functions and triggers of the database as they are now. `crossdock migrate` loads this file when it has
-- changed; README.md beside it says how to change it. Raise the version with each change: an older process
-- that starts in the middle of an upgrade then leaves the newer functions in place.
--
-- Triggers of one table and moment run in the order of their names.


-- Full paths of groups and projects -----------------------------------------------------------------------

-- A project and a group cannot have the same full path, and no index spans two tables. Both take this lock
-- before they look for the other, so that the second one sees what the first one has committed.
CREATE OR REPLACE FUNCTION lock_path(namespace_id bigint, path text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(namespace_id || '/' || lower(path), 0))
$$;

-- Refuses a group that is more visible than its parent. change_group() holds the lock crossdock.namespaces
-- exclusively while it looks at everything below a group, so no new subgroup escapes its check.
CREATE OR REPLACE FUNCTION limit_visibility() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    visibility_of_parent smallint;
BEGIN
    IF NEW.parent_id IS NULL THEN
        -- The namespace of a user limits nothing: each project in it has a visibility of its own.
        NEW.visibility := CASE NEW.kind WHEN 'user' THEN 20 ELSE NEW.visibility END;
        RETURN NEW;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtext('crossdock.namespaces'));
    SELECT n.visibility INTO visibility_of_parent FROM namespaces n WHERE n.id = NEW.parent_id;
    IF NEW.visibility > visibility_of_parent THEN
        RAISE check_violation USING CONSTRAINT = 'visibility_of_parent',
            MESSAGE = 'the parent is less visible', DETAIL = visibility_of_parent;
    END IF;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER limit_visibility BEFORE INSERT OR UPDATE OF parent_id, visibility ON namespaces
    FOR EACH ROW EXECUTE FUNCTION limit_visibility();

-- Derives the full path and the full name from the parent, and refuses the path of a project.
CREATE OR REPLACE FUNCTION place_namespace() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parent namespaces;
BEGIN
    IF NEW.parent_id IS NOT NULL THEN
        PERFORM lock_path(NEW.parent_id, NEW.path);
        IF EXISTS (SELECT FROM projects p
                   WHERE p.namespace_id = NEW.parent_id AND lower(p.path) = lower(NEW.path)) THEN
            RAISE unique_violation USING CONSTRAINT = 'full_path', MESSAGE = 'a project has this full path';
        END IF;
        -- change_group() holds this lock exclusively while it renames, so no new group misses the new path.
        PERFORM pg_advisory_xact_lock_shared(hashtext('crossdock.namespaces'));
        SELECT * INTO parent FROM namespaces n WHERE n.id = NEW.parent_id;
    END IF;
    NEW.full_path := concat_ws('/', parent.full_path, NEW.path);
    NEW.full_name := concat_ws(' / ', parent.full_name, NEW.name);
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER place_namespace BEFORE INSERT OR UPDATE OF parent_id, path, name ON namespaces
    FOR EACH ROW EXECUTE FUNCTION place_namespace();

-- Refuses the path of a group.
CREATE OR REPLACE FUNCTION place_project() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_path(NEW.namespace_id, NEW.path);
    IF EXISTS (SELECT FROM namespaces n
               WHERE n.parent_id = NEW.namespace_id AND lower(n.path) = lower(NEW.path)) THEN
        RAISE unique_violation USING CONSTRAINT = 'full_path', MESSAGE = 'a group has this full path';
    END IF;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER place_project BEFORE INSERT OR UPDATE OF namespace_id, path ON projects
    FOR EACH ROW EXECUTE FUNCTION place_project();

-- Marks a project as changed: by its content, which is another snapshot, or by what it is. By the clock, and not
-- by the beginning of the transaction: whoever has read a time must not miss a change that is committed later.
CREATE OR REPLACE FUNCTION touch_project() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.last_activity_at = clock_timestamp();
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER touch_project BEFORE UPDATE ON projects
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION touch_project();


-- Garbage -------------------------------------------------------------------------------------------------

-- Has the collector look at objects that have lost a reference, once that is committed.
CREATE OR REPLACE FUNCTION suspect_objects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO suspects (object_id) SELECT DISTINCT object_id FROM gone WHERE object_id IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER suspect_objects AFTER DELETE ON entries
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION suspect_objects();
CREATE OR REPLACE TRIGGER suspect_objects AFTER DELETE ON runs
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION suspect_objects();
CREATE OR REPLACE TRIGGER suspect_objects AFTER DELETE ON archives
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION suspect_objects();
CREATE OR REPLACE TRIGGER suspect_objects AFTER DELETE ON upload_pieces
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION suspect_objects();
CREATE OR REPLACE TRIGGER suspect_objects AFTER DELETE ON direct_uploads
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION suspect_objects();

-- The same for new objects, to which perhaps nothing will ever refer.
CREATE OR REPLACE FUNCTION suspect_new_objects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO suspects (object_id) SELECT id FROM made;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER suspect_new_objects AFTER INSERT ON objects
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION suspect_new_objects();


-- Claims of jobs ------------------------------------------------------------------------------------------

-- The jobs of a kind that may be claimed now, the best first: those of the user with the fewest running ones;
-- of several, of the user who was served longest ago; of several, the oldest. No user gets more than `percent`
-- of all slots. It goes from user to user along the index jobs_claims, so that its costs grow with users, not
-- with jobs. What a user has is looked up and not joined: Postgres cannot know how many users wait, and would
-- join loop by loop.
CREATE OR REPLACE FUNCTION claimable_jobs(
    of_kind text, silent_after interval, percent integer, usernames text[], given_weights float8[]
) RETURNS bigint[] LANGUAGE sql AS $$
    WITH RECURSIVE waiting AS (
        (SELECT id, coalesce(user_id, 0) AS user_id, not_before FROM jobs
         WHERE state = 'queued' AND kind = of_kind ORDER BY coalesce(user_id, 0), not_before, id LIMIT 1)
        UNION ALL
        SELECT further.* FROM waiting w CROSS JOIN LATERAL (
            SELECT id, coalesce(user_id, 0) AS user_id, not_before FROM jobs
            WHERE state = 'queued' AND kind = of_kind AND coalesce(user_id, 0) > w.user_id
            ORDER BY coalesce(user_id, 0), not_before, id LIMIT 1) further
    ), weights AS (
        SELECT u.id AS user_id, given.weight FROM unnest(usernames, given_weights) AS given (username, weight)
        JOIN users u ON lower(u.username) = lower(given.username)
    ), share AS (
        SELECT greatest(1, coalesce(sum(slots), 0) * percent / 100.0) AS jobs FROM job_workers
        WHERE kind = of_kind AND seen_at > clock_timestamp() - silent_after
    ), claims AS (
        SELECT coalesce(max(last_claim), 0) + 1 AS this FROM job_turns WHERE kind = of_kind
    ), ranked AS (
        SELECT w.id, has.running / coalesce(g.weight, 1) AS running,
            (c.this - has.last_claim) * coalesce(g.weight, 1) AS waited
        FROM waiting w CROSS JOIN claims c CROSS JOIN share CROSS JOIN LATERAL (SELECT
            (SELECT count(*) FROM jobs
             WHERE state = 'running' AND kind = of_kind AND coalesce(user_id, 0) = w.user_id) AS running,
            (SELECT last_claim FROM job_turns t WHERE t.kind = of_kind AND t.user_id = w.user_id) AS last_claim
            OFFSET 0) has
        LEFT JOIN weights g USING (user_id)
        WHERE w.not_before <= clock_timestamp() AND has.running < share.jobs
        ORDER BY running, waited DESC NULLS FIRST, w.id LIMIT 16
    )
    SELECT array_agg(id ORDER BY running, waited DESC NULLS FIRST, id) FROM ranked
$$;

-- Locks the first of these jobs that is queued, and gives its id; null where there is none. It passes over those
-- that others lock. Where all are locked it waits for `patience` milliseconds: who publishes the wake-up of a
-- job locks it for a moment, and that wake-up is used up by this claim.
CREATE OR REPLACE FUNCTION lock_first_job(candidates bigint[], patience text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    picked bigint;
BEGIN
    SELECT id INTO picked FROM jobs WHERE id = ANY(candidates) AND state = 'queued'
    ORDER BY array_position(candidates, id) LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    IF picked IS NULL AND candidates IS NOT NULL THEN
        PERFORM set_config('lock_timeout', patience, true);
        SELECT id INTO picked FROM jobs WHERE id = ANY(candidates) AND state = 'queued'
        ORDER BY array_position(candidates, id) LIMIT 1 FOR NO KEY UPDATE;
    END IF;
    RETURN picked;
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END
$$;

-- Claims up to `most` jobs of a kind for `ttl`, one after the other by the rule of claimable_jobs(). Claims of a
-- kind take turns, and wait for 5 seconds at most: otherwise all try to lock the same row, and all but one go
-- away empty. It is a function so that no client can pause in its transaction and hold up the others. Its
-- queries have one plan whatever is given: to make one takes longer than a claim where few users wait.
CREATE OR REPLACE FUNCTION claim_jobs(
    of_kind text, by_worker text, ttl interval, percent integer, usernames text[], given_weights float8[],
    most integer, patience text
) RETURNS SETOF jobs LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET lock_timeout = '5s' AS $$
DECLARE
    picked bigint;
    claimed jobs;
BEGIN
    IF NOT EXISTS (SELECT FROM jobs WHERE state = 'queued' AND kind = of_kind) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('crossdock.claim.' || of_kind, 0));
    FOR n IN 1..most LOOP
        -- Statements of their own: each sees what was committed before it, after the wait for the turn.
        picked := lock_first_job(
            claimable_jobs(of_kind, ttl, percent, usernames, given_weights), patience);
        EXIT WHEN picked IS NULL;
        UPDATE jobs SET state = 'running', worker = by_worker, lease = lease + 1, attempt = attempt + 1,
            lease_expires_at = clock_timestamp() + ttl, started_at = coalesce(started_at, clock_timestamp())
        WHERE id = picked RETURNING * INTO claimed;
        INSERT INTO job_turns (kind, user_id, last_claim)
        SELECT of_kind, coalesce(claimed.user_id, 0), coalesce(max(last_claim), 0) + 1
        FROM job_turns WHERE kind = of_kind
        ON CONFLICT (kind, user_id) DO UPDATE SET last_claim = excluded.last_claim;
        RETURN NEXT claimed;
    END LOOP;
END
$$;


-- Events of jobs ------------------------------------------------------------------------------------------

-- Triggers write the events, in the transaction of the move itself and whoever makes the move: neither a move
-- without its event nor an event without its move can be committed.

-- The kind that users are told, as JobKind.shown has it.
CREATE OR REPLACE FUNCTION shown_kind(kind text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN kind IN ('remote_import', 'small_import', 'git_import', 'github_import', 'peer_import')
                THEN 'import' WHEN kind = 'peer_export' THEN 'upload' ELSE kind END
$$;

-- A job tells of its progress once in five seconds at most.
CREATE OR REPLACE FUNCTION has_recent_progress_event(job jobs) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM events WHERE job_id = job.id AND name = shown_kind(job.kind) || '.progress'
                   AND created_at > clock_timestamp() - interval '5 seconds')
$$;

-- The name of the event that an update or an insert makes, without the kind of the job; null for no event.
CREATE OR REPLACE FUNCTION name_of_job_event(old_job jobs, new_job jobs) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN old_job.id IS NULL THEN 'queued'
        WHEN old_job.state <> new_job.state THEN
            CASE new_job.state WHEN 'running' THEN 'started' WHEN 'queued' THEN 'retried'
                               ELSE new_job.state END
        WHEN new_job.state = 'running' AND old_job.progress <> new_job.progress
            AND NOT has_recent_progress_event(new_job) THEN 'progress'
    END
$$;

-- The archive that an export has made, an import reads or an upload sends. The outcome comes first: it has the
-- size and digest of an archive that the import fetched, or that was put into the store without a digest.
-- The digest of an archive that an export has made is null until somebody has read it whole.
CREATE OR REPLACE FUNCTION archive_of_job(job jobs) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT archive FROM (
        SELECT job.outcome -> 'archive' AS archive, 1 AS rank
        WHERE jsonb_typeof(job.outcome -> 'archive') = 'object'
        UNION ALL
        SELECT jsonb_build_object('size', size, 'sha256', encode(sha256, 'hex'))
            || jsonb_strip_nulls(jsonb_build_object('crc32', lpad(to_hex(crc32), 8, '0'), 'etag', etag,
                                                    'manifest_sha256', encode(manifest_sha256, 'hex'))), 2
        FROM archives WHERE job_id = CASE job.kind WHEN 'upload' THEN job.parent_id ELSE job.id END
        UNION ALL
        SELECT jsonb_build_object('size', size, 'sha256', encode(sha256, 'hex')), 3
        FROM objects WHERE id = job.object_id
        UNION ALL
        SELECT jsonb_build_object('size', size, 'sha256', null), 4 FROM uploads WHERE id = job.upload_id
    ) found ORDER BY rank LIMIT 1
$$;

-- The digest of the files that an import has kept, or that an export has; null where nobody has made it.
CREATE OR REPLACE FUNCTION content_of_job(job jobs) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(content_sha256, 'hex') FROM snapshots WHERE id = job.snapshot_id
$$;

-- How many records an import has left out. Null until the job has ended: before that, the attempt goes on
-- finding failures.
CREATE OR REPLACE FUNCTION failures_of_job(job jobs) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM failed_relations WHERE job_id = job.id AND lease = job.lease
    HAVING job.kind NOT IN ('export', 'upload', 'peer_export', 'backup') AND job.finished_at IS NOT NULL
$$;

-- The progress that users are told: only a running job has a rate, and an end in sight.
CREATE OR REPLACE FUNCTION progress_of_job(job jobs) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE job.state WHEN 'running' THEN job.progress
                          ELSE job.progress - 'rate_bytes_per_second' - 'seconds_left' END
$$;

-- The public JSON of an event: the schema JobEvent in services/api/asyncapi describes it, for the queue, for
-- event streams and for webhooks. Members may be added; none may be renamed or removed.
CREATE OR REPLACE FUNCTION data_of_job_event(job jobs, project_path text, error text, error_code text)
RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'job', jsonb_build_object(
            'id', job.id,
            'kind', shown_kind(job.kind),
            'state', job.state,
            'attempt', job.attempt,
            'max_attempts', job.max_attempts,
            'parent_id', job.parent_id,
            'retry_of', job.retry_of,
            'canceled_by', (SELECT jsonb_build_object('id', id, 'username', username, 'name', name)
                            FROM users WHERE id = job.canceled_by)),
        'project', jsonb_build_object('id', job.project_id, 'path_with_namespace', project_path),
        'user_id', job.user_id,
        'progress', progress_of_job(job),
        'archive', archive_of_job(job),
        'content_sha256', content_of_job(job),
        'failures', failures_of_job(job),
        'upload', job.outcome -> 'upload',
        'error', error,
        'error_code', error_code)
$$;

-- Writes one event and wakes those that publish events.
CREATE OR REPLACE FUNCTION insert_job_event(job jobs, event text, project_path text, error text, error_code text)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO events (name, job_id, project_id, subject, correlation_id, traceparent, data)
    VALUES (shown_kind(job.kind) || '.' || event, job.id, job.project_id, project_path,
            job.correlation_id, job.traceparent, data_of_job_event(job, project_path, error, error_code));
    SELECT pg_notify('crossdock_events', '');
$$;

CREATE OR REPLACE FUNCTION write_job_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    event text := name_of_job_event(OLD, NEW);
    has_error boolean := event IN ('failed', 'retried');
    project_path text;
BEGIN
    IF event IS NULL THEN
        RETURN NULL;
    ELSIF event = 'progress' THEN
        -- Only the last progress of a job is kept.
        DELETE FROM events WHERE job_id = NEW.id AND name = shown_kind(NEW.kind) || '.progress';
    END IF;
    SELECT n.full_path || '/' || p.path INTO project_path
    FROM projects p JOIN namespaces n ON n.id = p.namespace_id WHERE p.id = NEW.project_id;
    PERFORM insert_job_event(NEW, event, project_path, CASE WHEN has_error THEN NEW.error END,
                             CASE WHEN has_error THEN NEW.error_code END);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER write_job_event AFTER INSERT OR UPDATE OF state, progress ON jobs
    FOR EACH ROW EXECUTE FUNCTION write_job_event();

-- The row of a job goes with its project. A job that had not ended is canceled by that, and its last event
-- knows the path of the project, which is gone as well.
CREATE OR REPLACE FUNCTION write_event_of_deleted_job() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    project_path text;
BEGIN
    SELECT subject INTO project_path FROM events WHERE job_id = OLD.id ORDER BY id DESC LIMIT 1;
    OLD.state := 'canceled';
    PERFORM insert_job_event(OLD, 'canceled', coalesce(project_path, ''), 'the project was deleted',
                             'project_deleted');
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER write_event_of_deleted_job AFTER DELETE ON jobs
    FOR EACH ROW WHEN (OLD.finished_at IS NULL) EXECUTE FUNCTION write_event_of_deleted_job();

-- Who watches a job that goes with its project can still ask how it ended: as its last event says, which the
-- trigger above may have written, or as its row says, where its events are gone.
CREATE OR REPLACE FUNCTION write_last_word() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    has_failed boolean := OLD.state = 'failed';
    last events;
BEGIN
    IF EXISTS (SELECT FROM projects WHERE id = OLD.project_id) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO last FROM events WHERE job_id = OLD.id ORDER BY id DESC LIMIT 1;
    INSERT INTO last_words VALUES (
        OLD.id, coalesce(last.name, shown_kind(OLD.kind) || '.' || OLD.state), OLD.project_id,
        coalesce(last.subject, ''), OLD.correlation_id, OLD.traceparent,
        coalesce(last.data, data_of_job_event(OLD, '', CASE WHEN has_failed THEN OLD.error END,
                                              CASE WHEN has_failed THEN OLD.error_code END)),
        coalesce(OLD.finished_at, clock_timestamp()), OLD.created_at, OLD.started_at)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER write_last_word AFTER DELETE ON jobs
    FOR EACH ROW EXECUTE FUNCTION write_last_word();

-- What an import from GitHub has fetched goes with its end, whatever that is and whoever makes it. Where the next
-- import is to ask by it, it stays when the import has finished, and takes the place of what was kept before.
CREATE OR REPLACE FUNCTION delete_github_pages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'finished' AND NEW.payload #>> '{github,keeps_pages}' = 'true' THEN
        DELETE FROM github_pages p USING jobs j
        WHERE j.id = p.job_id AND j.project_id = NEW.project_id AND j.id <> NEW.id AND j.finished_at IS NOT NULL;
    ELSE
        DELETE FROM github_pages WHERE job_id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER delete_github_pages AFTER UPDATE OF state ON jobs
    FOR EACH ROW WHEN (NEW.kind = 'github_import' AND OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
    EXECUTE FUNCTION delete_github_pages();


-- Events of runs ------------------------------------------------------------------------------------------

-- The public JSON of the event of a run: the schema RunEvent describes it.
CREATE OR REPLACE FUNCTION data_of_run_event(run schedule_runs) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'run', jsonb_build_object(
            'id', run.id,
            'state', run.state,
            'cause', run.cause,
            'due_at', run.due_at,
            'missed', run.missed,
            'started_at', run.started_at,
            'finished_at', run.finished_at,
            'projects', (SELECT coalesce(jsonb_object_agg(state, number), '{}') FROM (
                SELECT state, count(*) AS number FROM run_projects WHERE run_id = run.id GROUP BY state) counted)),
        'schedule', jsonb_build_object('id', s.id, 'name', s.name, 'destination_id', s.destination_id),
        'user_id', s.user_id,
        'error', run.error,
        'error_code', run.error_code)
    FROM schedules s WHERE s.id = run.schedule_id
$$;

-- A run is of no project and has no job. Its events have its number below zero in place of a job's, by which they
-- are delivered in their order, and go to who hears of all projects.
CREATE OR REPLACE FUNCTION write_run_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    happened text := CASE NEW.state WHEN 'running' THEN 'started' WHEN 'partial' THEN 'finished' ELSE NEW.state END;
    described jsonb := data_of_run_event(NEW);
BEGIN
    IF happened IN ('started', 'finished', 'failed', 'canceled') THEN
        INSERT INTO events (name, job_id, project_id, subject, correlation_id, data)
        VALUES ('run.' || happened, -NEW.id, 0, described #>> '{schedule,name}', 'run-' || NEW.id, described);
        PERFORM pg_notify('crossdock_events', '');
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER write_run_event AFTER UPDATE OF state ON schedule_runs
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION write_run_event();


-- Deliveries to webhooks ----------------------------------------------------------------------------------

-- Queues an event for each webhook that wants it, in the transaction of the event. It skips rows that others
-- hold: a webhook that is being deleted gets no more events, and no job waits for a webhook.
CREATE OR REPLACE FUNCTION queue_webhook_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text := split_part(NEW.name, '.', 1);
    move text := split_part(NEW.name, '.', 2);
BEGIN
    IF move = 'progress' THEN
        -- A newer progress replaces one that nobody has tried to deliver yet.
        DELETE FROM webhook_deliveries WHERE id IN (
            SELECT d.id FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id
            WHERE d.job_id = NEW.job_id AND d.state = 'pending' AND d.tries = 0
              AND d.event ->> 'name' = NEW.name
            FOR UPDATE OF d SKIP LOCKED);
    END IF;
    INSERT INTO webhook_deliveries (webhook_id, job_id, event)
    SELECT id, NEW.job_id, to_jsonb(NEW) - 'published_at' FROM webhooks
    WHERE disabled_reason IS NULL AND (project_id IS NULL OR project_id = NEW.project_id)
      AND events && ARRAY[NEW.name, kind || '.*', '*.' || move, '*']
    FOR KEY SHARE SKIP LOCKED;
    IF FOUND THEN
        PERFORM pg_notify('crossdock_webhooks', '');
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER queue_webhook_deliveries AFTER INSERT ON events
    FOR EACH ROW EXECUTE FUNCTION queue_webhook_deliveries();
