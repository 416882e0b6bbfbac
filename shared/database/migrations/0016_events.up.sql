-- What other systems are told of jobs. The trigger writes an event in the transaction of its move, whoever
-- makes the move, so that neither is there without the other. Nothing refers to the job: an event outlives it.
CREATE TABLE events (
    -- It grows with every event of one job, as each move holds the job's row.
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text        NOT NULL,
    job_id         bigint      NOT NULL,
    project_id     bigint      NOT NULL,
    -- The project's full path at that time.
    subject        text        NOT NULL,
    correlation_id text        NOT NULL,
    traceparent    text,
    data           jsonb       NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at   timestamptz
);
CREATE INDEX events_job ON events (job_id, id);
CREATE INDEX events_unpublished ON events (id) WHERE published_at IS NULL;
CREATE INDEX events_published ON events (published_at);

-- The trace that a job belongs to (W3C trace context).
ALTER TABLE jobs ADD COLUMN IF NOT EXISTS traceparent text;

-- Progress is told at most once in five seconds, and a job has one event of it: the last.
CREATE FUNCTION told_of_job(old_job jobs, new_job jobs) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF old_job.id IS NULL THEN
        RETURN 'queued';
    ELSIF old_job.state <> new_job.state THEN
        RETURN CASE new_job.state WHEN 'running' THEN 'started' WHEN 'queued' THEN 'retried'
                                  ELSE new_job.state END;
    ELSIF new_job.state <> 'running' OR old_job.progress = new_job.progress
        OR EXISTS (SELECT FROM events WHERE job_id = new_job.id AND name = new_job.kind || '.progress'
                   AND created_at > clock_timestamp() - interval '5 seconds') THEN
        RETURN NULL;
    END IF;
    DELETE FROM events WHERE job_id = new_job.id AND name = new_job.kind || '.progress';
    RETURN 'progress';
END
$$;

CREATE FUNCTION archive_of_job(job jobs) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('size', size, 'sha256', encode(sha256, 'hex')) FROM (
        SELECT size, sha256 FROM archives WHERE job_id = job.id
        UNION ALL SELECT size, sha256 FROM objects WHERE id = job.object_id) archive LIMIT 1
$$;

-- Counted when the job has ended: until then an attempt's failures are still being found.
CREATE FUNCTION failures_of_job(job jobs) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM failed_relations WHERE job_id = job.id AND lease = job.lease
    HAVING job.kind <> 'export' AND job.finished_at IS NOT NULL
$$;

CREATE FUNCTION write_event(job jobs, told text, path text, problem text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO events (name, job_id, project_id, subject, correlation_id, traceparent, data)
    VALUES (job.kind || '.' || told, job.id, job.project_id, path, job.correlation_id, job.traceparent,
        jsonb_build_object(
            'job', jsonb_build_object('id', job.id, 'kind', job.kind, 'state', job.state,
                                      'attempt', job.attempt, 'max_attempts', job.max_attempts),
            'project', jsonb_build_object('id', job.project_id, 'path_with_namespace', path),
            'user_id', job.user_id,
            'progress', job.progress,
            'archive', archive_of_job(job),
            'failures', failures_of_job(job),
            'upload', job.outcome -> 'upload',
            'error', problem));
    SELECT pg_notify('crossdock_events', '');
$$;

CREATE FUNCTION tell_of_job() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told text := told_of_job(OLD, NEW);
    path text;
BEGIN
    IF told IS NOT NULL THEN
        SELECT n.full_path || '/' || p.path INTO path
        FROM projects p JOIN namespaces n ON n.id = p.namespace_id WHERE p.id = NEW.project_id;
        PERFORM write_event(NEW, told, path, CASE WHEN told IN ('failed', 'retried') THEN NEW.error END);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER tell_of_job AFTER INSERT OR UPDATE OF state, progress ON jobs
    FOR EACH ROW EXECUTE FUNCTION tell_of_job();

-- A job that ends because its project is deleted is told of under the path that the project had.
CREATE FUNCTION tell_of_lost_job() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    path text;
BEGIN
    SELECT subject INTO path FROM events WHERE job_id = OLD.id ORDER BY id DESC LIMIT 1;
    OLD.state := 'canceled';
    PERFORM write_event(OLD, 'canceled', coalesce(path, ''), 'the project was deleted');
    RETURN NULL;
END
$$;
CREATE TRIGGER tell_of_lost_job AFTER DELETE ON jobs
    FOR EACH ROW WHEN (OLD.finished_at IS NULL) EXECUTE FUNCTION tell_of_lost_job();

-- Commands of other systems that were carried out: the same message again gives the same answer.
CREATE TABLE commands (
    user_id    bigint      NOT NULL REFERENCES users ON DELETE CASCADE,
    source     text        NOT NULL,
    message_id text        NOT NULL,
    -- The SHA-256 of what was asked for.
    digest     bytea       NOT NULL CHECK (length(digest) = 32),
    answer     jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, source, message_id)
);
CREATE INDEX commands_created ON commands (created_at);
