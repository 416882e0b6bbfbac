-- Jobs of kinds and states, the newest first, for lists of all jobs.
CREATE INDEX jobs_of_kind ON jobs (kind, state, (-id));
