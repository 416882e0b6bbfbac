-- Why attempts at a job ended, the newest last: AttemptError in shared/jobs/models.py, 20 of them at most.
ALTER TABLE jobs ADD COLUMN errors jsonb NOT NULL DEFAULT '[]';
