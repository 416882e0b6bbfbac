ALTER TABLE projects DROP COLUMN last_activity_at;
