-- A user may have several exports on their way that were asked for differently; the newest archive counts.
DROP INDEX archives_owner;
CREATE INDEX archives_owner ON archives (project_id, user_id, job_id DESC);
DROP INDEX archives_job;
CREATE UNIQUE INDEX archives_job ON archives (job_id);
