DROP TABLE idempotency_keys;
DROP INDEX failed_relations_job;
CREATE INDEX failed_relations_job ON failed_relations (job_id, id DESC);
DROP INDEX jobs_in_state;
DROP INDEX jobs_of_user;
DROP INDEX jobs_of_project;
