-- The imports that were to take the place of another project and did not (shared/projects/overwrites.py).
CREATE INDEX jobs_overwrites ON jobs (finished_at)
    WHERE payload ->> 'replaces' IS NOT NULL AND state IN ('failed', 'canceled');
