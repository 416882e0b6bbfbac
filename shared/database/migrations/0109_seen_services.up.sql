-- Which version each worker has, and when maintenance did what last, for administrators.
ALTER TABLE job_workers ADD COLUMN version text;
CREATE TABLE maintenance_runs (
    task    text PRIMARY KEY,
    run_at  timestamptz NOT NULL,
    seconds real NOT NULL,
    amount  bigint NOT NULL,
    error   text
);
