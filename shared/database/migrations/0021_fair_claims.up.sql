-- Which claim of a kind, counted from 1, last served each user: the lowest number has waited longest. User 0
-- stands for the jobs of users who were deleted.
CREATE TABLE job_turns (
    kind text NOT NULL,
    user_id bigint NOT NULL,
    last_claim bigint NOT NULL,
    PRIMARY KEY (kind, user_id)
);
CREATE INDEX job_turns_newest ON job_turns (kind, last_claim);

-- The workers that are there, with the jobs of a kind that each does at once.
CREATE TABLE job_workers (
    kind text NOT NULL,
    name text NOT NULL,
    slots integer NOT NULL CHECK (slots > 0),
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, name)
);

-- A claim goes from user to user along the first index, finds the first job of each, and counts along the
-- second what each runs.
CREATE INDEX jobs_claims ON jobs (kind, coalesce(user_id, 0), not_before, id) WHERE state = 'queued';

CREATE INDEX jobs_running ON jobs (kind, coalesce(user_id, 0)) WHERE state = 'running';

-- A claim in the moment after many jobs have gone reads their dead index entries until vacuum comes.
ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0.02);
