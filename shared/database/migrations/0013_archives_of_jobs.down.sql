DELETE FROM archives a USING archives newer
    WHERE newer.project_id = a.project_id AND newer.user_id = a.user_id AND newer.job_id > a.job_id;
DROP INDEX archives_job;
CREATE INDEX archives_job ON archives (job_id);
DROP INDEX archives_owner;
CREATE UNIQUE INDEX archives_owner ON archives (project_id, user_id);
