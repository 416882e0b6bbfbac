DROP TABLE commands;
DROP TRIGGER tell_of_lost_job ON jobs;
DROP TRIGGER tell_of_job ON jobs;
DROP FUNCTION tell_of_lost_job(), tell_of_job(), write_event(jobs, text, text, text), failures_of_job(jobs),
    archive_of_job(jobs), told_of_job(jobs, jobs);
ALTER TABLE jobs DROP COLUMN IF EXISTS traceparent;
DROP TABLE events;
