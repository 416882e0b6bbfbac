ALTER TABLE schedule_runs DROP COLUMN canceled_by;
