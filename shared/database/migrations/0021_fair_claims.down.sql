ALTER TABLE jobs RESET (autovacuum_vacuum_scale_factor);
DROP INDEX jobs_running;
DROP INDEX jobs_claims;
DROP TABLE job_workers;
DROP TABLE job_turns;
