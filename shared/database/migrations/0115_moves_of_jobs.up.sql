-- Who canceled a job, and which job it is a retry of. A foreign key to users would lock users and jobs in one step,
-- and services that work meanwhile lock both as well: a deadlock. Users are never deleted.
ALTER TABLE jobs
    ADD COLUMN canceled_by bigint,
    ADD COLUMN retry_of bigint REFERENCES jobs ON DELETE SET NULL;
CREATE INDEX jobs_retries ON jobs (retry_of) WHERE retry_of IS NOT NULL;
