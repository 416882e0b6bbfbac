DROP TABLE maintenance_runs;
ALTER TABLE job_workers DROP COLUMN version;
