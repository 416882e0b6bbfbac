-- How each job ended whose row went with its project: its last event, kept as long as a job is.
CREATE TABLE last_words (
    job_id         bigint PRIMARY KEY,
    name           text NOT NULL,
    project_id     bigint NOT NULL,
    subject        text NOT NULL,
    correlation_id text NOT NULL,
    traceparent    text,
    data           jsonb NOT NULL,
    created_at     timestamptz NOT NULL,
    first_at       timestamptz NOT NULL,
    started_at     timestamptz
);
CREATE INDEX last_words_age ON last_words (created_at);
INSERT INTO last_words
SELECT DISTINCT ON (job_id) job_id, name, project_id, subject, correlation_id, traceparent, data, created_at,
    min(created_at) OVER of_job, min(created_at) FILTER (WHERE name LIKE '%.started') OVER of_job
FROM events e WHERE NOT EXISTS (SELECT FROM jobs WHERE id = e.job_id)
WINDOW of_job AS (PARTITION BY job_id) ORDER BY job_id, id DESC;
