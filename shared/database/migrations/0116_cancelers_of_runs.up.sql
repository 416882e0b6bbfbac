-- Who canceled a run, and with it its jobs.
ALTER TABLE schedule_runs ADD COLUMN canceled_by bigint;
