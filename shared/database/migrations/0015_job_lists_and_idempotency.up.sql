-- Lists of jobs, newest first: of one project after the other, of one user, and of all in one state. By -id,
-- as who asks for an order by id may get a walk over all jobs, which takes long where the wanted ones are old.
CREATE INDEX jobs_of_project ON jobs (project_id, (-id));
CREATE INDEX jobs_of_user ON jobs (user_id, (-id));
CREATE INDEX jobs_in_state ON jobs (state, (-id));

-- Failures of one claim, in the order in which they were found.
DROP INDEX failed_relations_job;
CREATE INDEX failed_relations_job ON failed_relations (job_id, lease, id);

-- What was answered to requests that have an Idempotency-Key. The digest is of user, key, method and path.
CREATE TABLE idempotency_keys (
    digest       bytea       PRIMARY KEY CHECK (length(digest) = 32),
    user_id      bigint      NOT NULL REFERENCES users ON DELETE CASCADE,
    -- Of what was asked for, and of an upload's content, which is known later.
    fingerprint  bytea       NOT NULL,
    content      bytea,
    -- Who works on it, and until when that is believed.
    holder       uuid        NOT NULL,
    locked_until timestamptz NOT NULL,
    -- The answer, from its end on; without a body where that was not kept.
    status       integer,
    headers      jsonb,
    body         bytea,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
CREATE INDEX idempotency_keys_user ON idempotency_keys (user_id);
